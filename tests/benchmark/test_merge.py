"""Results of several machines: joined without conflict; contradictions are shown."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from benchmark.cli import main as cli
from benchmark.records.merge import merge
from benchmark.records.schema import Predictions, Record, TrialRecord
from benchmark.records.segments import read_predictions, read_records, write_segment
from benchmark.records.store import Store
from tasks.errors import InputError
from tests.helpers.frames import fake, lose, records, rendered
from tests.helpers.stores import write_store

QUIET = Console(quiet=True)
FOLDS = [0.60, 0.62, 0.58, 0.64, 0.61]


def board(folder: Path) -> str:
    store = Store(folder)
    return rendered(store.records(), store.predictions())


def halves(frame: pd.DataFrame, tmp_path: Path) -> tuple[Path, Path]:
    """The trials of a frame over two folders, a third of them in both."""
    trials = sorted(frame["trial"].unique())
    third = len(trials) // 3
    first, second = set(trials[: 2 * third]), set(trials[third:])
    write_store(tmp_path / "a", frame[frame["trial"].isin(first)], segments=2)
    write_store(tmp_path / "b", frame[frame["trial"].isin(second)], backwards=True)
    return tmp_path / "a", tmp_path / "b"


def test_merged_and_shuffled_the_leaderboard_has_the_same_bytes(tmp_path: Path) -> None:
    frame = fake()
    write_store(tmp_path / "whole", frame)
    a, b = halves(frame, tmp_path)
    expected = board(tmp_path / "whole")
    for name, order in (("ab", [a, b]), ("ba", [b, a])):
        assert merge(order, tmp_path / name, QUIET) == 0
        assert board(tmp_path / name) == expected
    lines = list(read_records(tmp_path / "ab"))
    assert len(lines) == frame["trial"].nunique()
    contents = [
        {path.relative_to(folder): path.read_bytes() for path in files(folder)}
        for folder in (tmp_path / "ab", tmp_path / "ba")
    ]
    assert contents[0] == contents[1]
    # Read in whichever order, as the segments of a run.
    rng = np.random.default_rng(0)
    shuffled = tmp_path / "shuffled"
    parts = list(read_predictions(tmp_path / "ab"))
    for kind, of_kind in (("records", lines), ("predictions", parts)):
        (shuffled / kind).mkdir(parents=True)
        rows = [of_kind[i] for i in rng.permutation(len(of_kind))]
        write_segment(shuffled / kind / "0.jsonl.gz", map(plain, rows))
    assert board(shuffled) == expected


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def plain(line: Record) -> Record:
    """Predictions that were read of columns, as lines have them."""
    if not isinstance(line, Predictions):
        return line
    columns = {name: np.asarray(values).tolist() for name, values in line.columns.items()}
    return line.model_copy(update={"columns": columns})


def test_a_method_that_ran_again_changes_its_own_files_alone(tmp_path: Path) -> None:
    frame = fake()
    write_store(tmp_path / "a", frame)
    other = frame.copy()
    again = (other["method"] == "pca") & (other["cohort"] == "TCGA-BRCA")
    other.loc[again, "value"] += 0.01
    other.loc[again, "trial"] += "/again"
    later = "2026-02-02T00:00:00.000+00:00"
    write_store(tmp_path / "b", other[again], finished=later, code="d" * 16)
    merge([tmp_path / "a"], tmp_path / "before", QUIET)
    merge([tmp_path / "before", tmp_path / "b"], tmp_path / "after", QUIET)
    names = [file.relative_to(tmp_path / "before") for file in files(tmp_path / "before")]
    assert names == [file.relative_to(tmp_path / "after") for file in files(tmp_path / "after")]
    changed = {
        str(name)
        for name in names
        if (tmp_path / "before" / name).read_bytes() != (tmp_path / "after" / name).read_bytes()
    }
    assert changed == {
        "records/TCGA-BRCA/pca.jsonl.xz", "predictions/TCGA-BRCA/pca.parquet"
    }  # fmt: skip


def test_an_outcome_is_kept_once_a_cohort(tmp_path: Path) -> None:
    write_store(tmp_path / "a", fake())
    merge([tmp_path / "a"], tmp_path / "b", QUIET)
    place = tmp_path / "b" / "predictions" / "TCGA-LUAD"
    tested = pq.read_table(place / "_tested.parquet")
    assert tested.num_rows == 5  # folds, whatever the methods and seeds
    assert "column event" in tested.column_names
    of_method = pq.read_table(place / "mirror.parquet")
    assert of_method.num_rows == 15
    assert "column patient" not in of_method.column_names
    assert of_method.schema.field("column risk").type == pa.list_(pa.float32())


def test_merging_again_changes_nothing(tmp_path: Path) -> None:
    a, b = halves(records({"mirror": [FOLDS], "pca": [FOLDS]}), tmp_path)
    merge([a, b], tmp_path / "c", QUIET)
    merge([tmp_path / "c", b], tmp_path / "d", QUIET)
    assert Store(tmp_path / "c").attempted().keys() == Store(tmp_path / "d").attempted().keys()
    assert board(tmp_path / "c") == board(tmp_path / "d")


def test_contradictions_are_shown_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = records({"mirror": [FOLDS]})
    other = frame.copy()
    other.loc[2, "value"] = FOLDS[2] + 1e-12
    write_store(tmp_path / "a", frame)
    write_store(tmp_path / "b", other)
    assert merge([tmp_path / "a", tmp_path / "b"], tmp_path / "c", Console(width=200)) == 1
    rendered = capsys.readouterr().out
    assert "0.58" in rendered
    assert repr(0.58 + 1e-12) in rendered
    assert "1 scores contradict each other" in rendered
    assert not (tmp_path / "c").exists()


def test_a_success_stands_over_a_failure_of_another_machine(tmp_path: Path) -> None:
    frame = records({"mirror": [FOLDS]})
    lost = frame.copy()
    lose(lost, lost["fold"] == 1, "failed", "killed")
    write_store(tmp_path / "whole", frame)
    write_store(tmp_path / "a", lost, finished="2026-02-02T00:00:00.000+00:00")
    write_store(tmp_path / "b", frame)
    merge([tmp_path / "a", tmp_path / "b"], tmp_path / "c", QUIET)
    table = Store(tmp_path / "c").records()
    assert table["value"].tolist() == FOLDS
    assert len(Store(tmp_path / "c").predictions()) == len(Store(tmp_path / "whole").predictions())


def test_a_task_that_failed_later_hides_no_success_of_its_trial(tmp_path: Path) -> None:
    risk = records({"mirror": [FOLDS]})
    subtype = records({"mirror": [FOLDS]}, task="subtyping/PLANTED/pam50", metric="auroc_macro")
    frame = pd.concat([risk, subtype], ignore_index=True)
    lost = frame.copy()
    lose(lost, lost["task"] == "subtyping/PLANTED/pam50", "failed", "killed")
    write_store(tmp_path / "a", frame)
    write_store(tmp_path / "b", lost, finished="2026-02-02T00:00:00.000+00:00")
    other = frame.copy()
    lose(other, other["task"] == "survival/PLANTED/os", "failed", "killed")
    write_store(tmp_path / "c", other, finished="2026-03-03T00:00:00.000+00:00")
    for order in ("ab", "ba", "bc", "cb"):  # in b and c another task of the trial failed each
        merge([tmp_path / name for name in order], tmp_path / order, QUIET)
        assert Store(tmp_path / order).records()["value"].notna().all()


def test_a_folder_that_grows_meanwhile_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = records({"mirror": [FOLDS], "pca": [FOLDS]})
    write_store(tmp_path / "a", frame)
    before = sorted(line.trial for line in read_records(tmp_path / "a"))
    grown = tmp_path / "a" / "records" / "000.jsonl.gz"

    def read(folder: Path) -> Iterator[TrialRecord]:
        yield from read_records(folder)
        if not grown.exists():  # a running sweep's segment may sort before what was read
            lines = list(read_records(tmp_path / "a"))
            more = [line.model_copy(update={"trial": line.trial + "x"}) for line in lines]
            write_segment(grown, more)

    monkeypatch.setattr("benchmark.records.merge.read_records", read)
    merge([tmp_path / "a"], tmp_path / "c", QUIET)
    assert sorted(line.trial for line in read_records(tmp_path / "c")) == before


@pytest.mark.parametrize("case", ["missing", "twice", "full"])
def test_what_cannot_be_merged_is_one_line(tmp_path: Path, case: str) -> None:
    write_store(tmp_path / "a", records({"mirror": [FOLDS]}))
    a, c = tmp_path / "a", tmp_path / "c"
    folders = {"missing": [a, tmp_path / "none"], "twice": [a, a], "full": [a]}[case]
    with pytest.raises(InputError, match="expected"):
        merge(folders, a if case == "full" else c, QUIET)
    assert not c.exists()


def test_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ran(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["mirror-bench", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return int(end.value.code or 0), capsys.readouterr().out

    a, b = halves(records({"mirror": [FOLDS], "pca": [FOLDS]}), tmp_path)
    c = str(tmp_path / "c")
    code, text = ran("results", "merge", str(a), str(b), "--output", c)
    assert (code, "10 trials of 2 folders" in " ".join(text.split())) == (0, True)
    code, text = ran("results", "--results", c, "--format", "csv")
    assert code == 0
    assert len(text.splitlines()) == 11
    assert len(list(read_records(tmp_path / "c"))) == 10
    assert ran("results", "--results", c, "--format", "json")[0] == 2
