"""`mirror-bench submit`: what is whole becomes a folder of its own; what is not says why, once."""

from pathlib import Path
from typing import Any

import pytest

from benchmark.records.store import Store
from tasks.kinds.survival import Survival
from tests.helpers.stores import key, trial_record
from tests.helpers.sweeps import inside

FOLDS = 3


def score(metric: str, *, primary: bool) -> dict[str, Any]:
    return {"metric": metric, "value": 0.625, "higher_is_better": True, "chance": 0.5, "low": 0.0,
            "high": 1.0, "primary": primary, "status": "ok", "reason": ""}  # fmt: skip


def write(
    folder: Path,
    folds: int = FOLDS,
    kind: str = "survival",
    metric: str = "uno_c",
    version: int = Survival.version,
    **fields: Any,
) -> Path:
    task = {
        "task": f"{kind}/X/os", "version": version, "circular": "", "status": "ok", "reason": "",
        "n_patients": 3, "n_events": 2,
        "scores": [score("harrell_c", primary=True), score(metric, primary=False)],
    }  # fmt: skip
    store = Store(folder)
    with store.locked(lambda: None):
        for fold in range(folds):
            usual: dict[str, Any] = {"fold": fold, "n_folds": FOLDS, "tasks": [task]}
            record = trial_record(trial=key(f"{fold}{fields}"), **usual | fields)
            store.writer().append(record, [])
    return folder


def submitted(tmp_path: Path, results: Path, *more: str | Path) -> tuple[int, list[str], Path]:
    output = tmp_path / "mine"
    done = inside("submit", results, "--output", output, "--who", "A | B", *more)
    return done.returncode, done.stderr.splitlines(), output


def test_what_is_whole_is_written_with_a_page(tmp_path: Path) -> None:
    results = write(tmp_path / "results", method="my-method")
    (results / "sweeps").mkdir()
    (results / "sweeps" / "a.toml").write_text('methods = "my-method"\ndata = "/home/somebody"\n')
    board = write(tmp_path / "board")
    code, refused, output = submitted(tmp_path, results, "--board", board)
    assert (code, refused) == (0, [])
    assert Store(output).records().equals(Store(results).records())
    assert [path.name for path in (output / "records" / "X").iterdir()] == ["my-method.jsonl.xz"]
    page = (output / "README.md").read_text()
    assert page.startswith("# Results of A \\| B\n")
    assert "Not in this version, so to be added with the results: `my-method`." in page
    assert "rerun --sample 3" in page
    assert 'methods = "my-method"' in page
    assert "somebody" not in page
    assert submitted(tmp_path, results)[0] == 2  # it is there already


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        (
            {"folds": 2},
            "os, strict, budget smoke, seed 0: expected 3 folds, found 2",
        ),
        ({"protocol": "strict+patient-folds-x2"}, "expected 6 folds, found 3"),
        ({"kind": "survivl"}, "survivl: expected a kind of task of protocol strict, found none"),
        ({"metric": "uno"}, "survival: expected one of its metrics, found 'uno'"),
        ({"version": 1}, f"survival: expected version {Survival.version}, found 1"),
        ({"data": "e" * 64}, "X: expected the data of "),
        ({"folds": 0}, "expected results, found none"),
    ],
)
def test_what_is_not_says_why(tmp_path: Path, how: dict[str, Any], reason: str) -> None:
    board = write(tmp_path / "board")
    results = write(tmp_path / "results", **how)
    code, (line,), output = submitted(tmp_path, results, "--board", board)
    assert code == 2
    assert line.startswith("refused: ")
    assert reason in line
    assert not output.exists()


def test_a_changed_digit_is_refused(tmp_path: Path) -> None:
    results = write(tmp_path / "results")
    path = next((results / "records").iterdir())
    path.write_text(path.read_text().replace("0.625", "0.725"))
    code, (line,), output = submitted(tmp_path, results, "--board", tmp_path / "none")
    assert code == 2
    assert "expected what its checksum was made of" in line
    assert not output.exists()
