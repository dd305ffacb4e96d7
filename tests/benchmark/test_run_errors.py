"""What `mirror-bench run` refuses: one clear line, exit code 2, nothing written."""

import re
import shutil
import sys
import tomllib
from pathlib import Path

import pytest

from benchmark.cli.main import main
from tests.helpers.planted import planted_folder
from tests.helpers.sweeps import command, inside


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (["--methods", "miror"], "mirror"),
        (["--tasks", "survivl"], "survival"),
        (["--data", "/nonexistent/folder"], "/nonexistent/folder"),
        (["--results", "/dev/null/results"], "/dev/null"),
        (["--seeds", "0,x"], "--seeds"),
        (["--cohorts", "NOBODY"], "NOBODY"),
        (["--readout", "untrained", "--tune", "2"], "--readout untrained"),
        (["--set", "pcaa.components=3"], "(did you mean pca"),
        (["--set", "pca.component=3"], "(did you mean components"),
        (["--tasks", "survivl", "--data", "/nonexistent"], "did you mean survival"),
        (["--tasks", "survivl/PLANTED-VECTORS/os"], "did you mean survival/PLANTED-VECTORS/os"),
        (["--tasks", "survival/PLANTED-VECTOR/os"], "(did you mean PLANTED-VECTORS"),
        (["--cohorts", "PLANTED-VECTOR"], "(did you mean PLANTED-VECTORS"),
        (["--config", "nowhere.toml"], "nowhere.toml: expected a file"),
    ],
)
def test_bad_words_are_one_clear_line_and_exit_2(
    tmp_path: Path, change: list[str], found: str
) -> None:
    done = inside(*command(tmp_path / "results"), *change)
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: ")
    assert found in line
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("tasks", ["survival/TCGA-LUAD/os", "survival/TCGA-LUAD->PLANTED-BAGS/os"])
def test_the_task_of_another_cohort_asks_for_data(tmp_path: Path, tasks: str) -> None:
    words = ("--methods", "pca", "--tasks", tasks, "--results", tmp_path / "results")
    done = inside("run", *words)
    assert done.returncode == 2
    assert "unknown cohort 'TCGA-LUAD'" in done.stderr
    assert "--data DIR says where other cohorts are" in done.stderr


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (["--folds", "1"], "--folds"),
        (["--folds", "5000"], "--folds must lie between 2 and the number of patients"),
        (["--device", "gpu"], "--device: expected one of auto, cpu"),
        (["--fold", "3"], "--folds"),
    ],
)
def test_bad_options_are_refused_before_anything_is_written(
    tmp_path: Path,
    change: list[str],
    found: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [*command(tmp_path / "results", methods="pca"), *change]
    monkeypatch.setattr(sys, "argv", ["mirror-bench", *words])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: ")
    assert found in line
    assert not (tmp_path / "results").exists()


def test_bad_files_are_one_clear_line_and_exit_2(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(planted_folder(bags=False), broken)
    manifest = broken / "cohort.toml"
    text = manifest.read_text()
    tomllib.loads(text)
    manifest.write_text(text.replace("[clinical]", "[clinicl]"))
    done = inside(*command(tmp_path / "results", data=broken))
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert "cohort.toml" in line
    assert "clinical" in line


@pytest.mark.parametrize(
    ("file", "pattern", "replacement", "found"),
    [
        (
            "cohort.toml",
            r"\[modalities\.rna\][^\[]*",
            "",
            "cohort.toml: expected [modalities.rna] beside [modalities.wsi]",
        ),
        (
            "slide_features.csv",
            "TCGA-Q",
            "TCGA-Z",
            "expected patients with wsi and rna, found none among",
        ),
    ],
)
def test_a_cohort_without_pairs_is_refused(
    tmp_path: Path,
    file: str,
    pattern: str,
    replacement: str,
    found: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cohort = tmp_path / "cohort"
    shutil.copytree(planted_folder(bags=False), cohort)
    changed = re.sub(pattern, replacement, (cohort / file).read_text())
    (cohort / file).write_text(changed)
    # a renamed patient has no row of truth
    manifest = cohort / "cohort.toml"
    manifest.write_text(re.sub(r"\[truth\][^\[]*", "", manifest.read_text()))
    words = command(tmp_path / "results", methods="pca", data=cohort)
    monkeypatch.setattr(sys, "argv", ["mirror-bench", *words])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert found in capsys.readouterr().err
    assert not (tmp_path / "results").exists()
