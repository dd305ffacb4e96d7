"""`data fetch tcga-hif` from the publishers' own files, served on loopback."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tasks.data.cohort import VectorModality
from tasks.data.fetch.tcga_hif import TCGA_HIF
from tasks.data.load import load_cohort
from tests.helpers.open_data import Fault, Server, serving
from tests.helpers.real import SHARED, real_cohort

pytestmark = pytest.mark.real

PROGRAM = Path(sys.executable).with_name("mirror-bench")
BUILT = ("TCGA-BRCA", "TCGA-LUAD", "TCGA-STAD")
"""Cohorts whose sources are among the shared files; those of LUSC and SKCM are not."""


def raw() -> Path:
    """The publishers' files, as they serve them."""
    folder = SHARED / "data" / "raw"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    return folder


def data_fetch(folder: Path, server: Server) -> subprocess.CompletedProcess[str]:
    words = ["data", "fetch", "tcga-hif", str(folder), "--accept-licence"]
    return subprocess.run(
        [PROGRAM, *words, "--source", server.address], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cohorts, built after a first try in which two files were wrong."""
    folder = tmp_path_factory.mktemp("fetched") / "data"
    with serving(raw()) as server:
        server.faults = {
            "luad.hifs.csv": Fault.TRUNCATED,
            "tcga_stad_all_clean.csv.zip": Fault.TAMPERED,
        }
        first = data_fetch(folder, server)
        assert first.returncode == 1
        assert "Traceback" not in first.stderr
        for name in ("luad.hifs.csv", "tcga_stad_all_clean.csv.zip"):
            (file,) = (f for r in TCGA_HIF.recipes for f in r.files if f.name == name)
            (line,) = [line for line in first.stdout.splitlines() if line.startswith(file.key)]
            assert f"expected {file.size} bytes of SHA-256 {file.sha256}, found" in line
            assert not (folder / "sources" / file.key).exists()
        assert "TCGA-BRCA: 884 patients with both sides, 118 deaths" in first.stdout
        assert sorted(path.name for path in folder.iterdir()) == ["TCGA-BRCA", "sources"]

        server.faults = {}
        server.asked.clear()
        second = data_fetch(folder, server)
    assert second.returncode == 1
    assert "TCGA-BRCA: there already" in second.stdout
    assert "TCGA-LUAD: 422 patients with both sides, 148 deaths" in second.stdout
    assert "TCGA-STAD: 333 patients with both sides, 131 deaths" in second.stdout
    for name in ("lusc", "skcm"):
        absent = f"without {name}.hifs.csv, tcga_{name}_all_clean.csv.zip"
        assert f"TCGA-{name.upper()}: not built, {absent}" in second.stdout
    assert {"luad.hifs.csv", "tcga_stad_all_clean.csv.zip"} <= set(server.asked)
    assert "tcga_luad_all_clean.csv.zip" not in server.asked
    assert sorted(path.name for path in folder.iterdir()) == [*BUILT, "sources"]
    return folder


@pytest.mark.parametrize("name", BUILT)
def test_a_fetched_cohort_is_the_one_of_the_committed_results(name: str, fetched: Path) -> None:
    ours, theirs = load_cohort(fetched / name), real_cohort(name)
    assert ours.patients == theirs.patients
    for side, expected in theirs.modalities.items():
        found = ours.modalities[side]
        assert isinstance(found, VectorModality)
        assert isinstance(expected, VectorModality)
        assert found.features == expected.features
        assert found.patients == expected.patients
        # to the last bit: both are written with the same digits
        np.testing.assert_array_equal(found.values, expected.values)
    assert sorted(ours.endpoints) == sorted(theirs.endpoints) == ["dfi", "dss", "os", "pfi"]
    for endpoint, outcome in theirs.endpoints.items():
        assert ours.endpoints[endpoint].patients == outcome.patients
        np.testing.assert_array_equal(ours.endpoints[endpoint].time, outcome.time)
        np.testing.assert_array_equal(ours.endpoints[endpoint].event, outcome.event)
    assert ours.clinical is not None
    assert theirs.clinical is not None
    np.testing.assert_array_equal(ours.clinical.values, theirs.clinical.values)
    assert (ours.source, ours.licence) == (theirs.source, theirs.licence)
    # the molecular labels are in none of the sources
    for label in set(ours.labels) & set(theirs.labels):
        assert ours.labels[label].values == theirs.labels[label].values
        assert ours.labels[label].classes == theirs.labels[label].classes
    expected_labels = {"TCGA-BRCA": {"histology", "hrd"}, "TCGA-STAD": {"histology"}}
    assert set(ours.labels) == expected_labels.get(name, set())


def test_the_columns_are_the_same_in_every_cohort(fetched: Path) -> None:
    sides = [load_cohort(fetched / name).modalities["wsi"] for name in BUILT]
    features = {side.features for side in sides if isinstance(side, VectorModality)}
    assert len(features) == 1
    assert len(features.pop()) == 607
