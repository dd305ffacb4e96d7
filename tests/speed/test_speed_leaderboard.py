"""A million scores to a leaderboard: within half a minute and 2 GB."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.records.schema import TrialRecord
from benchmark.records.segments import encoded
from tasks.seeds import generator
from tests.helpers.stores import key, trial_record

pytestmark = [pytest.mark.speed, pytest.mark.timeout(900)]

KINDS = ("survival", "subtyping", "few-shot", "retrieval", "retention")
COHORTS, LABELS, METHODS, FOLDS, SEEDS, METRICS = 11, 5, 25, 5, 3, 10
"""20,625 trials, each with five labels of ten metrics: 1,031,250 scores."""

_AGGREGATE = """\
import json, resource, sys, time
from pathlib import Path
from benchmark.analysis.board import Board
from benchmark.show.leaderboard import render
from benchmark.records.store import Store
start, cpu = time.perf_counter(), time.process_time()
records = Store(Path(sys.argv[1])).records()
read = time.perf_counter() - start
board = render(Board(records))
print(json.dumps({
    "rows": len(records), "read": read, "seconds": time.perf_counter() - start,
    "cpu": time.process_time() - cpu,
    "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    "front_kb": len(board.front.encode()) / 1024,
}))
"""


def _trial(kind: str, cohort: int, method: int, fold: int, seed: int) -> TrialRecord:
    rng = generator("million", kind, cohort, method, fold, seed)
    name = f"C{cohort:02d}"
    tasks = [
        {
            "task": f"{kind}/{name}/label-{label}",
            "version": 1,
            "circular": "",
            "status": "ok",
            "reason": "",
            "n_patients": 80,
            "n_events": 20,
            "scores": [
                {
                    "metric": f"metric_{i}",
                    "value": value,
                    "higher_is_better": True,
                    "chance": 0.5,
                    "low": 0.0,
                    "high": 1.0,
                    "primary": i == 0,
                    "status": "ok",
                    "reason": "",
                }
                for i, value in enumerate(rng.normal(0.6 + 0.005 * method, 0.05, METRICS).tolist())
            ],
        }
        for label in range(LABELS)
    ]
    return trial_record(
        trial=key(f"{kind}/{cohort}/{method}/{fold}/{seed}"),
        method="mirror" if method == 0 else f"method-{method}",
        role="self-supervised" if method < 15 else "control",
        budget="default",
        cohort=name,
        source="simulated",
        fold=fold,
        n_folds=FOLDS,
        seed=seed,
        config={"width": 16},
        notes=["a note"],
        tasks=tasks,
    )


def test_a_million_scores_within_thirty_seconds_and_two_gigabytes(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    with (tmp_path / "records" / "0.jsonl").open("wb") as file:
        for kind in KINDS:
            for cohort in range(COHORTS):
                for method in range(METHODS):
                    for fold in range(FOLDS):
                        for seed in range(SEEDS):
                            file.write(encoded(_trial(kind, cohort, method, fold, seed)))
    command = [sys.executable, "-c", _AGGREGATE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    print(found)
    assert found["rows"] >= 1_000_000
    assert found["front_kb"] < 300
    assert found["seconds"] < 30
    assert found["mb"] < 2_000
