"""What was found: claims that hold together, sentences with their numbers, tables without fault."""

import csv
import re
from dataclasses import replace
from itertools import chain
from pathlib import Path
from statistics import fmean, median

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from benchmark.analysis.board import Board
from benchmark.analysis.findings import Claim, Findings, Verdict
from benchmark.analysis.over_cohorts import KindComparison
from benchmark.analysis.stats import Pooled
from benchmark.records.merge import merge
from benchmark.records.migration import measure
from benchmark.records.store import Store
from benchmark.show.first_screen import first_screen
from benchmark.show.leaderboard import render
from tasks.cancers import plain_name
from tests.helpers.frames import fake, records, scores
from tests.helpers.stores import write_store

ROOT = Path(__file__).parent.parent.parent
TABLES = ROOT / "results" / "tables"
ROLES = {
    "mirror": "self-supervised", "winner": "self-supervised", "mean-concat": "control",
    "rna-only": "control", "random-init": "control", "clinical": "control", "snn": "supervised",
}  # fmt: skip


def board(winner: float = 0.0, n_cohorts: int = 6, spread: float = 0.004) -> Board:
    """Methods of every role over cohorts; one is better by as much as is said."""
    frames = []
    for i, cohort in enumerate(["TCGA-KIRC", "TCGA-STAD", *"CDEF"][:n_cohorts]):
        for method, role in ROLES.items():
            level = 0.62 + 0.01 * i + (winner if method == "winner" else 0.0)
            task = f"survival/{cohort}/os"
            values = scores(level, spread, 1, 5, task, method)
            frames.append(records({method: values}, task=task, role=role, source="a hospital"))
    return Board(pd.concat(frames, ignore_index=True))


def text_of(of: Board) -> str:
    """The first screen without its marks."""
    lines = chain.from_iterable((s.title, *s.lines) for s in first_screen(of.main[0]))
    return "\n".join("".join(line) for line in lines)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.001, 0.4, Verdict.BETTER), (-0.4, -0.001, Verdict.WORSE), (-0.02, 0.02, Verdict.ALIKE),
     (-0.021, 0.001, Verdict.OPEN), (0.0, 0.1, Verdict.OPEN)],
)  # fmt: skip
def test_a_verdict_is_read_from_its_interval(low: float, high: float, verdict: Verdict) -> None:
    assert Claim("a", "b", Pooled(0.0, low, high, 0.5, 0.5, 0.0, 4)).verdict is verdict


def test_claims_of_a_page_hold_together() -> None:
    of = board().main[0].kinds
    one, two = Findings(of), Findings((*of, *of))
    # Three methods against plain features, the clinic, training, and one side alone.
    assert one.level == pytest.approx(1 - 0.05 / 6)
    assert two.level == pytest.approx(1 - 0.05 / 12)
    (kind,), (again, _) = one.kinds, two.kinds
    for claim, wider in zip(kind.claims, again.claims, strict=True):
        assert wider.found.high - wider.found.low > claim.found.high - claim.found.low
    alone = of[0].pair("mirror", "mean-concat")
    assert kind.methods[-1].found.low < alone.low


def test_what_is_better_is_to_be_used_and_nothing_else_is() -> None:
    same, better = board(), board(winner=0.05)
    (of_same,), (of_better,) = (Findings(b.main[0].kinds).kinds for b in (same, better))
    assert (of_same.use, of_better.use) == ("mean-concat", "winner")
    assert [c.method for c in of_better.with_verdict(Verdict.BETTER)] == ["winner"]
    assert "none is shown to beat plain features (mean-concat) in survival" in text_of(same)
    assert text_of(better).startswith("In short: winner is shown to beat plain features")


def test_sentences_have_the_numbers_of_the_board() -> None:
    of = board(winner=0.05)
    (kind,), text = Findings(of.main[0].kinds).kinds, text_of(of)
    rows = {m: [r for t in of.standings for r in t.rows if r.method == m] for m in ROLES}
    assert f"Use winner {fmean(r.score.mean for r in rows['winner']):.2f} on average" in text
    assert kind.clinical is not None
    assert f"alone: {fmean(r.score.mean for r in rows['clinical']):.2f} on average" in text
    widths = [(c.found.high - c.found.low) / 2 for c in kind.methods]
    assert kind.hidden == pytest.approx(median(widths))
    for claim in (kind.methods[0], kind.clinical, kind.training, kind.supervised[0], *kind.sides):
        assert claim is not None
        found = claim.found
        ends = (f"{x:+.2f}" if round(x, 2) else "0.00" for x in (found.low, found.high))
        assert f"({' to '.join(ends)})" in text
    patients = sum(t.n_patients[1] for t in of.main[0].kinds[0].tables)
    events = sum(t.n_events or 0 for t in of.main[0].kinds[0].tables)
    assert f"6 cohorts, {patients:,} patients, {events:,} events" in text
    assert "overall survival in C, D, E, F, clear cell kidney cancer and stomach cancer" in text


def test_one_cohort_finds_nothing_and_says_so() -> None:
    assert text_of(board(n_cohorts=1)).startswith("No kind of task has two cohorts")
    assert "difference is claimed" not in text_of(board(n_cohorts=1))


def test_cancers_have_plain_names_and_others_their_own() -> None:
    assert plain_name("TCGA-KIRC") == "clear cell kidney cancer"
    assert plain_name("MINE") == "MINE"


def committed_screen() -> str:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return readme.split("<!-- leaderboard -->")[1].split("<!-- /leaderboard -->")[0]


def test_the_first_screen_fits_a_screen() -> None:
    lines = [line for line in committed_screen().splitlines() if line.strip()]
    table = [line for line in lines if line.startswith("|")]
    assert len(lines) - len(table) <= 25
    assert len(table) - 2 <= 12
    assert len((ROOT / "leaderboard.md").read_bytes()) <= 15_000


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def committed() -> list[dict[str, str]]:
    files = sorted(set(TABLES.glob("*.csv")) - {TABLES / "missing.csv"})
    return [row for file in files for row in rows_of(file)]


def test_no_interval_leaves_the_scale_of_its_metric() -> None:
    rows = committed()
    assert len(rows) > 1_000
    for row in rows:
        bounds = measure(row["metric"])
        least, most = (
            limit if end is None or np.isnan(end) else float(end)
            for end, limit in ((bounds["low"], -np.inf), (bounds["high"], np.inf))
        )
        for name in ("score", "low", "high", "patients_low", "patients_high"):
            if row[name]:
                assert least <= float(row[name]) <= most, (row["task"], row["method"], name)
        if row["low"]:
            assert float(row["low"]) <= float(row["score"]) <= float(row["high"])


def test_no_verdict_contradicts_its_interval() -> None:
    told = 0
    for row in committed():
        if not row["difference_low"]:
            continue
        low, high = float(row["difference_low"]), float(row["difference_high"])
        apart = low > 0.0 or high < 0.0
        told += apart
        assert apart == (float(row["difference_p"]) < 0.05), (row["task"], row["method"])
        if row["smallest_difference_shown"]:
            # What is told apart could have been: the interval is as wide as that says.
            assert float(row["smallest_difference_shown"]) >= (high - low) / 2.0 - 1e-6
    assert told > 10


def test_no_rank_is_beyond_the_methods() -> None:
    seen = 0
    for page in TABLES.glob("*.md"):
        for block in re.findall(r"(?:^\|.*\n)+", page.read_text(encoding="utf-8"), re.MULTILINE):
            header, _, *lines = [
                [cell.strip() for cell in line.strip("|\n").split("|")]
                for line in block.splitlines()
            ]
            if "mean rank" in header:
                at = header.index("mean rank")
                ranks = [float(line[at]) for line in lines if line[at] != "-"]
                assert all(1.0 <= rank <= len(ranks) for rank in ranks)
                assert fmean(ranks) == pytest.approx((len(ranks) + 1) / 2, abs=0.06)
                seen += len(ranks)
    assert seen > 20


def test_stores_in_any_order_and_number_give_the_same_bytes(tmp_path: Path) -> None:
    frame = fake()
    whole = write_store(tmp_path / "whole", frame)
    halves = [
        frame[(frame["method"].isin(["mirror", "pca"])) == own].sample(frac=1.0, random_state=i)
        for i, own in enumerate((True, False))
    ]
    parts = [write_store(tmp_path / f"part{i}", half) for i, half in enumerate(halves)]
    folders = [part.folder for part in reversed(parts)]
    assert merge(folders, tmp_path / "merged", Console(quiet=True)) == 0
    one, other = (render(Board.of(store)) for store in (whole, Store(tmp_path / "merged")))
    assert one.front == other.front
    assert dict(one.tables) == dict(other.tables)


def relabelled(of: KindComparison, rng: np.random.Generator) -> KindComparison:
    """The complete methods of each cohort change their names among each other."""
    tables = []
    for table in of.tables:
        whole = [r for r in table.rows if r.role != "ablation" and r.cells == table.cells]
        named = {r.method: r.role for r in whole}
        order = rng.permutation(len(whole))
        rows = tuple(
            replace(whole[j], method=name, role=named[name])
            for name, j in zip(named, order, strict=True)
        )
        tables.append(replace(table, rows=rows))
    return replace(of, tables=tuple(tables))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_claims_of_the_front_page_are_wrong_in_at_most_six_of_a_hundred() -> None:
    """Where methods are relabelled within each cohort no difference is there to be claimed."""
    committed_board = Board.from_folder(ROOT / "results", over_patients=False)
    kinds = committed_board.main[0].kinds
    rng, wrong, n = np.random.default_rng(0), 0, 1_000
    for _ in range(n):
        found = Findings(tuple(relabelled(kind, rng) for kind in kinds))
        claims = [claim for kind in found.kinds for claim in kind.claims]
        wrong += any(c.verdict in (Verdict.BETTER, Verdict.WORSE) for c in claims)
    print(f"{wrong / n:.3f}")
    assert wrong / n <= 0.06
