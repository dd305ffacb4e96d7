"""What the tables of the leaderboard say, wherever they are shown: their columns, declared once."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from benchmark.analysis.ablations import Delta
from benchmark.analysis.control import FEWEST_DEALS, ControlCheck, Judged, MethodCheck
from benchmark.analysis.findings import complete, reference_of
from benchmark.analysis.missing import Missing
from benchmark.analysis.optimism import Optimism
from benchmark.analysis.over_cohorts import Entrant, KindComparison
from benchmark.analysis.standings import ALPHA, CLINICAL, REFERENCE, Measure, Row, Standing
from benchmark.analysis.stats import Estimate, Pooled
from benchmark.analysis.stats.hierarchical import ROPE
from benchmark.analysis.training import Unsettled
from benchmark.analysis.variants import Gain
from benchmark.show.encoders import slide_encoder
from benchmark.show.first_screen import question
from benchmark.show.numbers import (
    NONE,
    count,
    interval,
    number,
    p_value,
    seconds,
    signed,
    size,
    whole,
    with_interval,
)
from benchmark.show.page_names import cohort_page, method_page, task_page
from benchmark.show.tables import (
    BROWSER,
    Column,
    Name,
    Strip,
    Strong,
    Table,
    Text,
    View,
    choice,
    filtered,
    grouped,
    measured,
    methods,
    names,
    numeric,
    span,
    table,
)
from tasks.cancers import plain_name
from tasks.kinds.published.switches import HONEST, Switch

ROLE_TITLES = {
    "self-supervised": "Self-supervised methods",
    "ablation": "Ablations: their parent with one part taken away or mended, not ranked",
    "precomputed": "Trained elsewhere: embeddings of others' models, not ranked",
    "control": "Floors and controls, not ranked",
    "supervised": "Supervised references: trained on the training patients' labels, not ranked",
}

CLINIC = "age, sex, stage"
"""What a clinician knows before any slide is read, in headers."""

STRIP_WIDTH, _STRIP_MARGIN = 160, 6
"""Of a drawn interval, in its units."""

_FEW = 5
"""Methods that are named one by one, however many others there are."""

_MARKS = {"●": ("● best", 0.0), "=": ("= tied", 1.0), "": ("", 2.0), "∅": ("∅ found nothing", 4.0)}
_STYLES = {"●": "best", "=": "tied", "": "", "∅": ""}
MOST_ROWS = 12
"""Of a table on the first screen."""


def short_title(role: str) -> str:
    """The title of a role without its explanation."""
    return ROLE_TITLES[role].split(":")[0]


def directed(measure: Measure) -> str:
    """A metric's name and its direction."""
    return f"{measure.name} {'↑' if measure.higher_is_better else '↓'}"


def conditions(table: Standing) -> str:
    """What holds for every row of a table, in one line: protocol, budget, cohort, counts."""
    fewest, most = table.n_patients
    patients = f"{most:,} patients" if fewest == most else f"{fewest:,} to {most:,} patients"
    events = "" if table.n_events is None else f", {table.n_events:,} events"
    encoder = slide_encoder(table.encoder, table.pretrained_on)
    made = "".join(f" · {row.method}: {row.made}" for row in table.rows if row.made)
    return (
        f"protocol {table.protocol} · budget {table.budget} · {table.cohort}: {patients}{events}"
        f" · {table.layout}{encoder and f' · slide encoder {encoder}'}{made}"
    )


def page_of(table: Standing) -> str:
    """Where a table is in the browser, relative to the root of the report."""
    return task_page(*table.key)


# The methods on one task.


@dataclass(frozen=True)
class Entry:
    """A row with its table."""

    table: Standing
    row: Row

    @property
    def mark(self) -> str:
        """● the best, = tied with it, ∅ found nothing, ⚠ incomplete with its count, or none."""
        if self.row.cells < self.table.cells:
            return f"⚠ {self.row.cells}/{self.table.cells}"
        if self.row.nothing:
            return "∅"
        if self.row is self.table.best:
            return "●"
        return "=" if self.row.tied else ""

    @property
    def style(self) -> str:
        """How the row stands out."""
        return _STYLES.get(self.mark, "incomplete")


def score(row: Row) -> str:
    """Mean ± standard deviation."""
    spread = "" if np.isnan(row.spread) else f" ± {number(row.spread)}"
    return number(row.score.mean) + spread


def strip(entry: Entry) -> Strip | None:
    """The score and its interval, to one scale for all rows of a table; None without a score."""
    rows = entry.table.rows
    ends = np.array([(r.score.low, r.score.mean, r.score.high) for r in rows])
    if np.isnan(entry.row.score.mean):
        return None
    low = np.nanmin(ends)
    extent = (np.nanmax(ends) - low) or 1.0

    def place(x: float) -> float | None:
        if np.isnan(x):
            return None
        share = float((x - low) / extent)
        return round(_STRIP_MARGIN + share * (STRIP_WIDTH - 2 * _STRIP_MARGIN), 1)

    found, reference = entry.row.score, entry.table.reference
    return Strip(
        place(found.low),
        place(found.high),
        place(found.mean) or 0.0,
        place(reference.score.mean) if reference else None,
    )


def _other(i: int, measure: Measure) -> Column[Entry]:
    def text(entry: Entry) -> str:
        mean, cells = entry.row.others[i]
        partial = 0 < cells < entry.row.cells
        return f"{number(mean)} ({cells}/{entry.table.cells})" if partial else number(mean)

    views = View.OTHERS | View.TERMINAL
    higher = measure.higher_is_better
    return measured(directed(measure), text, lambda e: e.row.others[i][0], views, descending=higher)


def _primary(header: str, *, descending: bool = False) -> Column[Entry]:
    return measured(
        header, lambda e: score(e.row), lambda e: e.row.score.mean, _MAIN, descending=descending
    )


_MAIN = ~View.OTHERS
_ONE, _EVERY = View.METHOD, View.PAGE | View.METHOD
_COMPARED = _EVERY | View.TERMINAL | View.LATEX
_COST = View.OTHERS

_PLACE: tuple[Column[Entry], ...] = (
    Column("task", lambda e: e.table.task, kind="name", views=_ONE,
           link=lambda e: page_of(e.table)),
    filtered("kind", lambda e: e.table.kind, _ONE),
    filtered("cohort", lambda e: e.table.cohort, _ONE),
)  # fmt: skip
_BEFORE: tuple[Column[Entry], ...] = (
    Column("", lambda e: e.mark, views=_MAIN & ~BROWSER),
    Column("mark", lambda e: _MARKS.get(e.mark, (e.mark, 3.0))[0],
           lambda e: _MARKS.get(e.mark, (e.mark, 3.0))[1], views=_EVERY),
    methods(lambda e: e.row.method, views=~_ONE),
        choice("metric", lambda e: directed(e.table.primary), _ONE),
)  # fmt: skip
_SCORE: tuple[Column[Entry], ...] = (
    Column(
        "score and interval",
        lambda e: with_interval(e.row.score),
        kind="drawing",
        views=View.PAGE,
        strip=strip,
    ),
    span("95 % interval", lambda e: (e.row.score.low, e.row.score.high), _MAIN),
)
_PATIENTS: Column[Entry] = span("over patients", lambda e: e.row.patients, _EVERY | View.MARKDOWN)


def _difference(to: str) -> tuple[Column[Entry], ...]:
    return (
        numeric(f"Δ to {to}", lambda e: e.row.difference.mean, signed, _COMPARED),
        span("of Δ", lambda e: (e.row.difference.low, e.row.difference.high), _COMPARED, sign=True,
             heard="95 % interval of Δ"),
        measured(f"Δ to {to} (95 %)", lambda e: with_interval(e.row.difference, sign=True),
                 lambda e: e.row.difference.mean, View.MARKDOWN),
        numeric("p", lambda e: e.row.difference.p, p_value, _MAIN, heard="p of Δ"),
        numeric("could show", lambda e: e.row.smallest, views=View.MARKDOWN),
    )  # fmt: skip


_ADDED: tuple[Column[Entry], ...] = (
    numeric(f"adds to {CLINIC}", lambda e: e.row.added.mean, signed, _EVERY | View.TERMINAL),
    span("of what it adds", lambda e: (e.row.added.low, e.row.added.high),
         _EVERY | View.TERMINAL, sign=True, heard="95 % interval of what it adds"),
    measured(f"adds to {CLINIC} (95 %)", lambda e: with_interval(e.row.added, sign=True),
             lambda e: e.row.added.mean, View.MARKDOWN),
)  # fmt: skip
_CELLS: Column[Entry] = measured(
    "folds x seeds", lambda e: f"{e.row.cells}/{e.table.cells}", lambda e: e.row.cells, _EVERY
)
_SORT: tuple[Column[Entry], ...] = (
    filtered("family", lambda e: e.row.family, View.PAGE | View.OTHERS),
)
_COSTS: tuple[Column[Entry], ...] = (
    numeric("fit, s", lambda e: e.row.seconds, seconds, _COST),
    numeric("parameters", lambda e: e.row.parameters, size, _COST),
    numeric("GFLOP/step", lambda e: e.row.flops, lambda x: number(x / 1e9, 2), _COST),
    numeric("memory, MB", lambda e: e.row.memory, lambda x: number(x, 0), _COST),
)


def scores(of: Standing, rows: Sequence[Row] | None = None, caption: str = "") -> Table[Entry]:
    """The methods on one task, in groups by role.

    Args:
        of: The task.
        rows: Those to show; default all.
        caption: What the table is of.
    """
    shown = of.rows if rows is None else rows
    patients = any(not np.isnan(row.patients).any() for row in of.rows)
    added = any(not np.isnan(row.added.mean) for row in of.rows)
    higher = of.primary.higher_is_better
    columns = (
        *_BEFORE,
        _primary(f"{directed(of.primary)} ± sd", descending=higher),
        *_SCORE,
        *((_PATIENTS,) if patients else ()),
        *(_difference(of.compared_with) if of.reference else ()),
        *(_ADDED if added else ()),
        _CELLS,
        *_SORT,
        *_COSTS,
        *(_other(i, measure) for i, measure in enumerate(of.others)),
    )
    groups = grouped([Entry(of, row) for row in shown], lambda e: e.row.role, short_title)
    return Table(f"{caption}: {conditions(of)}", columns, groups, lambda e: e.style, "role")


def over_tasks(method: str, entries: Sequence[Entry]) -> Table[Entry]:
    """One method on every task; their metrics differ."""
    columns = (
        *_PLACE,
        *_BEFORE,
        _primary("score ± sd"),
        *_SCORE,
        _PATIENTS,
        *_difference(entries[0].table.compared_with),
        *(_ADDED if any(not np.isnan(e.row.added.mean) for e in entries) else ()),
        _CELLS,
    )

    def setting(e: Entry) -> str:
        return f"protocol {e.table.protocol}, budget {e.table.budget}"

    ordered = sorted(entries, key=lambda e: (not e.table.plain, setting(e)))
    caption = f"Scores of {method} on every task"
    return Table(caption, columns, grouped(ordered, setting, str), lambda e: e.style, "setting")


def ranking(of: KindComparison, caption: str, level: float) -> Table[Entrant]:
    """How methods fare over the cohorts of a kind, whatever their role.

    Args:
        of: The methods.
        caption: What the table is of.
        level: Of the intervals, that all on a page hold together.
    """
    to = reference_of(of)

    def against(
        header: str, words: Callable[[Pooled], str], order: Callable[[Pooled], float]
    ) -> Column[Entrant]:
        return measured(
            header,
            lambda row: words(of.pair(row.method, to, level)),
            lambda row: order(of.pair(row.method, to, level)),
            descending=True,
        )

    columns: tuple[Column[Entrant], ...] = (
        Column("groups", lambda row: row.group or NONE, kind="letters"),
        methods(lambda row: row.method),
        choice("role", lambda row: row.role),
        numeric("mean rank", lambda row: row.rank, lambda x: number(x, 1)),
        measured("cohorts", lambda row: f"{row.cohorts}/{len(of.tables)}", lambda r: r.cohorts),
        against(f"Δ to {to} (interval)", over_cohorts, lambda found: found.delta),
        against("P(better)", lambda found: number(found.better, 2), lambda found: found.better),
        against(
            f"P(within ±{ROPE:g})",
            lambda found: number(found.equivalent, 2),
            lambda found: found.equivalent,
        ),
    )
    return table(caption, columns, of.entrants)


def over_cohorts(found: Pooled) -> str:
    """A difference with its interval."""
    if not found.n:
        return NONE
    return f"{signed(found.delta)} ({interval(found.low, found.high, sign=True)})"


def _best_of(of: Standing, role: str) -> Text:
    """The first complete row of a role; rows are ordered best first."""
    rows = (row for row in of.rows if row.role == role and row.cells == of.cells)
    row = next(rows, None)
    return NONE if row is None else (Name(row.method), f" {number(row.score.mean)}")


def _named(row: Row | None) -> Text:
    return NONE if row is None else (Name(row.method), f" {with_interval(row.score)}")


def _best(of: Standing) -> Text:
    return _named(of.best)


def asked(of: Standing) -> str:
    """Of a task its kind, what it is judged by, and what who knows nothing scores."""
    chance = "" if of.primary.chance is None else f", chance {of.primary.chance:g}"
    return f"{of.kind}: {directed(of.primary)}{chance}"


def _task_columns(to: str) -> tuple[Column[Standing], ...]:
    return (
        Column("task", lambda t: f"{t.task}{_circular(t)}", kind="name", views=BROWSER,
               link=page_of),
        Column("task", lambda t: f"{t.task.partition('/')[2]}{_circular(t)}", kind="name",
               views=View.MARKDOWN),
        filtered("cohort", lambda t: t.cohort),
        filtered("label", lambda t: "circular" if t.circular else "not circular"),
        numeric("patients", lambda t: t.n_patients[1], whole),
        numeric("events", lambda t: t.n_events, whole),
        measured("folds x seeds", lambda t: f"{t.n_splits} x {len(t.seeds)}", lambda t: t.cells,
                 BROWSER),
        Column("best (95 %)", _best, link=lambda t: method_page(t.best.method) if t.best else ""),
        measured("tied on it", lambda t: f"{sum(r.tied for r in t.ranked)}/{len(t.ranked)}",
                 lambda t: sum(r.tied for r in t.ranked)),
        numeric(to, lambda t: t.reference.score.mean if t.reference else None),
        Column("floor", lambda t: _best_of(t, "control"), heard="best floor or control"),
        Column("supervised", lambda t: _best_of(t, "supervised"), heard="best supervised"),
    )  # fmt: skip


def _circular(of: Standing) -> str:
    return " ⚠" if of.circular else ""


def tasks(of: Sequence[Standing], caption: str) -> Table[Standing]:
    """Who is best on each task, how many cannot be told apart from it, what floors reach."""
    to = of[0].compared_with if of else REFERENCE
    return Table(caption, _task_columns(to), grouped(of, asked, str), by="kind")


def _lacking(found: Missing) -> Text:
    """The methods, or the few of those that were run that they are not."""
    if len(found.methods) <= max(_FEW, len(found.others)):
        return names(found.methods)
    but = [" but ", *names(found.others)] if found.others else []
    return [f"all {len(found.methods)} methods", *but]


_MISSING: tuple[Column[Missing], ...] = (
    choice("status", lambda m: m.status),
    Column("methods", _lacking, kind="name"),
    choice("protocol", lambda m: m.protocol),
    choice("budget", lambda m: m.budget),
    numeric("folds x seeds", lambda m: m.cells, whole, descending=True),
    Column("what", lambda m: ", ".join(m.metrics) or "every metric"),
    Column("tasks", lambda m: ", ".join(m.tasks)),
    Column("reason", lambda m: m.reason),
)


_Reason = tuple[Missing, ...]


def _of_all(found: _Reason, of: Callable[[Missing], Iterable[str]]) -> list[str]:
    return sorted({name for one in found for name in of(one)})


def _few_of(found: _Reason) -> Text:
    methods = _of_all(found, lambda one: one.methods)
    return names(methods) if len(methods) <= _FEW else count(len(methods), "method")


def advice(of: KindComparison, use: str) -> Table[Standing]:
    """What to use for whom, a line a cohort, those of most patients first; the rest stands beside.

    Args:
        of: A kind of task over its cohorts.
        use: The method to use.
    """
    columns: tuple[Column[Standing], ...] = (
        Column(
            f"{of.kind} in",
            lambda t: plain_name(t.cohort),
            kind="name",
            link=lambda t: cohort_page(t.cohort),
        ),
        Column("asked", question),
        numeric("patients", lambda t: t.n_patients[1], whole),
        numeric("events", lambda t: t.n_events, whole),
        Column("use (95 %)", lambda t: _named(complete(t, use)), link=lambda _: method_page(use)),
        numeric("age, sex, stage", lambda t: _mean_of(complete(t, CLINICAL))),
        Column(
            "best without labels (95 %)",
            _best,
            link=lambda t: method_page(t.best.method) if t.best else "",
        ),
    )
    rows = sorted(of.tables, key=lambda t: (-t.n_patients[1], t.task))
    return table(f"{of.kind}: what to use", columns, rows[:MOST_ROWS])


def _mean_of(row: Row | None) -> float | None:
    return None if row is None else row.score.mean


_REASONS: tuple[Column[_Reason], ...] = (
    Column("methods", _few_of, kind="name"),
    measured("tasks", lambda found: f"{len(_of_all(found, lambda one: one.tasks)):,}",
             lambda found: len(_of_all(found, lambda one: one.tasks))),
    numeric("folds x seeds", lambda found: sum(one.cells for one in found), whole),
    Column("reason", lambda found: f"{found[0].status}: {found[0].reason}"),
)  # fmt: skip


def by_reason(found: Sequence[Missing]) -> tuple[Table[Missing], ...]:
    """What is missing, a table a reason, captioned with how much of what it is."""
    return tuple(_of_reason(of) for of in _same(found))


def _of_reason(of: _Reason) -> Table[Missing]:
    tasks, methods = (len(_of_all(of, pick)) for pick in (lambda m: m.tasks, lambda m: m.methods))
    counts = f"{count(methods, 'method')}, {count(tasks, 'task')}"
    caption = f"{of[0].status}: {of[0].reason} ({counts})"
    return table(caption, [c for c in _MISSING if c.header not in ("status", "reason")], of)


def _same(found: Iterable[Missing]) -> list[_Reason]:
    same: dict[tuple[str, str], list[Missing]] = {}
    for one in found:
        same.setdefault((one.status, one.reason), []).append(one)
    return [tuple(of) for of in same.values()]


def reasons(found: Sequence[Missing]) -> Table[_Reason]:
    """What is missing, a line a reason, whatever the protocol and the tasks."""
    return table("What is missing, and why", _REASONS, _same(found))


_DELTAS: tuple[Column[Delta], ...] = (
    Column("variant", lambda d: d.method, kind="name", link=lambda d: method_page(d.method)),
    numeric("score", lambda d: d.value, descending=True),
    numeric("Δ", lambda d: d.difference.mean, signed, descending=True),
    span("95 %", lambda d: (d.difference.low, d.difference.high), sign=True,
         heard="95 % interval"),
    numeric("p", lambda d: d.difference.p, p_value),
    measured("folds x seeds", lambda d: f"{d.folds} x {d.seeds}", lambda d: d.folds * d.seeds),
    numeric("patients", lambda d: d.n_patients, whole, descending=True),
    Column("what it is", lambda d: d.summary, views=~View.TERMINAL),
)  # fmt: skip


def ablations(found: Sequence[Delta]) -> tuple[Table[Delta], ...]:
    """A table per task, metric and setting."""

    def title(d: Delta) -> str:
        return f"{d.task} · {directed(d.measure)} · {d.setting}"

    def style(d: Delta) -> str:
        return "best" if d.difference.p < ALPHA else ""

    return tuple(
        table(caption, _DELTAS, rows, style) for caption, rows in groupby(found, key=title)
    )


_EVALUATIONS: tuple[Column[Optimism], ...] = (
    numeric("strict", lambda row: row.strict, descending=True),
    numeric(HONEST, lambda row: row.honest, descending=True),
    numeric("paper", lambda row: row.paper, descending=True),
)
_OF_GAP: tuple[Column[Optimism], ...] = (
    numeric("p", lambda row: row.gap.p, p_value),
    measured("folds x seeds", lambda row: f"{row.folds} x {row.seeds}",
             lambda row: row.folds * row.seeds),
)  # fmt: skip


def _added(header: str, estimate: Callable[[Optimism], Estimate | None]) -> Column[Optimism]:
    def text(row: Optimism) -> str:
        found = estimate(row)
        return NONE if found is None else with_interval(found, sign=True)

    def mean(row: Optimism) -> float | None:
        return None if (found := estimate(row)) is None else found.mean

    return measured(header, text, mean, descending=True)


def optimism(found: Sequence[Optimism]) -> tuple[Table[Optimism], ...]:
    """The published evaluation switch by switch, a table a task and variant."""

    def title(row: Optimism) -> str:
        place = " · ".join(filter(None, (row.task, row.variant, row.measure.name)))
        return f"{place} · budget {row.budget}, {row.n_folds} folds"

    return tuple(_of_task(caption, tuple(rows)) for caption, rows in groupby(found, key=title))


def _of_task(title: str, rows: Sequence[Optimism]) -> Table[Optimism]:
    def alone(switch: Switch) -> Column[Optimism]:
        return _added(str(switch), lambda row: dict(row.switches).get(switch))

    switches = [switch for switch in Switch if any(switch in dict(row.switches) for row in rows)]
    gap = _added("gap", lambda row: row.gap)
    p, cells = _OF_GAP
    columns: tuple[Column[Optimism], ...] = (
        methods(lambda row: row.method),
        *_EVALUATIONS,
        _added("paper - strict", lambda row: row.to_strict),
        replace(gap, text=lambda row: (Strong(gap.words(row)),)),
        p,
        *map(alone, switches),
        cells,
    )
    return table(title, columns, rows)


_BRIEF_OPTIMISM: tuple[Column[Optimism], ...] = (
    Column("task", lambda row: " · ".join(filter(None, (row.task, row.variant))), kind="name"),
    Column("metric", lambda row: row.measure.name),
    *_EVALUATIONS,
    _added("gap (95 %)", lambda row: row.gap),
    *_OF_GAP,
)


def optimism_in_brief(found: Sequence[Optimism]) -> Table[Optimism]:
    """The gap of the reference method on each task, where no outcome was dealt anew."""
    rows = [row for row in found if row.method == REFERENCE and not row.variant]
    return table("Optimism gap", _BRIEF_OPTIMISM, rows)


_UNSETTLED: tuple[Column[Unsettled], ...] = (
    methods(lambda row: row.method),
    choice("budget", lambda row: row.budget),
    numeric("fits", lambda row: row.fits, whole),
    numeric("far from converged", lambda row: row.far, whole),
    numeric("collapsed", lambda row: row.collapsed, whole),
)


def unsettled(found: Sequence[Unsettled]) -> Table[Unsettled]:
    """Methods with fits that ended far from converged, or collapsed."""
    return table("Fits that are not settled", _UNSETTLED, found)


_VARIANTS: tuple[Column[Gain], ...] = (
    choice("task", lambda row: row.task),
    methods(lambda row: row.method),
    choice("protocol", lambda row: row.protocol),
    choice("budget", lambda row: row.budget),
    choice("metric", lambda row: row.metric),
    numeric("folds x seeds", lambda row: row.cells, whole),
    numeric("Δ", lambda row: row.difference.mean, signed),
    span("95 %", lambda row: (row.difference.low, row.difference.high), sign=True),
)


def variants(found: Sequence[Gain]) -> Table[Gain]:
    """What searches and readouts add."""
    return table(
        "Searches and readouts", _VARIANTS, sorted(found, key=lambda g: (g.task, g.method))
    )


def control(check: ControlCheck) -> Table[MethodCheck]:
    """Every method's mean over the judging tasks, and its score on every task of the check."""
    chances = sorted({chance for row in check.methods for chance, _ in row.means})

    def mean(chance: float) -> Column[MethodCheck]:
        header = "mean" if len(chances) == 1 else f"mean where chance is {chance:g}"
        return numeric(header, lambda row: dict(row.means).get(chance, np.nan))

    def on_task(i: int, task: Judged) -> Column[MethodCheck]:
        of = task.table
        setting = f"{of.protocol}, {of.budget}, {of.layout}"
        header = f"{of.task} {directed(task.measure)} ({setting})"
        return numeric(header, lambda row: row.scores[i])

    columns: tuple[Column[MethodCheck], ...] = (
        Column("", lambda row: "" if row.at_chance else "⚠", views=View.MARKDOWN),
        methods(lambda row: row.method),
        choice("role", lambda row: row.role, BROWSER),
        choice("check", _verdict_of, BROWSER),
        *map(mean, chances),
        numeric("deals", lambda row: row.deals, whole),
        numeric("z", lambda row: row.z, lambda x: number(x, 1, sign=True)),
        *(on_task(i, task) for i, task in enumerate(check.tasks)),
    )
    return table("Scores where outcomes were dealt anew", columns, check.methods)


def _verdict_of(row: MethodCheck) -> str:
    if row.deals < FEWEST_DEALS:
        return "not judged"
    return "at chance" if row.at_chance else "⚠ not at chance"


_Source = tuple[Standing, tuple[tuple[str, int], ...]]


def sources(tables: Sequence[Standing]) -> Table[_Source]:
    """Where cohorts come from, those of one source in a line, with the most patients tested."""
    of_source: dict[tuple[str, str, str], tuple[Standing, dict[str, int]]] = {}
    for of in tables:
        encoder = slide_encoder(of.encoder, of.pretrained_on)
        _, most = of_source.setdefault((of.source, of.licence, encoder), (of, {}))
        most[of.cohort] = max(most.get(of.cohort, 0), of.n_patients[1])
    encoded = any(encoder for _, _, encoder in of_source)
    columns: tuple[Column[_Source], ...] = (
        Column("cohorts (patients tested)",
               lambda s: ", ".join(f"{cohort} ({n:,})" for cohort, n in s[1]), kind="name"),
        *((Column[_Source]("slide encoder",
                           lambda s: slide_encoder(s[0].encoder, s[0].pretrained_on) or NONE),)
          if encoded else ()),
        Column("source", lambda s: s[0].source),
        Column("licence", lambda s: s[0].licence),
    )  # fmt: skip
    rows = [(of, tuple(sorted(most.items()))) for of, most in of_source.values()]
    return table("Cohorts", columns, sorted(rows, key=lambda row: row[1]))
