"""What the records answer of a cohort or a method: sentences and tables drawn from numbers."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from benchmark.analysis.ablations import Delta
from benchmark.analysis.findings import SIDES, Verdict
from benchmark.analysis.over_cohorts import FEWEST_FOR_GROUPS
from benchmark.analysis.per_cohort import BEST, SUPERVISED, Answer, Beside, CohortAnswers
from benchmark.analysis.per_method import MethodStanding, Place, told_apart
from benchmark.analysis.standings import (
    CLINICAL,
    RANKED,
    REFERENCE,
    SIMPLE,
    UNTRAINED,
    Measure,
    Standing,
)
from benchmark.analysis.stats import Pooled
from benchmark.show.columns import Entry, page_of, strip
from benchmark.show.first_screen import question
from benchmark.show.numbers import NONE, count, interval, number, with_interval
from benchmark.show.page_names import compare_page
from benchmark.show.tables import (
    Column,
    Name,
    Strip,
    Strong,
    Table,
    Text,
    measured,
    methods,
    table,
)
from tasks.cancers import plain_name
from tasks.words import of_kind, of_metric

_WHAT = {
    SIMPLE: "plain features of both sides",
    SIDES[0]: "expression alone",
    SIDES[1]: "slides alone",
    CLINICAL: "age, sex and stage alone",
    BEST: "best of what learns without labels",
    REFERENCE: "MIRROR",
    SUPERVISED: "best of what is told outcomes",
    UNTRAINED: "MIRROR's encoders untrained",
}
_VERDICTS = {
    Verdict.BETTER: "shown to be better",
    Verdict.WORSE: "shown to be worse",
    Verdict.ALIKE: "shown to be as good",
    Verdict.OPEN: "not told apart",
}
_FEW = 6
"""Tasks that are named one by one."""


def cohort_title(cohort: str) -> str:
    """The cancer and the name of a cohort."""
    plain = plain_name(cohort)
    return cohort if plain == cohort else f"{plain[:1].upper()}{plain[1:]} ({cohort})"


def kind_name(kind: str) -> str:
    """A kind in plain words, or its own name."""
    words = of_kind(kind)
    return words.name if words else kind


def metric_name(metric: str) -> str:
    """A metric in plain words, or its own name."""
    words = of_metric(metric)
    return words.name if words else metric


def scale(measure: Measure) -> str:
    """Of a metric its direction, what chance and what the best value are."""
    low, high = measure.bounds
    best = high if measure.higher_is_better else low
    parts = ["higher is better" if measure.higher_is_better else "lower is better"]
    parts += [] if measure.chance is None else [f"chance {measure.chance:g}"]
    parts += [f"perfect {best:g}"] if np.isfinite(best) else []
    return ", ".join(parts)


def title(answer: Answer) -> str:
    """What is asked."""
    return f"{kind_name(answer.table.kind)}: {question(answer.table)}"


def in_short(answer: Answer) -> Text:
    """What to use and what it scores, in a line."""
    return (
        Strong("Use"),
        " ",
        Name(answer.use.method),
        f": {metric_name(answer.table.primary.name)} {with_interval(answer.use.score)}",
    )


def _patients(of: Standing) -> str:
    events = "" if of.n_events is None else f" with {count(of.n_events, 'event')}"
    return f"{count(of.n_patients[1], 'patient')}{events}"


def sentences(answer: Answer) -> Iterator[Text]:
    """How sure it is, whether anything is better, what is added to what else there is."""
    of = answer.table
    yield (
        Strong("How sure"),
        f": mean of {of.layout} over {_patients(of)}; in brackets its 95 % interval"
        f" ({scale(of.primary)}). {_apart(of)}",
    )
    yield _why(answer)
    yield from _sides(answer)
    yield from _clinic(answer)


def _apart(of: Standing) -> str:
    """Whether this cohort alone tells methods apart."""
    ranked, tied = of.ranked, sum(row.tied for row in of.ranked)
    if len(ranked) < 2:
        return ""
    n = count(len(ranked), "method")
    return f"Of {n} that learn without labels {tied} cannot be told apart from the best here."


def _why(answer: Answer) -> Text:
    over = answer.over
    if over is None:
        return (Strong("Why this one"), ": no other cohort has the question to compare methods by.")
    cohorts = count(len(over.of.tables), "cohort")
    better = over.with_verdict(Verdict.BETTER)
    if better:
        return (
            Strong("Why this one"),
            f": over {cohorts} it is shown to be better than ",
            Name(over.reference),
            f" ({_over(better[0].found)}).",
        )
    return (
        Strong("Why this one"),
        f": over {cohorts} none of {count(len(over.methods), 'method')} that learn without labels"
        " is shown to be better than ",
        Name(over.reference),
        ", which needs no training. That does not show that they are equal.",
    )


def _sides(answer: Answer) -> Iterator[Text]:
    alone = [one for side in SIDES if (one := answer.of(side)) is not None and one.against]
    if alone:
        text: list[str] = [Strong("One side alone"), ":"]
        for i, one in enumerate(alone):
            text += [";" if i else "", f" {_WHAT[one.what]} ", *_reached(one, answer)]
        yield [*text, "."]


def _clinic(answer: Answer) -> Iterator[Text]:
    one = answer.of(CLINICAL)
    if one is not None and one.against:
        yield (
            Strong("Against the clinic"),
            ": age, sex and stage alone ",
            *_reached(one, answer),
            ". Both together were not fitted: whether the embedding adds to the clinic is not"
            " measured here.",
        )


def _reached(one: Beside, answer: Answer) -> Sequence[str]:
    """What a method reaches and how far that is from the one to use."""
    if one.against is None:
        return ()
    gap = number(one.against.mean, sign=True)
    ends = interval(one.against.low, one.against.high, sign=True)
    return (
        "reaches" if one.what == SIDES[0] else "reach",
        f" {with_interval(one.row.score)}, {gap} ({ends}) to ",
        Name(answer.use.method),
        f", {_VERDICTS[one.verdict]}",
    )


def beside(answer: Answer) -> Table[Beside]:
    """The method to use with what stands beside it."""
    of = answer.table
    columns: tuple[Column[Beside], ...] = (
        methods(lambda one: one.row.method),
        Column("drawn", lambda _: "", kind="drawing", strip=lambda one: _drawn(one, answer)),
        measured(
            f"{metric_name(of.primary.name)} (95 %)",
            lambda one: with_interval(one.row.score),
            lambda one: one.row.score.mean,
            descending=of.primary.higher_is_better,
        ),
        measured(
            f"to {answer.use.method} (95 %)",
            lambda one: with_interval(one.against, sign=True) if one.against else NONE,
            lambda one: one.against.mean if one.against else 0.0,
            descending=True,
        ),
        Column("", lambda one: _VERDICTS[one.verdict] if one.against else "", heard="verdict"),
        Column("what it is", lambda one: "the one to use" if one.against is None else _what(one)),
    )
    caption = (
        f"{title(answer)}, {_patients(of)}, {of.layout}; intervals of differences hold at once;"
        f" the dashed line is at {answer.use.method}"
    )
    return table(caption, columns, answer.beside, lambda one: "best" if not one.against else "")


def _drawn(one: Beside, answer: Answer) -> Strip | None:
    """Its score and interval, and a line where the score of the one to use is."""
    own, use = (strip(Entry(answer.table, row)) for row in (one.row, answer.use))
    return None if own is None or use is None else replace(own, reference=use.mean)


def _what(one: Beside) -> str:
    return _WHAT.get(one.what, "")


def tasks_of(cohort: CohortAnswers) -> Table[Standing]:
    """Everything that a cohort was asked."""
    columns: tuple[Column[Standing], ...] = (
        Column("task", lambda t: t.task, kind="name", link=page_of),
        Column("asks", lambda t: kind_name(t.kind)),
        Column("protocol", lambda t: t.protocol, kind="choice"),
        Column("budget", lambda t: t.budget, kind="choice"),
        measured("patients", lambda t: f"{t.n_patients[1]:,}", lambda t: t.n_patients[1]),
        measured("events", lambda t: NONE if t.n_events is None else f"{t.n_events:,}",
                 lambda t: t.n_events),
        Column("metric", lambda t: metric_name(t.primary.name)),
        Column("best without labels (95 %)", _best),
    )  # fmt: skip
    return table(f"Everything that was asked of {cohort.cohort}", columns, cohort.tables)


def _best(of: Standing) -> Text:
    return NONE if of.best is None else (Name(of.best.method), f" {with_interval(of.best.score)}")


# Where a method stands.


def why(of: MethodStanding) -> str:
    """The question that its places answer."""
    ranked = [place for place in of.places if place.place is not None]
    if of.role != RANKED or not ranked:
        return "Where it stands"
    if all(place.place == 1 for place in ranked):
        return f"Is {of.method} shown to be the best?"
    return f"Why is {of.method} not first?"


def places(of: MethodStanding) -> Iterator[Text]:
    """A sentence for each kind, then what training, what is kept and the parts say."""
    for place in of.places:
        if place.to_reference.n or place.to_first.n:
            yield [Strong(kind_name(place.of.kind)), ": ", *_place(of, place), "."]
    yield from _of_training(of)
    yield from _of_kept(of)
    yield from _of_parts(of)


def _place(of: MethodStanding, place: Place) -> Iterator[str]:
    if place.place is not None:
        yield (
            f"place {place.place} of {place.among} that learn without labels, by its mean rank over"
            f" {count(len(place.of.tables), 'cohort')}"
        )
        if len(place.of.tables) < FEWEST_FOR_GROUPS:
            yield f" (ranks say little below {FEWEST_FOR_GROUPS} cohorts)"
    if place.place is not None and place.first != of.method and place.to_first.n:
        yield "; first is "
        yield Name(place.first)
        yield f", to which it differs by {_over(place.to_first)}: {_told(place.to_first)}"
        yield f", and scores higher in {place.ahead} of {count(place.cohorts, 'cohort')}"
    if place.reference != of.method and place.to_reference.n:
        yield "; " if place.place is not None else ""
        yield "to plain features (" if place.reference == SIMPLE else "to "
        yield Name(place.reference)
        yield ")" if place.reference == SIMPLE else ""
        yield f" it differs by {_over(place.to_reference)}: {_told(place.to_reference)}"


def _told(found: Pooled) -> str:
    if found.low > 0.0:
        return "better"
    return "worse" if found.high < 0.0 else "not told apart"


def _over(found: Pooled) -> str:
    return f"{number(found.delta, sign=True)} ({interval(found.low, found.high, sign=True)})"


def _of_training(of: MethodStanding) -> Iterator[Text]:
    trained = [place for place in of.places if place.to_untrained.n]
    if trained:
        text: list[str] = [Strong("What training gives"), ": to the same encoders untrained"]
        for i, place in enumerate(trained):
            found = place.to_untrained
            text += [
                ";" if i else "",
                f" {_over(found)} in {kind_name(place.of.kind).lower()}, {_told(found)}",
            ]
        yield [*text, "."]


def _of_kept(of: MethodStanding) -> Iterator[Text]:
    if of.kept is not None:
        ours, theirs = of.kept
        yield (
            Strong("What it keeps"),
            f": of what one side shows and the other does not, {number(ours, 2)} of the variance"
            " can be read back from its embedding, where ",
            Name(of.held_against),
            f" keeps {number(theirs, 2)} (retention, mean over cohorts)."
            + (
                " What is private to a side may be what an outcome hangs on: what is lost here no"
                " head can use."
                if ours < theirs
                else ""
            ),
        )


def _of_parts(of: MethodStanding) -> Iterator[Text]:
    if of.useful_parts:
        yield [Strong("What its ablations say"), ": ", *_parts(of.useful_parts)]
    if of.probed_parts:
        yield [Strong("What they say of what is kept"), ": ", *_parts(of.probed_parts)]


def _parts(of: Sequence[Delta]) -> Iterator[str]:
    """How many variants, where, and which of them are told apart."""
    listed = sorted({delta.task for delta in of})
    yield f"{count(len({delta.method for delta in of}), 'variant')} on {', '.join(listed)}; "
    clear = told_apart(of)
    if not clear:
        low, high = (pick(delta.difference.mean for delta in of) for pick in (min, max))
        yield (
            "none is told apart from it, so no part is shown to help or to harm there (differences"
            f" of {number(low, sign=True)} to {number(high, sign=True)}, the narrowest interval"
            f" ±{number(min(map(_reach, of)))})."
        )
        return
    yield f"told apart are {len(clear)} of {count(len(of), 'comparison')}"
    for i, delta in enumerate(clear[:_FEW]):
        better = delta.difference.mean * delta.measure.sign > 0
        yield ": " if i == 0 else "; "
        yield Name(delta.method)
        yield (
            f" ({delta.summary}) {'better' if better else 'worse'} on {delta.task},"
            f" {with_interval(delta.difference, sign=True)}"
        )
    yield "; the largest stand here." if len(clear) > _FEW else "."


def _reach(delta: Delta) -> float:
    """Half the interval of a difference; infinite without one."""
    half = (delta.difference.high - delta.difference.low) / 2.0
    return np.inf if np.isnan(half) else float(half)


def duels(of: MethodStanding) -> Iterator[Text]:
    """Where it wins and loses against what methods are held against."""
    if not of.duels:
        return
    better, worse = (of.with_verdict(verdict) for verdict in (Verdict.BETTER, Verdict.WORSE))
    n = len(of.duels)
    yield (
        "Against ",
        Name(of.held_against),
        f" on {count(n, 'task')}, probes among them, each interval that of its pair alone:"
        f" better on {len(better)}, worse on {len(worse)}, not told apart on"
        f" {n - len(better) - len(worse)}.",
    )
    for title_, found in (("It wins on", better), ("It loses on", worse)):
        if found:
            order = sorted(found, key=lambda duel: -abs(duel.against.mean))
            listed = [
                f"{duel.table.task} {with_interval(duel.against, sign=True)}"
                for duel in order[:_FEW]
            ]
            more = f"; and {len(found) - _FEW} more" if len(found) > _FEW else ""
            yield (Strong(title_), f": {'; '.join(listed)}{more}.")


def compared_with(of: MethodStanding) -> str:
    """Where the pair is shown."""
    return compare_page(of.method, of.held_against)
