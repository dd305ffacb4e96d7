"""What was found, in sentences; parts of them are names, which every place marks in its way."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from benchmark.analysis.control import FEWEST_DEALS, MOST, ControlCheck, Judged, MethodCheck
from benchmark.analysis.tuning import Searched
from benchmark.analysis.variants import Gain
from benchmark.records.protocol import HeldOutCohort, TrialProtocol
from benchmark.show.numbers import count, interval, number
from benchmark.show.tables import Name, Strong, marked, names
from tasks.kinds.published.switches import HONEST, Switch
from tasks.metrics.convergence import FAR, WINDOW
from tasks.metrics.geometry import LINE

_FEW = 5
"""Tasks that are named one by one."""

UNSETTLED_EXPLAINED = f"""\
Scores of these methods may say more of their training than of themselves. **Far from converged**:
the last {WINDOW} epochs gained {FAR:.0%} or more of the whole fall of the loss. **Collapsed**:
embeddings of training patients had an effective rank below {LINE:g}, or were nearly one point."""

VARIANTS_EXPLAINED = """\
What a search before each fit, or another readout of the same fits, adds to the method as it is, on
the same folds and seeds. With -64 a readout is that many principal components: width does not win
by itself. Of `untrained`, the same encoders before training, less than zero is what training adds.
Intervals are those of one comparison (Nadeau and Bengio, 2003); more than zero is
better."""

OPTIMISM_EXPLAINED = marked(
    f"""What protocol `paper` reports on the folds of `strict`. `{HONEST}` is the same published
    probe, on the embeddings of `strict`, with every departure from an honest evaluation switched
    off and its epoch chosen by inner folds of the training patients (`{Switch.INNER_EPOCH}`; the
    last one where a record has no such choice); the **gap** is `paper` less `{HONEST}`, so that it
    is the evaluation's alone, and each switch stands with what it adds by itself: they overlap, and
    need not sum to the gap. The switches from `{Switch.ALL_GENES}` to `{Switch.DROPOUT_ON}` have
    embeddings of their own.
    `{Switch.ALL_GENES}` selects genes by a label, as published, on test patients too, and is
    counted from `{Switch.TRAIN_GENES}`, the same recipe on the training patients: which is no
    departure, but tells even a self-supervised method labels. Switches are counted from the last
    epoch, `{Switch.BEST_EPOCH}` from `{Switch.INNER_EPOCH}`. `{Switch.SHARED_PATIENTS}`, as the
    published RCC splits have them, stands alone. `paper` less `strict` has the change of the head
    in it. Under permuted labels nothing can be gained honestly: what is above 0.5 there is
    made by the evaluation. ( ): 95 % intervals over folds, by the corrected resampled t; p is of
    the gap, not adjusted."""
)


def ablations_explained(parent: str) -> tuple[str, ...]:
    """How to read the differences of variants."""
    return (
        "Δ is the variant minus ",
        Name(parent),
        " on the same folds and seeds; its interval and p are those of the corrected resampled"
        " t-test (Nadeau and Bengio, 2003) over folds and hold for all variants of a table at"
        " once. An interval that holds zero says that the part's worth was not shown here, not"
        " that it has none.",
    )


def protocol_explained(text: str) -> tuple[str, ...]:
    """What sets the numbers of a protocol apart that tests a cohort, or fits on several."""
    protocol = TrialProtocol.parse(text)
    parts: list[str] = []
    if isinstance(protocol.folds, HeldOutCohort):
        parts.append(
            "A->B: fitted and probed on cohort A alone, which includes every scaling, penalty and"
            " choice; every patient of cohort B is scored once. One split has no interval over"
            " folds, so that no task tells methods apart; intervals over patients resample those of"
            " B. What B's publisher did with its expression, B's own patients entered."
        )
    if protocol.pool:
        parts.append("Methods are fitted on the training patients of ")
        parts += names(protocol.pool)
        parts.append(
            " together, fold by fold; heads see the training patients of the cohort that is asked."
            " No patient that is tested in any of them, in a fold, has been fitted on in it."
        )
    return tuple(parts)


def control_verdict(check: ControlCheck) -> tuple[str, ...]:
    """The control check in one paragraph: what was judged, by which metric, who lies outside."""
    judging, rows = check.judging, check.judged
    unjudged = [task for task in check.tasks if not task.judges]
    begin = f"Outcomes were dealt anew among the patients of {count(len(check.tasks), 'task')}"
    if not rows:
        why = (
            "no outcome enters them, no chance of their metrics is known, or fewer than"
            f" {FEWEST_DEALS} deals have a score"
        )
        return (f"{begin}, and no method was judged: {why} ({_listed(check.tasks)}).",)
    outside = [row for row in rows if not row.at_chance]
    chances = sorted({chance for row in rows for chance, _ in row.means})
    where = f"{MOST:g} standard errors of chance ({', '.join(f'{chance:g}' for chance in chances)})"
    parts = [
        f"{begin}; nothing can be found honestly. Means of ",
        Strong(f"{len(rows) - len(outside)} of {count(len(rows), 'method')}"),
        f" lie within {where}; ",
        *(_outside(outside) if outside else ["none lies outside"]),
        ". Judged by ",
    ]
    for i, (metric, tasks) in enumerate(_by_metric(judging)):
        parts += ["; " if i else "", Name(metric), f": {_listed(tasks)}"]
    if unjudged:
        parts.append(
            f". Not judged, as no outcome enters or chance is not known: {_listed(unjudged)}"
        )
    return (*parts, ".")


def _outside(rows: Sequence[MethodCheck]) -> Iterator[str]:
    yield "outside: "
    for i, row in enumerate(rows):
        yield ", " if i else ""
        yield Name(row.method)
        means = " and ".join(number(mean) for _, mean in row.means)
        yield f" {means} ({count(row.deals, 'deal')}, z {number(row.z, 1, sign=True)})"


def _by_metric(tasks: Sequence[Judged]) -> Iterator[tuple[str, list[Judged]]]:
    ordered = sorted(tasks, key=lambda task: task.measure.name)
    for name, group in groupby(ordered, key=lambda task: task.measure.name):
        yield name, list(group)


def _listed(tasks: Sequence[Judged]) -> str:
    """The tasks by name if they are few, else how many of each kind."""
    named = sorted({task.table.task for task in tasks})
    if len(named) <= _FEW:
        return ", ".join(named)
    kinds = [name.split("/")[0] for name in named]
    return ", ".join(f"{kinds.count(kind)} of {kind}" for kind in dict.fromkeys(kinds))


def gain_sentence(gain: Gain) -> str:
    """One line for the terminal: whether what was added was worth it, and how sure that is."""
    e = gain.difference
    verdict = "improved" if e.low > 0 else "made worse" if e.high < 0 else "not shown to improve"
    return (
        f"{gain.method} on {gain.task}: {verdict}, {gain.metric} "
        f"{number(e.mean, sign=True)} {interval(e.low, e.high, sign=True)} over {gain.cells} "
        "folds x seeds"
    )


def search_sentences(found: Searched) -> Iterator[str]:
    """Lines for the terminal: history, importance, cost."""
    path = " ".join(number(value) for value in found.best)
    yield (
        f"{found.method}, judged on {found.criterion} in {found.searches} searches, "
        f"{found.seconds:.0f} s: best so far {path}"
    )
    if found.importance:
        shares = ", ".join(f"{name} {number(x, 2)}" for name, x in found.importance.items())
        yield f"  importance over {found.judged} configurations (fANOVA): {shares}"
