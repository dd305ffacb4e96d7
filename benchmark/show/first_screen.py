"""What was found, in sentences that begin every page: drawn from `Findings`, nothing typed by hand.

Names of others stand in parts of their own (`Name`, or a text that each place escapes).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.analysis.control import ControlCheck
from benchmark.analysis.findings import Claim, Findings, KindFindings, Verdict
from benchmark.analysis.over_cohorts import Comparison
from benchmark.analysis.standings import CLINICAL, REFERENCE, SIMPLE, Standing
from benchmark.analysis.stats import Pooled
from benchmark.analysis.stats.hierarchical import ROPE
from benchmark.show.encoders import slide_encoder
from benchmark.show.numbers import count, interval, number
from benchmark.show.tables import Name, Strong, Text, names
from tasks.cancers import plain_name
from tasks.suites import in_words
from tasks.words import of_kind, of_metric

_QUESTIONS = {
    "os": "overall survival",
    "pfi": "progression",
    "dss": "death of the disease",
    "dfi": "relapse",
}
_VERDICTS = {
    Verdict.BETTER: "shown to be better",
    Verdict.WORSE: "shown to be worse",
    Verdict.ALIKE: f"shown to be as good within ±{ROPE:g}",
    Verdict.OPEN: "not told apart",
}
_FEW = 3
"""Methods that are named one by one."""


@dataclass(frozen=True)
class Section:
    """A heading and what is said under it.

    Attributes:
        title: One paragraph.
        lines: A point each.
    """

    title: Text
    lines: tuple[Text, ...]


def question(of: Standing) -> str:
    """What a task asks, in plain words where there are any."""
    label = in_words(of.task)
    return _QUESTIONS.get(label, label)


def first_screen(of: Comparison, control: ControlCheck | None = None) -> tuple[Section, ...]:
    """What a comparison has found, kind by kind, and under which conditions."""
    found = Findings(of.kinds)
    if not found.kinds:
        text = "No kind of task has two cohorts with methods to compare: nothing is found yet."
        return (Section(text, ()), _conditions(of, found, control))
    kinds = (_kind(kind) for kind in found.kinds)
    return (_in_short(found.kinds), *kinds, _conditions(of, found, control))


def _kind(found: KindFindings) -> Section:
    metric = of_metric(found.of.measure.name)
    explained = f" {metric.text}; 0.5 is a coin toss, 1 never wrong." if metric else ""
    title = (
        Strong(_called(found)),
        f": {_asked(found.of.tables)} ({_evidence(found)}).{explained}",
    )
    lines = (_use(found), _unproven(found), _training(found), _beside(found))
    return Section(title, tuple(line for line in lines if line))


def _asked(tables: Iterable[Standing]) -> str:
    """Questions, each with the cancers that it was asked of."""
    asked: dict[str, list[str]] = {}
    for table in tables:
        asked.setdefault(question(table), []).append(plain_name(table.cohort))
    return "; ".join(f"{what} in {_and(sorted(cancers))}" for what, cancers in asked.items())


def _and(listed: Sequence[str], word: str = "and") -> str:
    *others, last = listed
    return f"{', '.join(others)} {word} {last}" if others else last


def _in_short(kinds: Sequence[KindFindings]) -> Section:
    """The one sentence for who reads no further."""
    text: list[str] = []
    for found in kinds:
        if better := found.with_verdict(Verdict.BETTER):
            text += ["; " if text else "", *names(claim.method for claim in better)]
            text += [
                f" {_are(better)} shown to beat ",
                *_reference(found),
                f" in {_called(found).lower()}",
            ]
    if none := [_called(k).lower() for k in kinds if not k.with_verdict(Verdict.BETTER)]:
        n = max(len(found.methods) for found in kinds)
        text += [
            "; " if text else "",
            f"of {count(n, 'method')} that {'learns' if n == 1 else 'learn'} from pairs of slide",
        ]
        text += [" and expression without labels none is shown to beat ", *_reference(kinds[0])]
        text += [f" in {_and(none, 'or')}"]
    return Section(
        ("In short: ", *text, ". That does not show that they are equal."),
        (),
    )


def _called(found: KindFindings) -> str:
    words = of_kind(found.of.kind)
    return words.name if words else found.of.kind


def _use(found: KindFindings) -> Text:
    n = len(found.methods)
    better, worse = (found.with_verdict(v) for v in (Verdict.BETTER, Verdict.WORSE))
    text: list[str] = [Strong("Use"), " ", *([Name(found.use)] if better else _explained(found))]
    text.append(_reaches(found, found.use))
    if better:
        text += [
            f", {_difference(better[0].found)} over ",
            *_explained(found),
            _reaches(found, found.reference),
        ]
    if n:
        text.append(
            f". Of {count(n, 'method')} that {'learns' if n == 1 else 'learn'} without labels "
        )
        if better or worse:
            text += [*_listed(better, "better"), ", ", *_listed(worse, "worse")]
        else:
            text.append("none is shown to be better or worse")
    return [*text, "."]


def _reference(found: KindFindings) -> Sequence[str]:
    plain = found.reference == SIMPLE
    return ("plain features (", Name(SIMPLE), ")") if plain else (Name(found.reference),)


def _explained(found: KindFindings) -> Sequence[str]:
    what = " (plain features of both sides, nothing learned but the last, linear step)"
    return (Name(found.reference), what if found.reference == SIMPLE else "")


def _listed(claims: Sequence[Claim], what: str) -> list[str]:
    """How many are shown to be something, by name if they are few."""
    if not claims:
        return [f"none is shown to be {what}"]
    few = [" (", *names(c.method for c in claims), ")"] if len(claims) <= _FEW else []
    return [f"{len(claims)} {_are(claims)} shown to be {what}", *few]


def _are(claims: Sequence[Claim]) -> str:
    return "is" if len(claims) == 1 else "are"


def _unproven(found: KindFindings) -> Text:
    still = found.with_verdict(Verdict.OPEN)
    if not still:
        return ()
    first = still[0]
    return [
        Strong("Unproven"),
        f": whether {count(len(still), 'method')} {_are(still)} better or worse than ",
        *_reference(found),
        f". {_evidence(found)[:1].upper()}{_evidence(found)[1:]} show differences from about"
        f" {number(found.hidden, 2)} on. Estimated highest: ",
        Name(first.method),
        f" {_difference(first.found)}",
        *_estimated(found, first),
        ".",
    ]


def _estimated(found: KindFindings, first: Claim) -> Text:
    """What the method that this project is about is estimated at, if it is not named already."""
    own = next((c for c in found.with_verdict(Verdict.OPEN) if c.method == REFERENCE), first)
    if own is first:
        return ()
    return ("; ", Name(REFERENCE), f" {_difference(own.found)}")


def _evidence(found: KindFindings) -> str:
    """How much there is to show anything with."""
    tables = found.of.tables
    events = [table.n_events for table in tables if table.n_events is not None]
    patients = sum(table.n_patients[1] for table in tables)
    counts = [count(len(tables), "cohort"), count(patients, "patient")]
    return ", ".join([*counts, count(sum(events), "event")] if events else counts)


def _training(found: KindFindings) -> Text:
    text: list[str] = []
    if (claim := found.training) is not None:
        text += [
            Strong("Training"),
            ": ",
            Name(claim.method),
            f" is {_gap(claim.found)} itself before training, {_VERDICTS[claim.verdict]}. ",
        ]
    if found.sides:
        text += [Strong("Both sides"), ": ", Name(SIMPLE), " is"]
        for i, claim in enumerate(found.sides):
            text += [";" if i else "", *_beside_reference(claim)]
        text.append(".")
    return text


def _beside(found: KindFindings) -> Text:
    text: list[str] = []
    if found.clinical is not None:
        text += [Strong("Age, sex and stage"), f" alone:{_reaches(found, CLINICAL)},"]
        text += [*_beside_reference(found.clinical), ". "]
    if found.supervised:
        best = found.supervised[0]
        text += [
            Strong("Told the outcomes"),
            " of training patients, the best: ",
            Name(best.method),
        ]
        text += [f"{_reaches(found, best.method)},", *_beside_reference(best), "."]
    return text


def _reaches(found: KindFindings, method: str) -> str:
    mean = found.mean(method)
    return "" if np.isnan(mean) else f" {number(mean, 2)} on average"


def _difference(found: Pooled) -> str:
    ends = interval(found.low, found.high, sign=True, digits=2)
    return f"{number(found.delta, 2, sign=True)} ({ends})"


def _gap(found: Pooled) -> str:
    """How far above or below, in figures as they are shown."""
    ends = interval(found.low, found.high, sign=True, digits=2)
    far = number(abs(found.delta), 2)
    return f"{far} {'below' if found.delta < 0 else 'above'} ({ends})"


def _beside_reference(claim: Claim) -> Text:
    return (f" {_gap(claim.found)} ", Name(claim.reference), f", {_VERDICTS[claim.verdict]}")


def _conditions(of: Comparison, found: Findings, control: ControlCheck | None) -> Section:
    lines: list[Text] = []
    claims = sum(len(kind.claims) for kind in found.kinds)
    if claims:
        lines.append(
            "In brackets: intervals of the mean difference over cohorts, by a hierarchical model of"
            f" one primary task each. They are {claims}, wide enough that all of them hold at once"
            " with 95 % probability; a method is called better or worse where its own leaves out"
            " zero, and nowhere else."
        )
    lines.append(f"Data: {'; '.join(_data(of.tables))}.")
    layouts = sorted({table.layout for kind in of.kinds for table in kind.tables}) or sorted(
        {table.layout for table in of.tables}
    )
    lines.append(
        f"Protocol {of.protocol}, budget {of.budget} (one setting for every network, untuned),"
        f" {' or '.join(layouts)}.{_checked(control)}"
    )
    lines.append(
        "Planted cohorts are made by code: they say nothing about cancer."
        if of.planted
        else "Not shown: other slide features, other budgets, other hospitals, what helps patients."
        " A score orders the patients of these cohorts; no treatment follows from it."
    )
    return Section((Strong("Conditions."),), tuple(lines))


def _data(tables: Iterable[Standing]) -> Iterator[str]:
    """A text for each sort of features: whose, and what their encoder has seen."""
    sorts: dict[tuple[str, str], set[str]] = {}
    for table in tables:
        encoder = slide_encoder(table.encoder, table.pretrained_on)
        sorts.setdefault((table.source, encoder), set()).add(table.cohort)
    for (source, encoder), cohorts in sorts.items():
        seen = encoder or "slide encoder not declared"
        yield f"{', '.join(sorted(cohorts))} from {source}, {seen}"


def _checked(control: ControlCheck | None) -> str:
    if control is None or not control.judged:
        return " Whether anything leaks was not checked with outcomes dealt at random."
    held = sum(row.at_chance for row in control.judged)
    return (
        f" With outcomes dealt at random {held} of {count(len(control.judged), 'method')} predict"
        " no better than chance, as all should."
    )
