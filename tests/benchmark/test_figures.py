"""The figures: the right numbers in them, nothing cut or on top of another, the same bytes."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lifelines import KaplanMeierFitter
from lifelines.statistics import logrank_test
from matplotlib._pylab_helpers import Gcf
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from sklearn.decomposition import PCA

from benchmark.analysis.ablations import Delta
from benchmark.analysis.deduplicate import deduplicate
from benchmark.analysis.over_cohorts import KindComparison
from benchmark.analysis.standings import Measure, Standing, standings
from benchmark.analysis.stats import Estimate
from benchmark.show.drawn import saved_figures
from benchmark.show.figures import (
    Tradeoff,
    ablations,
    calibration,
    calibration_groups,
    caption_of,
    compute,
    critical_difference_diagram,
    embedding_map,
    forest,
    kaplan_meier,
    pareto_front,
    principal_axes,
    retention,
    risk_groups,
    save,
    scores,
    title_of,
    tradeoffs,
)
from benchmark.show.figures.calibration import judged
from benchmark.show.figures.look import svg
from tasks.seeds import generator
from tests.helpers import frames

C = Measure("harrell_c", True)


@cache
def tables(n_methods: int, n_tasks: int = 1, n_folds: int = 5) -> tuple[Standing, ...]:
    """Standings of MIRROR and others, each task with scores and costs of its own."""
    rng = generator("test", "figures", n_methods, n_tasks)
    methods = ["mirror", *(f"mirror-without-alignment-{i}" for i in range(1, n_methods))]
    found = []
    for task in (f"survival/COHORT-{k}/os" for k in range(n_tasks)):
        level = np.linspace(0.7, 0.55, n_methods) + rng.uniform(-0.06, 0.06, n_methods)
        means = dict(zip(methods, level, strict=True))
        values = {m: frames.scores(means[m], 0.03, 2, n_folds, task, m) for m in methods}
        seconds = dict(zip(methods, 10 ** rng.uniform(-2, 3, n_methods), strict=True))
        frame = frames.records(values, task=task)
        found.append(frame.assign(fit_seconds=frame["method"].map(seconds)))
    return standings(deduplicate(pd.concat(found, ignore_index=True)))


def long_names() -> Standing:
    (table,) = tables(3)
    rows = tuple(
        replace(row, method=f"{row.method}-with-every-option-of-its-family-named")
        for row in table.rows
    )
    return replace(table, task=f"survival/{'A-VERY-LONG-NAME-OF-A-COHORT-' * 3}/os", rows=rows)


def with_roles() -> Standing:
    """A table with a control, a supervised reference, an incomplete and a failed method."""
    (table,) = tables(6)
    patients = [
        replace(row, patients=(row.score.mean - 0.02, row.score.mean + 0.02)) for row in table.rows
    ]
    unknown = Estimate(np.nan, np.nan, np.nan, np.nan)
    rows = (
        *patients[:2],
        replace(patients[2], cells=7),
        replace(patients[3], cells=0, score=unknown, patients=(np.nan, np.nan), tied=False),
        replace(patients[4], role="control", tied=False),
        replace(patients[5], role="supervised", tied=False),
    )
    return replace(table, rows=rows)


def deltas(n_methods: int, n_tasks: int) -> list[Delta]:
    found = []
    for k in range(n_tasks):
        for i in range(n_methods):
            mean = float(generator("delta", k, i).normal(0, 0.05))
            e = Estimate(mean, mean - 0.015, mean + 0.015, 0.01 if i == k else 0.2)
            place = (f"survival/COHORT-{k}/os", "strict, budget default, 5 folds", C)
            found.append(Delta(*place, f"mirror-no-part-{i}", "", 0.6, 5, 2, 200, e))
    return found


def tasks_and_methods() -> tuple[Standing, ...]:
    """Two kinds of task; the first lacks a method."""
    names = ("mean-concat", *"abcde")
    first, *others = (
        replace(
            table,
            rows=tuple(replace(r, method=n) for r, n in zip(table.rows, names, strict=True)),
        )
        for table in tables(6, 3)
    )
    return (replace(first, task="subtyping/COHORT-0/label", rows=first.rows[:-1]), *others)


def predictions(n: int = 60, folds: int = 3, seeds: int = 2) -> pd.DataFrame:
    rng = generator("test", "kaplan-meier", n)
    hazard = rng.normal(size=n)
    time, event = rng.exponential(30 * np.exp(-hazard)).round() + 1, rng.random(n) < 0.6
    rows = [
        {
            "fold": i % folds, "seed": seed, "patient": f"P{i:03d}", "time_months": time[i],
            "event": int(event[i]), "risk": hazard[i] + rng.normal(),
        }
        for seed in range(seeds)
        for i in range(n)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def curves() -> Figure:
    return kaplan_meier(risk_groups(predictions()), "mirror", "survival/COHORT/os")


def promised(n: int = 300) -> pd.DataFrame:
    """Predictions with the true survival of an exponential at two times."""
    rows = predictions(n, seeds=1)
    hazard = np.exp(generator("test", "kaplan-meier", n).normal(size=n)) / 30
    true = {f"surv_{m}m": np.exp(-hazard * m) for m in (12, 36)}
    return rows.assign(**true)


def calibrated() -> Figure:
    figure = calibration({"mean-concat": promised(), "clinical": promised(120)}, "survival/C/os")
    assert figure is not None
    return figure


def on_tasks() -> Figure:
    figure = scores(tasks_and_methods())
    assert figure is not None
    return figure


def traded(n_methods: int, *, truth: bool = True) -> Tradeoff:
    """Private and shared R2 of MIRROR, its untrained encoders and others."""
    names = ["mirror", "random-init", *(f"method-{i}" for i in range(n_methods - 2))]
    rng = generator("test", "retention", n_methods)

    def of(task: str, metric: str, position: int = 0) -> pd.DataFrame:
        means = dict(zip(names, rng.uniform(0.2, 0.8, n_methods), strict=True))
        values = {m: frames.scores(means[m], 0.03, 1, 5, task, m, metric) for m in names}
        primary = position == 0
        return frames.records(values, task=task, metric=metric, primary=primary, position=position)

    if truth:
        parts = [of("retention/C/truth", "truth_private_r2")]
        parts += [of("retention/C/truth", "truth_shared_r2", 1)]
    else:
        parts = [of("retention/C/content", "private_r2"), of("retrieval/C/pairs", "mapped_mrr")]
    (found,) = tradeoffs(standings(deduplicate(pd.concat(parts, ignore_index=True))))
    return found


def mapped(n_groups: int, n: int = 90) -> Figure:
    rng = generator("test", "map", n_groups)
    groups = [f"group-{i % n_groups}" if i % 7 else None for i in range(n)]
    sites = [f"S{i % (n_groups + 3):02d}" for i in range(n)]
    return embedding_map(
        principal_axes(rng.normal(size=(n, 12))),
        {"by label": groups, "by tissue-source site": sites},
        "mirror",
        "COHORT",
    )


def kind(of: tuple[Standing, ...]) -> KindComparison:
    """These tasks as the primary ones of their cohorts."""
    return KindComparison("survival", True, "strict", "default", 5, of)


def beyond_the_scale() -> Standing:
    """A table with an interval that passes 1."""
    (table,) = tables(3)
    score = Estimate(0.9, 0.7, 1.1, 0.0)
    return replace(table, rows=(replace(table.rows[0], score=score), *table.rows[1:]))


EVERY: dict[str, Callable[[], Figure]] = {
    "forest of 2": lambda: forest(tables(2)[0]),
    "forest of 40": lambda: forest(tables(40)[0]),
    "forest of one fold": lambda: forest(tables(3, n_folds=1)[0]),
    "forest of long names": lambda: forest(long_names()),
    "compute of long names": lambda: compute(long_names()),
    "diagram of long names": lambda: critical_difference_diagram(kind((long_names(),) * 6)),
    "forest with roles": lambda: forest(with_roles()),
    "diagram of 2": lambda: critical_difference_diagram(kind(tables(2, 6))),
    "diagram of 5": lambda: critical_difference_diagram(kind(tables(5, 12))),
    "diagram of 40": lambda: critical_difference_diagram(kind(tables(40, 6))),
    "compute of 1": lambda: compute(tables(1)[0]),
    "compute of 2": lambda: compute(tables(2)[0]),
    "compute of 40": lambda: compute(tables(40)[0]),
    "compute with roles": lambda: compute(with_roles()),
    "ablations of 1": lambda: ablations(deltas(1, 1), "mirror"),
    "ablations of 15": lambda: ablations(deltas(15, 3), "mirror"),
    "ablations of 30": lambda: ablations(deltas(30, 3), "mirror"),
    "methods on tasks": on_tasks,
    "calibration": calibrated,
    "Kaplan-Meier": curves,
    "retention of 3": lambda: retention(traded(3)),
    "retention of 40": lambda: retention(traded(40, truth=False)),
    "map of 2 groups": lambda: mapped(2),
    "map of 30 groups": lambda: mapped(30),
    "forest beyond the scale": lambda: forest(beyond_the_scale()),
}


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Callable[[Figure], list[Text]]:
    """What a figure really writes: axes also hold labels of ticks that are out of sight."""
    seen: list[Text] = []
    draw = Text.draw

    def record(self: Text, *args: object, **kwargs: object) -> None:
        seen.append(self)
        draw(self, *args, **kwargs)  # type: ignore[arg-type]

    def texts(figure: Figure) -> list[Text]:
        monkeypatch.setattr(Text, "draw", record)
        FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]
        return [text for text in dict.fromkeys(seen) if text.get_text().strip()]

    return texts


@pytest.mark.parametrize("name", EVERY)
def test_no_text_is_cut_or_on_top_of_another(
    name: str, drawn: Callable[[Figure], list[Text]]
) -> None:
    figure = EVERY[name]()
    boxes = [(text.get_text(), text.get_window_extent()) for text in drawn(figure)]
    assert len(boxes) > 5
    for text, box in boxes:
        assert box.x0 >= 0 and box.y0 >= 0, text  # noqa: PT018
        assert box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1, text  # noqa: PT018
    for (first, one), (second, other) in combinations(boxes, 2):
        wide = min(one.x1, other.x1) - max(one.x0, other.x0)
        high = min(one.y1, other.y1) - max(one.y0, other.y0)
        # A third of a line: boxes hold the room for letters that reach below it.
        assert not (wide > 1 and high > 3), (first, second)


def xs(line: Line2D) -> list[float]:
    found: list[float] = np.asarray(line.get_xdata(), dtype=np.float64).tolist()
    return found


def ys(line: Line2D) -> list[float]:
    found: list[float] = np.asarray(line.get_ydata(), dtype=np.float64).tolist()
    return found


def labels(axes: Axes) -> list[str]:
    return [label.get_text() for label in axes.get_yticklabels()]


def right_of(axes: Axes) -> list[str]:
    (numbers,) = axes.child_axes
    return [label.get_text() for label in numbers.get_yticklabels()]


def points(axes: Axes) -> list[Line2D]:
    return [line for line in axes.get_lines() if line.get_marker() in {"o", "D", "s", "x"}]


def test_forest_shows_the_numbers_of_the_table() -> None:
    (table,) = tables(8)
    (axes,) = forest(table).axes
    assert labels(axes) == [row.method for row in table.rows]
    assert [xs(p)[0] for p in points(axes)] == [r.score.mean for r in table.rows]
    filled = [p.get_markerfacecolor() != "white" for p in points(axes)]
    assert filled == [row.tied for row in table.rows]
    assert any(filled)
    assert not all(filled)
    spans = [tuple(xs(x)) for x in axes.get_lines() if str(x.get_label()).endswith("over folds")]
    assert spans == [(row.score.low, row.score.high) for row in table.rows]
    (line,) = [x for x in axes.get_lines() if x.get_label() == "score of mirror"]
    (mirror,) = [row for row in table.rows if row.method == "mirror"]
    assert set(xs(line)) == {mirror.score.mean}
    first = table.rows[0].score
    assert right_of(axes)[0] == f"{first.mean:.3f}  ({first.low:.3f} to {first.high:.3f})"


def test_forest_sets_roles_apart_and_says_what_is_missing() -> None:
    table = with_roles()
    (axes,) = (figure := forest(table)).axes
    names = [row.method for row in table.rows]
    assert labels(axes) == [
        "self-supervised", *names[:4], "floors and controls", names[4], "supervised", names[5]
    ]  # fmt: skip
    numbers = right_of(axes)
    assert numbers[3].endswith("7/10")
    assert numbers[4] == "no score"
    markers = {labels(axes)[int(ys(p)[0])]: p.get_marker() for p in points(axes)}
    assert [markers.get(name) for name in names][2:] == ["x", None, "s", "s"]
    bars = [x for x in axes.get_lines() if str(x.get_label()).endswith("over patients")]
    assert len(bars) == 5
    (legend,) = [axes.get_legend()]
    assert legend is not None
    assert len({text.get_text() for text in legend.get_texts()}) == len(legend.get_texts())
    assert "of 2 ranked methods" in caption_of(figure)


def test_diagram_has_the_ranks_of_the_table_and_joins_whom_they_do_not_tell_apart() -> None:
    of = kind(tables(5, 12))
    (axes,) = (figure := critical_difference_diagram(of)).axes
    ranks = {row.method: row.rank for row in of.entrants}
    markers = sorted(float(np.asarray(c.get_offsets())[0, 0]) for c in axes.collections[:5])
    assert markers == pytest.approx(sorted(ranks.values()))
    texts = " ".join(text.get_text() for text in axes.texts)
    assert all(method in texts and f"{rank:.2f}" in texts for method, rank in ranks.items())
    limit = of.apart
    assert f"critical difference {limit:.2f}" in texts
    joined = [
        sorted(xs(line))
        for line in axes.get_lines()
        if line.get_linewidth() == 2.5  # the bars
    ]
    assert len(joined) > 1
    for bar in joined:
        assert bar[-1] - bar[0] < limit
        # As long as can be: one more rank on either side is beyond the limit.
        inside = [rank for rank in markers if bar[0] <= rank <= bar[-1]]
        assert inside == pytest.approx(bar)
        further = [rank for rank in markers if rank > bar[-1]]
        assert not further or further[0] - bar[0] > limit
    apart = {round(a, 6) for a in markers} - {round(x, 6) for bar in joined for x in bar}
    for rank in apart:
        assert all(abs(rank - other) > limit for other in markers if round(other, 6) != rank)
    assert f"critical difference, {limit:.2f}" in caption_of(figure)


def test_diagram_names_whom_it_leaves_out_and_refuses_one_method() -> None:
    found = tables(3, 6)
    lost = found[0].rows[0].method
    rows = (replace(found[0].rows[0], cells=3), *found[0].rows[1:])
    holed = (replace(found[0], rows=rows), *found[1:])
    assert f"not ranked: {lost}." in caption_of(critical_difference_diagram(kind(holed)))
    with pytest.raises(ValueError, match="two methods"):
        critical_difference_diagram(kind(tables(1, 6)))
    with pytest.raises(ValueError, match="found 3 and 5"):
        critical_difference_diagram(kind(tables(3, 5)))


def cells(figure: Figure) -> np.ma.MaskedArray[tuple[int, ...], np.dtype[np.float64]]:
    """The values behind the colours of a heatmap."""
    (image,) = figure.axes[0].images
    found = image.get_array()
    assert isinstance(found, np.ma.MaskedArray)
    return found


def framed(figure: Figure) -> set[tuple[int, int]]:
    """Row and column of what stands out."""
    corners = [patch.get_xy() for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    return {(round(y + 0.5), round(x + 0.5)) for x, y in corners}


def test_ablations_show_the_deltas_and_what_survives_correction() -> None:
    given_ = deltas(3, 2)
    given_[0] = replace(given_[0], measure=Measure("ibs", False))
    del given_[4]
    figure = ablations(given_, "mirror")
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == [f"no-part-{i}" for i in "012"]
    assert labels(axes) == [
        "survival/COHORT-0/os  ibs ↓",
        "survival/COHORT-0/os  harrell_c ↑",
        "survival/COHORT-1/os  harrell_c ↑",
    ]
    means = [float(np.clip(delta.difference.mean, -0.1, 0.1)) for delta in given_]
    shown = cells(figure)
    assert shown[0, 0] == pytest.approx(-means[0])  # lower is better
    assert shown[1, 1:].tolist() == pytest.approx(means[1:3])
    assert shown[2, [0, 2]].tolist() == pytest.approx(means[3:5])
    assert shown[2, 1] < -0.9  # not there
    assert framed(figure) == {(0, 0)}  # that of the other task was taken away
    with pytest.raises(ValueError, match="no ablations"):
        ablations([], "mirror")


def test_methods_on_tasks_are_differences_to_plain_features() -> None:
    found = tasks_and_methods()
    figure = on_tasks()
    methods = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert methods == list("abcde")
    shown, rows = cells(figure), [1, 3, 4]  # each kind has a title
    for y, table in zip(rows, found, strict=True):
        score = {row.method: row.score.mean for row in table.rows}
        for x, method in enumerate(methods):
            if method in score:
                difference = np.clip(score[method] - score["mean-concat"], -0.1, 0.1)
                assert shown[y, x] == pytest.approx(difference)
            else:
                assert shown[y, x] < -0.9
    best = {y: table.best.method for y, table in zip(rows, found, strict=True) if table.best}
    assert framed(figure) == {(y, methods.index(m)) for y, m in best.items() if m in methods}
    assert scores(tables(3)) is None


def test_wrong_predictions_are_rejected_by_their_intervals() -> None:
    rows = promised(600)
    hazard = -np.log(rows["surv_12m"]) / 12
    rows = rows.assign(expected=0.6 * hazard * rows["time_months"])  # of deaths, 6 in 10 are seen

    def ends(found: str) -> tuple[float, float]:
        low, high = found.split("(")[1].rstrip(")").split(" to ")
        return float(low), float(high)

    slope, total = judged(rows)
    assert slope.startswith("slope ")
    assert total.startswith("observed / expected ")
    steep = rows.assign(surv_36m=np.exp(-36 * hazard**2 * 30), expected=2 * rows["expected"])
    wrong_slope, wrong_total = judged(steep)
    assert ends(wrong_slope)[1] < 1
    assert ends(wrong_total)[1] < 1
    for text in judged(rows):
        low, high = ends(text)
        assert low < 1 < high
    again = pd.concat([rows, steep.assign(fold=steep["fold"] + 3)])
    assert judged(again) == (slope, total)
    assert judged(rows.drop(columns=["expected", "surv_12m", "surv_36m"])) == ()


def test_calibration_groups_by_hand() -> None:
    rows = promised()
    found = calibration_groups(rows, 36)
    assert len(found) == 5
    order = rows.sort_values(["surv_36m", "patient"])
    for group, part in zip(found, np.array_split(np.arange(len(order)), 5), strict=True):
        own = order.iloc[part]
        fitted = KaplanMeierFitter().fit(own["time_months"], own["event"])
        assert group.predicted == pytest.approx(own["surv_36m"].mean())
        assert group.observed == pytest.approx(float(fitted.predict(36.0)), abs=1e-12)
        assert group.low <= group.observed <= group.high
    seeds = pd.concat(
        [rows.assign(seed=s, surv_36m=rows["surv_36m"] + d) for s, d in ((0, 0.1), (1, -0.1))]
    )
    again = rows.assign(fold=rows["fold"] + 3, surv_36m=0.5)  # dealt a second time
    for same in (seeds, pd.concat([again, rows]), rows.sample(frac=1.0, random_state=2)):
        ours = [list(vars(group).values()) for group in calibration_groups(same, 36)]
        assert np.allclose(ours, [list(vars(group).values()) for group in found])
    assert calibration_groups(rows.head(30), 36) == ()
    assert calibration_groups(rows[rows["time_months"] < 36], 36) == ()


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12))
def test_pareto_front_is_who_nobody_beats(methods: list[tuple[int, int]]) -> None:
    cost, score = [c for c, _ in methods], [s for _, s in methods]
    front = pareto_front(cost, score).tolist()
    beaten = [any((d <= c and t >= s) and (d < c or t > s) for d, t in methods) for c, s in methods]
    assert sorted(front) == [i for i, lost in enumerate(beaten) if not lost]
    assert [cost[i] for i in front] == sorted(cost[i] for i in front)
    assert [score[i] for i in front] == sorted(score[i] for i in front)


def test_compute_draws_every_method_and_the_front_of_the_ranked() -> None:
    table = with_roles()
    # The control is the cheapest and the best: it has no place in the front.
    control = replace(table.rows[4], seconds=0.02, score=Estimate(0.95, 0.9, 0.99, 0.0))
    table = replace(table, rows=(*table.rows[:4], control, table.rows[5]))
    (axes,) = compute(table).axes
    shown = [row for row in table.rows if row.cells == table.cells]
    assert {text.get_text() for text in axes.texts if text.get_text()} == {r.method for r in shown}
    at = [(xs(p)[0], ys(p)[0]) for p in points(axes)]
    assert at == [(max(row.seconds, 0.01), row.score.mean) for row in shown]
    (front,) = [line for line in axes.get_lines() if line.get_label() == "Pareto front"]
    a, b = table.ranked
    expected = {a.score.mean, b.score.mean} if b.seconds < a.seconds else {a.score.mean}
    assert set(ys(front)) == expected
    assert axes.get_xscale() == "log"
    low, high = axes.get_xlim()
    assert low < min(x for x, _ in at)
    assert high >= 100 * low * (1 - 1e-9)


def test_risk_groups_by_hand() -> None:
    frame = pd.DataFrame(
        {
            "fold": [0, 0, 0, 1, 1, 0, 0, 0, 1, 1],
            "seed": [0] * 5 + [1] * 5,
            "patient": ["a", "b", "c", "d", "e"] * 2,
            # Fold 0: ranks 1 2 3 and 3 1 2, so means 2, 1.5, 2.5. Fold 1's risks are all larger.
            "risk": [0.1, 0.2, 0.3, 10.0, 20.0, 0.9, 0.1, 0.2, 10.0, 20.0],
            "time_months": [5.0, 6.0, 7.0, 8.0, 9.0] * 2,
            "event": [1, 0, 1, 0, 1] * 2,
        }
    )
    for rows in (frame, frame.sample(frac=1.0, random_state=1)):
        found = risk_groups(rows)
        assert found.high.tolist() == [False, False, True, False, True]
        assert found.time.tolist() == [5.0, 6.0, 7.0, 8.0, 9.0]
        assert found.event.tolist() == [True, False, True, False, True]
        assert (found.folds, found.seeds) == (2, 2)
    again = frame.assign(fold=frame["fold"] + 2, risk=-frame["risk"])  # dealt a second time
    assert np.array_equal(risk_groups(pd.concat([again, frame])).high, found.high)


def test_kaplan_meier_is_lifelines() -> None:
    groups = risk_groups(predictions(200, 5, 1))
    figure = kaplan_meier(groups, "mirror", "survival/COHORT/os")
    upper, lower = figure.axes
    drawn_steps = [line for line in upper.get_lines() if line.get_drawstyle() == "steps-post"]
    for line, chosen in zip(drawn_steps, (~groups.high, groups.high), strict=True):
        fitted = KaplanMeierFitter().fit(groups.time[chosen], groups.event[chosen])
        expected = fitted.survival_function_at_times(xs(line))
        assert ys(line) == pytest.approx(expected.to_numpy(), abs=1e-12)
        counts = f"{chosen.sum()} patients, {groups.event[chosen].sum()} events"
        assert str(line.get_label()).endswith(counts)
    low, high = (
        (groups.time[chosen], groups.event[chosen]) for chosen in (~groups.high, groups.high)
    )
    p = logrank_test(low[0], high[0], low[1], high[1]).p_value
    assert groups.p == pytest.approx(p, abs=1e-12)
    legend = upper.get_legend()
    assert legend is not None
    shown = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
    assert legend.get_title().get_text().replace("<0", "< 0") == f"log-rank {shown}"
    figure.draw_without_rendering()
    assert legend.get_window_extent().y0 >= upper.get_window_extent().y1  # no curve is below it
    at_risk = {(x, y): text.get_text() for text in lower.texts for x, y in [text.get_position()]}
    ticks = sorted({x for x, _ in at_risk})
    assert ticks[0] == 0.0
    assert len(ticks) >= 4
    for y, (time, _) in enumerate((low, high)):
        assert [at_risk[x, y] for x in ticks] == [str((time >= x).sum()) for x in ticks]


@pytest.mark.parametrize("protocol", ["strict", "paper+permuted-labels"])
def test_a_title_names_a_protocol_that_is_not_the_strict_one(protocol: str) -> None:
    table = replace(tables(1, 2)[0], protocol=protocol)
    curve = kaplan_meier(risk_groups(predictions()), "mirror", table.task, protocol)
    for figure in (forest(table), compute(table), curve):
        title = title_of(figure)
        assert table.task in title
        assert title.endswith(f"· protocol {protocol}") == (protocol != "strict")


def test_kaplan_meier_without_a_split_or_without_events() -> None:
    frame = predictions()
    same = risk_groups(frame.assign(risk=0.0))
    assert np.isnan(same.p)
    legend = kaplan_meier(same, "random", "survival/COHORT/os").axes[0].get_legend()
    assert legend is not None
    assert legend.get_title().get_text() == "no log-rank test"
    none = risk_groups(frame.assign(event=0))
    assert np.isnan(none.p)
    steps = kaplan_meier(none, "random", "survival/COHORT/os").axes[0].get_lines()
    assert {y for line in steps for y in ys(line)} == {1.0}


@pytest.mark.parametrize("make", [curves, lambda: critical_difference_diagram(kind(tables(2, 6)))])
def test_saved_twice_the_bytes_are_the_same(make: Callable[[], Figure], tmp_path: Path) -> None:
    first = save(make(), tmp_path / "a" / "b", "figure")
    # Whatever a user has set for figures of their own.
    with mpl.rc_context({"font.size": 20, "svg.hashsalt": None, "axes.grid": True}):
        second = save(make(), tmp_path, "figure")
    assert [path.name for path in first] == ["figure.svg", "figure.png"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    text = first[0].read_text()
    assert "<dc:date>" not in text
    assert caption_of(make()).split(".")[0] in text


def test_figures_are_drawn_beside_pyplot() -> None:
    forest(tables(2)[0])
    critical_difference_diagram(kind(tables(2, 6)))
    assert not Gcf.figs


def test_interval_ends_where_the_scale_does_and_the_numbers_do_not() -> None:
    (axes,) = [a for a in forest(beyond_the_scale()).axes if a.get_lines()][:1]
    ends = [max(xs(line)) for line in axes.get_lines() if line.get_linestyle() == "-"]
    assert max(ends) == 1.0
    assert any("1.100" in text for text in right_of(axes))
    assert "Arrows:" in caption_of(forest(beyond_the_scale()))
    assert "Arrows:" not in caption_of(forest(tables(3)[0]))


@pytest.mark.parametrize("truth", [True, False])
def test_retention_draws_every_method_at_its_means(truth: bool) -> None:
    found = traded(5, truth=truth)
    assert found.private.name == ("truth_private_r2" if truth else "private_r2")
    (axes,) = retention(found).axes
    drawn = {
        (round(xs(line)[0], 9), round(ys(line)[0], 9))
        for line in axes.get_lines()
        if str(line.get_marker()) in "Dos^" and len(xs(line)) == 1
    }
    assert drawn >= {(round(r.shared.mean, 9), round(r.private.mean, 9)) for r in found.rows}
    assert {bool(np.isnan(row.shared.low)) for row in found.rows} == {truth}
    texts = [text.get_text() for text in axes.texts]
    assert {row.method for row in found.rows} <= set(texts)


def test_principal_axes_are_those_of_scikit_learn() -> None:
    x = generator("test", "axes").normal(size=(60, 9)) * np.linspace(3, 1, 9)
    ours, theirs = principal_axes(x), PCA(2, svd_solver="full").fit(x)
    np.testing.assert_allclose(np.abs(ours.points), np.abs(theirs.transform(x)), atol=1e-9)
    np.testing.assert_allclose(ours.shares, theirs.explained_variance_ratio_, atol=1e-12)
    np.testing.assert_allclose(principal_axes(-x).points, -ours.points, atol=1e-9)
    assert principal_axes(np.ones((4, 3))).shares == (0.0, 0.0)


def test_files_are_lean_and_their_text_is_text(tmp_path: Path) -> None:
    path, png = save(forest(tables(40)[0]), tmp_path, "forest")
    assert path.stat().st_size < 100_000
    assert png.stat().st_size < 150_000
    assert ">mirror-without-alignment-3<" in path.read_text()


def test_a_folder_says_what_its_figures_were_drawn_from(tmp_path: Path) -> None:
    figure = forest(tables(2)[0])
    (tmp_path / "a.svg").write_text(svg(figure, "leaderboard <abc>"))
    save(figure, tmp_path, "b")
    (tmp_path / "c.svg").write_text("<svg width='10pt' height='10pt'/>")
    (tmp_path / "d.svg").write_bytes(b"\xff\xfe")
    one, other = saved_figures(tmp_path)
    assert (one.title, one.text) == (title_of(figure), caption_of(figure))
    assert (one.source, other.source) == ("leaderboard <abc>", "")
    assert (one.width, one.height) == tuple(round(72 * x) for x in figure.get_size_inches())
