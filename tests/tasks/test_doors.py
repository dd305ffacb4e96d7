"""`init`, `verify`, `import`, `audit` and `run` hold the same rules, whatever is wrong."""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from benchmark.engine.runner import Listener, RunOptions, resolve
from tasks.checks.data.cohort_facts import verify_cohort
from tasks.checks.finding import Severity
from tasks.checks.leaks.paths import audit_path
from tasks.checks.recognise.draft import draft
from tasks.checks.recognise.survey import survey
from tasks.data.manifest import read_manifest
from tasks.data.store.plan import plan_store
from tasks.data.store.precision import StoredPrecision
from tasks.errors import InputError
from tasks.seeds import generator
from tests.helpers.real import SHARED
from tests.tasks.test_identifiers import initialised, write

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIRROR_BENCH_CACHE", str(tmp_path / "cache"))


def slides(folder: Path) -> list[Path]:
    return sorted((folder / "feats").iterdir())


def nothing(_folder: Path) -> None:
    """An honest cohort."""


def encoders(folder: Path) -> None:
    for i, path in enumerate(slides(folder)):
        with h5py.File(path, "a") as file:
            file["features"].attrs["encoder"] = "uni" if i % 3 else "phikon"


def widths(folder: Path) -> None:
    with h5py.File(slides(folder)[7], "w") as file:
        file["features"] = np.ones((4, 9), "f4")


def pointer_slides(folder: Path) -> None:
    for path in slides(folder):
        path.write_text(POINTER)


def pointer_table(folder: Path) -> None:
    (folder / "rna.csv").write_text(POINTER)


def not_finite(folder: Path) -> None:
    with h5py.File(slides(folder)[3], "a") as file:
        file["features"][2, 1] = np.nan


def stranger(folder: Path) -> None:
    slides(folder)[0].rename(folder / "feats" / "slide-7.h5")


def changed(path: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], None]:
    def planted(folder: Path) -> None:
        change(pd.read_csv(folder / path)).to_csv(folder / path, index=False)

    return planted


def twice(table: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([table, table.iloc[:1].assign(days=7, dead=1)])


def quantities(table: pd.DataFrame) -> pd.DataFrame:
    ids = table["patient_id"]
    return pd.concat(
        [table.assign(patient_id="tpm_" + ids), table.assign(patient_id="fpkm_" + ids)]
    )


def days(table: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """As `write` deals them, after the features and the expression."""
    rng = generator("identifiers")
    rng.normal(size=(len(table), 5, 8)), rng.normal(size=(len(table), 60))
    return rng.integers(20, 2000, len(table))


FAULTS: dict[str, tuple[Callable[[Path], None], bool]] = {
    "honest": (nothing, False),
    "encoders": (encoders, True),
    "widths": (widths, True),
    "pointers for slides": (pointer_slides, True),
    "a pointer for a table": (pointer_table, True),
    "not finite": (not_finite, True),
    "a stranger": (stranger, True),
    "an outcome": (changed("rna.csv", lambda t: t.assign(futime=np.arange(len(t)) % 7)), True),
    "an index": (changed("rna.csv", lambda t: t.assign(G99=np.arange(len(t)))), True),
    "an index with gaps": (
        changed("rna.csv", lambda t: t.assign(G99=np.arange(len(t)) + np.arange(len(t)) // 9)),
        True,
    ),
    "a hospital's code": (changed("rna.csv", lambda t: t.assign(G99=np.arange(len(t)) % 4)), True),
    "a time in years": (changed("rna.csv", lambda t: t.assign(G99=days(t) / 365.25)), True),
    "a text": (changed("rna.csv", lambda t: t.assign(G99="x")), True),
    "quantities": (changed("rna.csv", quantities), True),
    "a contradiction": (changed("clinical.csv", twice), True),
    "an age of 300": (changed("clinical.csv", lambda t: t.assign(age=300)), False),
}


def says(folder: Path) -> dict[str, bool]:
    """Which doors refuse the cohort, or name a problem."""

    def refused(door: Callable[[], object]) -> bool:
        try:
            return bool(door())
        except InputError:
            return True

    def problem(findings: object) -> bool:
        return any(f.severity is Severity.PROBLEM for f in findings)  # type: ignore[attr-defined]

    options = RunOptions(data=folder, methods="mean-concat", tasks="survival")
    ids = read_manifest(folder).ids.reader()
    return {
        "run": refused(lambda: resolve(options, Listener()) and None),
        "verify": refused(lambda: problem(verify_cohort(folder, lambda *_: None).findings)),
        "audit": refused(lambda: problem(audit_path(folder).findings)),
        "import": refused(
            lambda: (
                plan_store(folder / "feats", StoredPrecision.FLOAT16, lambda *_: None, "MINE", ids)
                and None
            )
        ),
    }


@pytest.mark.parametrize("fault", FAULTS)
def test_the_doors_agree(tmp_path: Path, fault: str) -> None:
    plant, is_refused = FAULTS[fault]
    patients = [f"TCGA-A1-{i:04d}" for i in range(40)]
    folder = write(tmp_path / "MINE", patients, [f"{who}-01Z-00-DX1" for who in patients])
    initialised(folder)
    plant(folder)
    doors = says(folder)
    assert doors["run"] == doors["verify"] == doors["audit"] == is_refused
    assert doors["run"] or not doors["import"]  # it reads no table, and no features


@pytest.mark.parametrize("fault", sorted({*FAULTS} - {"not finite"}))  # it reads no features
def test_what_init_takes_is_run(tmp_path: Path, fault: str) -> None:
    patients = [f"TCGA-A1-{i:04d}" for i in range(40)]
    folder = write(tmp_path / "MINE", patients, [f"{who}-01Z-00-DX1" for who in patients])
    FAULTS[fault][0](folder)
    with suppress(InputError):
        found = survey(folder, lambda _: None)
        if found.wsi and found.rna and found.clinical and not found.clinical[0].problem:
            text = draft(found).replace('event_value = ""', 'event_value = "1"')
            (folder / "cohort.toml").write_text(text)
    if (folder / "cohort.toml").exists():
        options = RunOptions(data=folder, methods="mean-concat", tasks="survival")
        resolve(options, Listener())


CASES = sorted((SHARED / "cases").glob("[0-9]*")) if (SHARED / "cases").is_dir() else []


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(not CASES, reason="no cases (MIRROR_BENCH_SHARED)")
@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_case(case: Path) -> None:
    """Files as users have them, each with the door that it must leave right."""
    command = Path(sys.executable).with_name("mirror-bench")
    done = subprocess.run(
        ["bash", str(case / "run.sh")],
        env={**os.environ, "MB": str(command), "PY": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
