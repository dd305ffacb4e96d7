"""The leaderboard: deterministic to the byte, honest about uncertainty and what is missing."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sksurv.metrics import concordance_index_censored

from benchmark.analysis.board import Board
from benchmark.analysis.deduplicate import deduplicate
from benchmark.analysis.intervals import patient_intervals
from benchmark.analysis.missing import missing_scores
from benchmark.analysis.standings import Standing, standings
from benchmark.analysis.stats.simultaneous import critical_value
from benchmark.show.columns import scores
from benchmark.show.leaderboard import render
from benchmark.show.numbers import number, p_value, size
from benchmark.show.tables import View
from tests.helpers.frames import SCHEMA, fake, lose, records, rendered

BUDGET = "default"
FOLDS = [0.60, 0.62, 0.58, 0.64, 0.61]


def only(frame: pd.DataFrame) -> Standing:
    (table,) = standings(deduplicate(frame))
    return table


def test_same_bytes_whatever_the_order_of_rows_and_the_last_bit() -> None:
    frame = fake()
    text = rendered(frame)
    shuffled = frame.sample(frac=1.0, random_state=np.random.default_rng(0))
    assert rendered(shuffled) == text
    nudged = frame.assign(value=np.nextafter(frame["value"], np.inf))
    assert rendered(nudged) == text
    assert text.endswith("\n")
    assert rendered(frame.iloc[::-1]) == text


def test_records_are_not_changed() -> None:
    frame = fake()
    before = frame.copy(deep=True)
    rendered(frame)
    pd.testing.assert_frame_equal(frame, before)


def lower_end(mean: float, half: float) -> float:
    """Of an interval of a fraction: by the delta method, as wide on the scale of its logit."""
    x = np.log(mean / (1 - mean)) - half / (mean * (1 - mean))
    return float(1 / (1 + np.exp(-x)))


def test_numbers_of_a_row_by_hand() -> None:
    table = only(records({"mirror": [FOLDS], "pca": [[x + 0.01 for x in FOLDS]]}))
    pca, mirror = table.rows
    assert (pca.method, mirror.method) == ("pca", "mirror")
    assert mirror.score.mean == pytest.approx(0.61)
    assert mirror.spread == pytest.approx(0.0005**0.5)
    # t(0.975, 4) sqrt((1/5 + 1/4) s²), s² = 0.0005
    half = 2.7764451051977987 * (0.45 * 0.0005) ** 0.5
    assert mirror.score.low == pytest.approx(lower_end(0.61, half), abs=1e-8)
    assert pca.difference.mean == pytest.approx(0.01)
    assert np.isnan(mirror.difference.mean)


def test_seeds_of_a_deterministic_method_do_not_narrow_its_interval() -> None:
    one, three = only(records({"pca": [FOLDS]})), only(records({"pca": [FOLDS] * 3}))
    assert three.rows[0].score == one.rows[0].score
    assert three.cells == 15


def test_seeds_are_averaged_within_folds() -> None:
    table = only(records({"mirror": [[0.5, 0.6, 0.7], [0.7, 0.6, 0.5]]}))
    (row,) = table.rows
    assert row.folds == (0.6, 0.6, 0.6)
    assert np.isnan(row.score.low)  # no spread, and no interval without any
    assert row.spread == pytest.approx(np.std([0.5, 0.6, 0.7] * 2, ddof=1))
    # of the folds' differences between seeds -.2, 0, .2: half their squares, over three folds
    assert row.seeds == pytest.approx((0.08 / 2 / 3) ** 0.5)
    assert np.isnan(only(records({"mirror": [[0.5, 0.6, 0.7]]})).rows[0].seeds)


def test_patients_dealt_repeatedly_are_counted_once_and_share_their_folds() -> None:
    values = {"mirror": [FOLDS * 3], "pca": [[x + 0.01 for x in FOLDS * 3]]}
    frame = records(values, n_folds=5, protocol="strict+patient-folds-x3")
    table = only(frame)
    assert (table.cells, table.rows[0].cells) == (15, 15)
    assert "200 patients, 60 events · 5 folds x 3 repeats x 1 seed" in rendered(frame)
    # t(0.975, 14) sqrt((1/15 + 1/4) s²), s² = 0.006 / 14
    half = 2.1447866879169273 * ((1 / 15 + 1 / 4) * 0.006 / 14) ** 0.5
    assert table.rows[1].score.low == pytest.approx(lower_end(0.61, half), abs=1e-8)
    incomplete = only(frame[frame["fold"] != 14])
    assert incomplete.ranked == ()


def test_direction_of_the_metric_orders_the_rows() -> None:
    values = {"a": [[0.1, 0.1]], "b": [[0.3, 0.3]]}
    up, down = only(records(values)), only(records(values, higher_is_better=False))
    assert [row.method for row in up.rows] == ["b", "a"]
    assert [row.method for row in down.rows] == ["a", "b"]
    assert "harrell_c ↓ ± sd" in rendered(records(values, higher_is_better=False))


def test_ties_are_those_the_corrected_test_cannot_tell() -> None:
    noisy = [0.66, 0.56, 0.66, 0.56, 0.60]
    worse = [x - 0.1 + 0.001 * i for i, x in enumerate(FOLDS)]
    table = only(records({"mirror": [FOLDS], "noisy": [noisy], "worse": [worse]}))
    assert {row.method: row.tied for row in table.rows} == {
        "noisy": True, "mirror": True, "worse": False
    }  # fmt: skip
    text = rendered(records({"mirror": [FOLDS], "noisy": [noisy], "worse": [worse]}))
    assert "| ● | `mirror`" in text
    assert "| = | `noisy`" in text
    assert "|  | `worse`" in text


def test_one_fold_tells_nobody_apart() -> None:
    table = only(records({"mirror": [[0.9]], "pca": [[0.1]]}, n_folds=1))
    assert all(row.tied for row in table.rows)
    assert np.isnan(table.rows[0].score.low)
    assert "| 0.900 | - |" in rendered(records({"mirror": [[0.9]]}, n_folds=1))


def test_who_predicts_the_same_of_everybody_found_nothing_and_is_no_tie() -> None:
    values = {"mirror": [[0.50, 0.53, 0.47, 0.55, 0.49]], "flat": [[0.5] * 5]}
    frame = records(values)
    rows = {row.method: row for row in only(frame).rows}
    assert {name: (row.nothing, row.tied) for name, row in rows.items()} == {
        "flat": (True, False), "mirror": (False, True)
    }  # fmt: skip
    assert np.isnan([rows["flat"].score.low, rows["flat"].score.p]).all()
    assert rows["flat"].difference.low < 0 < rows["flat"].difference.high
    assert "| ∅ | `flat`" in rendered(frame)
    twice = only(records(values | {"also-flat": [[0.5] * 5], "mirror": [[0.5] * 5]}))
    assert all(row.nothing and np.isnan(row.difference.p) for row in twice.rows)


def test_incomplete_rows_stand_last_with_their_count() -> None:
    values = {"mirror": [FOLDS], "lucky": [[0.9, 0.9, np.nan, 0.9, 0.9]]}
    text = rendered(records(values))
    table = only(records(values))
    assert [row.method for row in table.rows] == ["mirror", "lucky"]
    assert [row.method for row in table.ranked] == ["mirror"]
    assert "| ⚠ 4/5 | `lucky`" in text


def test_difference_is_over_shared_folds_only() -> None:
    values = {"mirror": [[0.6, 0.6, 0.9]], "pca": [[0.65, 0.65, np.nan]]}
    _, pca = only(records(values)).rows
    assert pca.difference.mean == pytest.approx(0.05)


def test_without_the_reference_there_is_no_difference_column() -> None:
    with_it = only(records({"mirror": [FOLDS], "pca": [FOLDS]}))
    without = only(records({"pca": [FOLDS]}))
    one, other = (
        {column.header for column in scores(table).seen(View.MARKDOWN).columns}
        for table in (with_it, without)
    )
    assert one - other == {"Δ to mirror (95 %)", "p", "could show"}


def test_protocols_budgets_and_folds_never_share_a_table() -> None:
    base = {"mirror": [FOLDS]}
    frames = [
        records(base),
        records(base, protocol="paper"),
        records(base, budget="smoke"),
        records({"mirror": [FOLDS[:3]]}),
    ]
    text = rendered(pd.concat(frames))
    assert len(standings(deduplicate(pd.concat(frames)))) == 4
    for condition in ("protocol paper · budget default", "protocol strict · budget smoke"):
        assert condition in text
    page = render(Board(pd.concat(frames))).tables["survival.md"]
    assert page.index("protocol strict · budget default") < page.index("| ● | `mirror`")
    assert "· 3 folds x 1 seed\n" in page
    assert "# Protocol paper, budget default" in text
    assert text.count("\n# Over cohorts: planted cohorts, budget") == 3


def test_planted_cohorts_stand_apart_and_sources_are_named() -> None:
    board = render(Board(fake()))
    assert "PLANTED" not in board.front.split("## What is missing")[0]
    assert "[planted cohorts, budget default, 5 folds]" in board.front
    assert "| PLANTED-BAGS/os |" in board.tables["planted-5-folds.md"]
    source = "hif2gene (slide features), PORPOISE (expression), TCGA-CDR (endpoints)"
    line = f"| TCGA-BRCA (885), TCGA-LUAD (425) | {source} | non-commercial (CC BY-NC-SA 4.0) |"
    assert line in board.front
    alone = render(Board(records({"mirror": [FOLDS]}, source="planted by hand"))).front
    assert "| PLANTED (200) | planted by hand | CC0 |" in alone


def test_counts_stand_above_the_table() -> None:
    text = rendered(fake())
    line = (
        "protocol strict · budget default · TCGA-BRCA: 885 patients, 120 events · 5 folds x 3 seeds"
    )
    assert line in text
    assert text.index(line) < text.index("harrell_c ↑ ± sd")
    frame = records({"mirror": [FOLDS], "pca": [FOLDS]})
    frame.loc[frame["method"] == "pca", "n_patients"] = 30
    assert "150 to 200 patients, 60 events" in rendered(frame)


def test_circular_label_is_flagged_and_notes_are_kept() -> None:
    text = rendered(fake())
    assert "**Circular**: the label was called from `rna`" in text
    assert text.count("**Circular**") == 1
    assert "| TCGA-BRCA/pam50 ⚠ |" in text
    assert "- rna: 3 patients without expression" in text


def test_what_is_missing_is_grouped_counted_and_explained() -> None:
    board = render(Board(fake()))
    foot = board.front.split("## What is missing")[1]
    assert "| `contrastive` | 1 | 1 | failed: epoch 3: nan |" in foot
    assert "| `pca` | 1 | 5 | missing: no record |" in foot
    assert "2 events" not in foot  # of a further metric
    (skipped,) = [x for x in board.tables["missing.csv"].splitlines() if x.startswith("skipped")]
    methods = "contrastive mirror pca random-init"
    place = f"strict,default,3,ibs,{methods},survival/PLANTED-BAGS/os"
    assert skipped == f'skipped,"2 events, 5 are needed",{place}'
    assert "Nothing." in rendered(records({"mirror": [FOLDS]}))


def test_a_method_that_was_not_run_on_a_task_is_missing_there() -> None:
    frame = pd.concat(
        [
            records({"mirror": [FOLDS], "pca": [FOLDS]}),
            records({"mirror": [FOLDS]}, task="survival/OTHER/os"),
        ]
    )
    (gap,) = missing_scores(deduplicate(frame), standings(deduplicate(frame)))
    assert (gap.methods, gap.tasks, gap.cells) == (("pca",), ("survival/OTHER/os",), 5)


def test_every_record_matters() -> None:
    frame = records({"mirror": [FOLDS] * 2, "pca": [FOLDS] * 2})
    text = rendered(frame)
    for row in frame.index:
        assert rendered(frame.drop(index=row)) != text


def test_a_method_that_cannot_do_the_task_is_a_visible_row() -> None:
    frame = records({"mirror": [[np.nan] * 3], "pca": [[np.nan] * 3]})
    text = rendered(frame)
    assert "| ⚠ 0/3 | `pca` | - | - |" in text
    assert "`mirror`, `pca`" in text.split("## What is missing")[1]


def test_contradicting_trials_are_shown_not_averaged() -> None:
    frame = records({"mirror": [FOLDS]})
    again = frame.assign(trial="zz")
    assert rendered(pd.concat([frame, again])) == rendered(frame)
    other = again.assign(value=again["value"] + 0.1).iloc[:1]
    text = rendered(pd.concat([frame, other]))
    assert "| ⚠ 4/5 | `mirror`" in text
    assert "contradict each other" in text
    retried = frame.copy()
    lose(retried, retried["fold"] == 0, "failed", "killed")
    assert rendered(pd.concat([retried.assign(trial="aa"), frame])) == rendered(frame)


def test_the_overview_says_who_is_better_over_cohorts() -> None:
    """With the numbers of the model, and nothing of probes."""
    frames = [
        records(
            {"mirror": [FOLDS], "pca": [[x + 0.05 + 0.001 * i for i, x in enumerate(FOLDS)]]},
            task=f"{kind}/C{i}/os",
        )
        for i in range(5)
        for kind in ("survival", "few-shot")
    ]
    board = Board(pd.concat(frames))
    pages, found = render(board), board.kinds[0].pair("pca", "mirror")
    assert pages.front.startswith(
        "# Leaderboard\n\nIn short: `pca` is shown to beat `mirror` in surv"
    )
    numbers = f"+{found.delta:.3f} (+{found.low:.3f} to +{found.high:.3f}) | {found.better:.2f}"
    page = pages.tables["planted-5-folds.md"]
    assert f"| `pca` | self-supervised | 1.0 | 5/5 | {numbers}" in page
    assert "**few-shot**" not in page


def test_interval_verdict_and_what_could_be_shown_are_of_all_methods_at_once() -> None:
    """Of three methods against MIRROR one critical value, of any number of ablations another."""
    others = {f"m{i}": [[x + 0.01 * i for x in (0.63, 0.61, 0.60, 0.66, 0.62)]] for i in range(3)}
    variant = records({"less": [[0.59, 0.60, 0.58, 0.61, 0.60]]}, role="ablation")
    alone, among = (
        {row.method: row for row in only(pd.concat([frame, variant])).rows}
        for frame in (
            records({"mirror": [FOLDS], "m0": others["m0"]}),
            records({"mirror": [FOLDS], **others}),
        )
    )
    error = np.sqrt(0.45 * np.var(np.subtract(others["m0"][0], FOLDS), ddof=1))
    for rows, family in ((alone, 1), (among, 3)):
        found = rows["m0"].difference
        assert found.high - found.mean == pytest.approx(critical_value(5, family) * error)
    assert among["m0"].smallest > alone["m0"].smallest
    assert among["less"].difference == alone["less"].difference


def test_what_could_have_been_shown_is_the_power_of_the_corrected_test() -> None:
    other = [0.61, 0.60, 0.60, 0.63, 0.64]
    table = only(records({"mirror": [FOLDS], "pca": [other]}))
    (smallest,) = (row.smallest for row in table.rows if row.method == "pca")
    error = np.sqrt((1 / 5 + 1 / 4) * np.var(np.subtract(other, FOLDS), ddof=1))
    critical = stats.t.ppf(0.975, 4)
    shift = smallest / error
    power = stats.nct.sf(critical, 4, shift) + stats.nct.cdf(-critical, 4, shift)
    assert power == pytest.approx(0.8, abs=1e-6)


def test_a_reason_cannot_break_the_table() -> None:
    frame = records({"mirror": [FOLDS]})
    lose(frame, frame["fold"] == 1, "failed", "bad | cell\nand <b>html</b>")
    assert "| failed: bad \\| cell and &lt;b&gt;html&lt;/b&gt; |" in rendered(frame)


def predictions(n_seeds: int) -> pd.DataFrame:
    """Two methods, two folds of 80 patients; pca's risk is the better one."""
    frames = []
    for fold in range(2):
        rng = np.random.default_rng(fold)
        time, event, noise = rng.exponential(30, 80), rng.random(80) < 0.5, rng.normal(size=80)
        for method, share in (("mirror", 3.0), ("pca", 0.5)):
            for seed in range(n_seeds):
                columns = {
                    "patient": [f"P{fold}-{i}" for i in range(80)],
                    "risk": -np.log(time) + share * noise,
                    "time_months": time,
                    "event": event.astype(int),
                }
                axes = {"task": "survival/PLANTED/os", "protocol": "strict", "method": method}
                axes |= {"budget": BUDGET}
                frames.append(
                    pd.DataFrame(axes | {"n_folds": 2, "fold": fold, "seed": seed} | columns)
                )
    return pd.concat(frames, ignore_index=True)


def test_interval_over_patients_is_a_bootstrap_within_folds() -> None:
    frame = predictions(1)
    found = patient_intervals(frame)
    assert patient_intervals(frame.iloc[::-1]) == found
    key = ("survival/PLANTED/os", "strict", BUDGET, 2, "mirror")
    assert patient_intervals(predictions(3))[key] == pytest.approx(found[key])
    mine = frame[frame["method"] == "mirror"]
    cells = [part for _, part in mine.groupby("fold")]
    means, rng = [], np.random.default_rng(9)
    for _ in range(80):
        drawn = [part.sample(frac=1.0, replace=True, random_state=rng) for part in cells]
        means.append(
            np.mean([concordance_index_censored(p["event"] == 1, p["time_months"], p["risk"])[0]
                     for p in drawn])
        )  # fmt: skip
    assert found[key] == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.03)
    assert found[key][1] < found["survival/PLANTED/os", "strict", BUDGET, 2, "pca"][0]


def test_another_deal_of_the_same_patients_does_not_narrow_their_interval() -> None:
    frame = predictions(1)
    again = frame.assign(fold=frame["fold"] + 2)
    found = patient_intervals(pd.concat([again, frame]))
    for key, interval in patient_intervals(frame).items():
        assert found[key] == pytest.approx(interval)


def test_interval_over_patients_is_shown_where_there_are_predictions() -> None:
    frame = records({"mirror": [[0.60, 0.62]], "pca": [[0.7, 0.71]]})
    assert "over patients |" not in rendered(frame)
    text = rendered(frame, predictions(1))
    assert "over patients |" in text
    assert rendered(frame, predictions(1).iloc[::-1]) == text
    other = records({"mirror": [[0.60, 0.62]]}, metric="auroc")
    assert "over patients |" not in rendered(other, predictions(1))
    assert patient_intervals(pd.DataFrame(columns=["task", "patient"])) == {}


def test_no_records() -> None:
    empty = pd.DataFrame(columns=list(SCHEMA)).astype(SCHEMA)
    assert "There are no records." in rendered(empty)


def test_numbers() -> None:
    assert number(-0.0001) == "0.000"
    assert number(-0.0001, sign=True) == "0.000"
    assert number(0.0123, sign=True) == "+0.012"
    assert number(np.nan) == "-"
    assert p_value(0.0004) == "<0.001"
    assert [size(n) for n in (950, 12_000, 3_400_000)] == ["950", "12 k", "3.4 M"]
