"""The optimism gap: from records of two protocols to differences, a section and a figure."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from rich.console import Console
from scipy import stats

from benchmark.analysis.deduplicate import deduplicate
from benchmark.analysis.optimism import COUNTED_FROM, Optimism, optimism
from benchmark.cli.run import run
from benchmark.engine.folds import outer_folds
from benchmark.engine.plan import Request, make_plan
from benchmark.engine.runner import RunOptions
from benchmark.engine.trial import run_trial
from benchmark.records.protocol import Control
from benchmark.records.schema import Predictions, TrialRecord
from benchmark.show.figures import optimism as figure_of
from methods.base import Budget
from methods.registry import all_methods
from tasks.base import Protocol
from tasks.errors import InputError
from tasks.kinds.published.switches import Switch
from tasks.registry import select_tasks, under
from tests.helpers import frames
from tests.helpers.frames import rendered
from tests.helpers.planted import planted, planted_folder

STRICT = [0.60, 0.62, 0.58, 0.61, 0.59]
HONEST = [0.58, 0.62, 0.60, 0.57, 0.59]
PAPER = [0.66, 0.65, 0.64, 0.68, 0.63]
BEST = [0.65, 0.65, 0.63, 0.66, 0.63]
LOST = [np.nan] * 5


def both(control: str = "", shift: float = 0.0, method: str = "mirror") -> pd.DataFrame:
    """Records of one method under both protocols, one seed, five folds."""
    suffix = f"+{control}" if control else ""

    def of(metric: str, values: list[float], protocol: str, *, primary: bool) -> pd.DataFrame:
        shifted = [[value + shift for value in values]]
        named = f"{protocol}{suffix}"
        return frames.records({method: shifted}, metric=metric, protocol=named, primary=primary)

    return pd.concat(
        [
            of("harrell_c", STRICT, "strict", primary=True),
            of("ibs", [0.2] * 5, "strict", primary=False),
            of("harrell_c", PAPER, "paper", primary=True),
            of("harrell_c_honest", HONEST, "paper", primary=False),
            of("harrell_c_best_epoch", BEST, "paper", primary=False),
            of("harrell_c_slide_level", LOST, "paper", primary=False),
        ],
        ignore_index=True,
    )


def found_in(*parts: pd.DataFrame) -> tuple[Optimism, ...]:
    return optimism(deduplicate(pd.concat(parts, ignore_index=True)))


def test_differences_are_paired_over_folds_with_the_corrected_interval() -> None:
    (found,) = found_in(both())
    assert (found.strict, found.honest, found.paper) == pytest.approx(
        (np.mean(STRICT), np.mean(HONEST), np.mean(PAPER))
    )
    d = np.subtract(PAPER, HONEST)
    half = stats.t.ppf(0.975, 4) * np.sqrt((1 / 5 + 1 / 4) * d.var(ddof=1))
    expected = (d.mean(), d.mean() - half, d.mean() + half)
    assert (found.gap.mean, found.gap.low, found.gap.high) == pytest.approx(expected, abs=1e-9)
    assert found.to_strict.mean == pytest.approx(np.mean(PAPER) - np.mean(STRICT))
    assert [switch for switch, _ in found.switches] == [Switch.BEST_EPOCH]
    alone = dict(found.switches)[Switch.BEST_EPOCH]
    assert alone.mean == pytest.approx(np.mean(np.subtract(BEST, HONEST)))


def every_switch() -> pd.DataFrame:
    """`both`, with a score of every switch: 0.01 above honest, then 0.02, and so on."""
    frame = both()
    parts = [frame[~frame["metric"].isin([f"harrell_c_{switch}" for switch in Switch])]]
    for step, switch in enumerate(Switch, start=1):
        values = [[value + 0.01 * step for value in HONEST]]
        name = f"harrell_c_{switch}"
        parts.append(
            frames.records({"mirror": values}, metric=name, protocol="paper", primary=False)
        )
    return pd.concat(parts, ignore_index=True)


def test_what_all_genes_add_is_counted_from_the_same_recipe_without_the_leak() -> None:
    (found,) = found_in(every_switch())
    assert [switch for switch, _ in found.switches] == list(Switch)
    added = {switch: one.mean for switch, one in found.switches}
    order = list(Switch)
    inner = np.mean(HONEST) + 0.01 * (order.index(Switch.INNER_EPOCH) + 1)
    assert found.honest == pytest.approx(inner)
    assert found.gap.mean == pytest.approx(np.mean(PAPER) - inner)
    for switch in Switch:
        base = order.index(COUNTED_FROM[switch]) + 1 if switch in COUNTED_FROM else 0
        assert added[switch] == pytest.approx(0.01 * (order.index(switch) + 1 - base))


def test_only_cells_of_both_protocols_count() -> None:
    frame = both()
    cut = frame[~((frame["protocol"] == "strict") & (frame["fold"] >= 3))]
    (found,) = found_in(cut)
    assert (found.folds, found.seeds) == (3, 1)
    assert found.paper == pytest.approx(np.mean(PAPER[:3]))
    assert found.gap.mean == pytest.approx(np.mean(np.subtract(PAPER, HONEST)[:3]))


def test_nothing_without_both_protocols() -> None:
    frame = both()
    for protocol in ("strict", "paper"):
        assert found_in(frame[frame["protocol"] == protocol]) == ()
    assert "Optimism" not in rendered(frame[frame["protocol"] == "strict"])


def test_controls_stand_apart_and_the_reference_comes_first() -> None:
    found = found_in(both(), both("permuted-labels", -0.1), both(method="cca"), both(method="zz"))
    named = [(one.variant, one.method) for one in found]
    assert named == [("", "mirror"), ("", "cca"), ("", "zz"), ("permuted-labels", "mirror")]
    assert found[-1].strict == pytest.approx(np.mean(STRICT) - 0.1)


def test_the_section_says_the_numbers_and_does_not_depend_on_the_order_of_records() -> None:
    frame = pd.concat([both(), both("permuted-labels", -0.1)], ignore_index=True)
    text = rendered(frame)
    assert "## Optimism gap" in text
    assert text.index("## Optimism gap") < text.index("## What is missing")
    assert "| `mirror` | 0.600 | 0.592 | 0.652 | +0.052" in text
    assert "**+0.060 (" in text
    assert "survival/PLANTED/os · permuted-labels · harrell_c · budget default, 5 folds" in text
    assert rendered(frame.sample(frac=1.0, random_state=0)) == text


def test_the_figure_has_every_number_and_no_text_on_another() -> None:
    found = found_in(both(), both("permuted-labels", -0.1), both(method="a-method-of-long-name"))
    figure = figure_of(found)
    panels = [panel for panel in figure.axes if panel.get_lines()]
    assert len(panels) == 4  # two tasks, two columns
    drawn = {
        (str(line.get_label()), round(float(np.asarray(line.get_xdata()).ravel()[0]), 6))
        for panel in panels
        for line in panel.get_lines()
    }
    for one in found:
        best = dict(one.switches)[Switch.BEST_EPOCH].mean
        for label, value in (
            ("strict", one.strict),
            ("honest", one.honest),
            ("paper", one.paper),
            ("gap", one.gap.mean),
            ("best_epoch", best),
        ):
            assert (label, round(value, 6)) in drawn
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
    texts = [t for panel in panels for t in (panel.title, panel._left_title, panel.xaxis.label)]  # type: ignore[attr-defined]
    legend = next(sign for panel in figure.axes if (sign := panel.get_legend()) is not None)
    suptitle = figure._suptitle  # type: ignore[attr-defined]
    boxes = [t.get_window_extent(renderer) for t in texts if t.get_text()]
    boxes += [legend.get_window_extent(renderer), suptitle.get_window_extent(renderer)]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


def test_a_legend_of_every_switch_leaves_the_panels_their_room() -> None:
    figure = figure_of(found_in(every_switch()))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    width, _ = canvas.get_width_height()
    legend = next(sign for panel in figure.axes if (sign := panel.get_legend()) is not None)
    box = legend.get_window_extent(canvas.get_renderer())  # type: ignore[no-untyped-call]
    assert 0 <= box.x0 < box.x1 <= width
    panels = [panel for panel in figure.axes if panel.get_lines()]
    assert all(panel.get_window_extent().width > width / 4 for panel in panels)
    assert not any(panel.get_window_extent().overlaps(box) for panel in panels)


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(ValueError, match="no optimism"):
        figure_of([])


# From a request to a record


def asked(protocol: Protocol, control: Control | None = None, method: str = "pca") -> Request:
    cohort = planted(bags=False)
    return Request(
        methods=[all_methods()[method]],
        tasks=under(protocol, select_tasks("survival", [cohort])),
        cohorts=[(planted_folder(bags=False), cohort)],
        folds=outer_folds("patient", 3, [cohort]),
        seeds=(0,),
        budget=Budget.SMOKE,
        control=control,
        protocol=protocol,
    )


@pytest.mark.parametrize("method", ["pca", "abmil"])
def test_protocols_share_the_fit_and_no_record(method: str) -> None:
    def trials(protocol: Protocol, control: Control | None = None) -> set[tuple[str, str]]:
        plan = make_plan(asked(protocol, control, method), {}, overwrite=False, retry_failed=False)
        return {(trial.fit, trial.key) for trial in plan.trials}

    strict, paper = trials(Protocol.STRICT), trials(Protocol.PAPER)
    broken = trials(Protocol.PAPER, Control.PERMUTED_LABELS)
    assert {fit for fit, _ in strict} == {fit for fit, _ in paper}
    keys = [{key for _, key in some} for some in (strict, paper, broken)]
    assert not any(a & b for a, b in combinations(keys, 2))


def test_a_paper_trial_takes_the_embeddings_of_a_strict_one(tmp_path: Path) -> None:
    def first(
        protocol: Protocol, control: Control | None = None
    ) -> tuple[TrialRecord, list[Predictions]]:
        plan = make_plan(asked(protocol, control), {}, overwrite=False, retry_failed=False)
        return run_trial(plan.trials[0], tmp_path, "cpu")

    strict, _ = first(Protocol.STRICT)
    (cached,) = tmp_path.glob("*.fit")
    paper, (predictions,) = first(Protocol.PAPER)
    assert list(tmp_path.glob("*.fit")) == [cached]
    assert (str(strict.protocol), str(paper.protocol)) == ("strict", "paper")
    assert paper.fit_seconds == strict.fit_seconds  # that of the one fit
    (task,) = paper.tasks
    assert task.task == strict.tasks[0].task
    names = [score.metric for score in task.scores]
    assert names[:3] == ["harrell_c", "harrell_c_honest", "harrell_c_best_epoch"]
    assert "honest_risk" in predictions.columns
    broken, _ = first(Protocol.PAPER, Control.PERMUTED_LABELS)
    assert str(broken.protocol) == "paper+permuted-labels"


def test_tasks_that_the_paper_does_not_ask_are_an_error_if_there_are_no_others(
    tmp_path: Path,
) -> None:
    with pytest.raises(InputError, match="--protocol paper: expected tasks among survival"):
        run(
            RunOptions(
                "pca",
                "retrieval",
                cohorts="PLANTED-VECTORS",
                protocol=Protocol.PAPER,
                results=tmp_path,
            ),
            Console(quiet=True),
        )
    assert not list(tmp_path.iterdir())
