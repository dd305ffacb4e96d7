"""`data fetch tcga-hif` from the publishers' own files, served on loopback."""

import gzip
import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tasks.data.cohort import VectorModality
from tasks.data.fetch.build import SEAL
from tasks.data.fetch.tcga_hif import TCGA_HIF
from tasks.data.load import load_cohort
from tests.helpers.open_data import Fault, Server, serving
from tests.helpers.real import raw_files, real_cohort

pytestmark = pytest.mark.real

PROGRAM = Path(sys.executable).with_name("mirror-bench")
BUILT = ("TCGA-BRCA", "TCGA-LUAD", "TCGA-STAD")
"""Cohorts whose sources are among the shared files; those of LUSC and SKCM are not."""


def data_fetch(folder: Path, server: Server) -> subprocess.CompletedProcess[str]:
    words = ["data", "fetch", "tcga-hif", str(folder), "--accept-licence"]
    return subprocess.run(
        [PROGRAM, *words, "--source", server.address], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cohorts, built after a first try in which two files were wrong."""
    folder = tmp_path_factory.mktemp("fetched") / "data"
    with serving(raw_files()) as server:
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


# Of the files as the first version of `data fetch` wrote them (unpacked: gzip's bytes are zlib's).
FIRST = """
TCGA-BRCA/clinical_porpoise.csv bddbe808f01f95026a2a1f77e39b17369571ef1bc72e67bc6b4b29bc665d74a9
TCGA-BRCA/cohort.toml 7fd93fafcfbbe8c52080d072f736a8bd2f0b6f264fdf50eaab3488effbd55202
TCGA-BRCA/hrd.csv fb79d5989b84b5424979881d0bbc4a7e56e491bfd0028ce8f1d87ba82e840f0c
TCGA-BRCA/rna_zscores.csv.gz 197d7d4342b545933c3a8094287701094398e8847e2073307110539622a70acd
TCGA-BRCA/slide_features_hif.csv.gz 991549e36fe6b44c18ecd423d2889ce872a8f53f2c70e7c1d65b2c0c4ee69f77
TCGA-BRCA/tcga_cdr.csv.gz b2961a90334da9eacb7bf1a5bcf314e385a255bdb5326a160bae4294c99f3e45
TCGA-LUAD/clinical_porpoise.csv 0ada455f8e7399fa4cc280fe9a0382865c45699811518c20420534a91d858348
TCGA-LUAD/cohort.toml 1562eab19d3b81868a9589ba7eee51d7420214c548b112750aade678a3f4b307
TCGA-LUAD/rna_zscores.csv.gz 81194e73b265aeb24e5ad566b49c9e188528f5ccd5476b460184517413816396
TCGA-LUAD/slide_features_hif.csv.gz 65c01b573fc55076750526517f0464e1360008f0e9d0cf1f1ff02632ee9dcdeb
TCGA-LUAD/tcga_cdr.csv.gz 8dfbb5c28bebdfe9d27a59692c3ef80dc9c9cdf0c95bfbadec78a5b952f4f8eb
TCGA-STAD/clinical_porpoise.csv 35c92e8f1ce6b2b8edf4183762ac8633a83189e53b6f79db0184e88ce4f52555
TCGA-STAD/cohort.toml 6bba9757aa208a73b984af712aa484e17a0c4f14eb071a03ae401bebe9d33c49
TCGA-STAD/rna_zscores.csv.gz 91446c508233244b8c7fccf8fcf4840de2b715b3e5c535b860769cbe2351ecb9
TCGA-STAD/slide_features_hif.csv.gz cbd4bfa13a675d12eae47c25d90008386bfc987bf5febf8150ed5e506bf2c9be
TCGA-STAD/tcga_cdr.csv.gz a0ec00f0e400467531087ee81d9332175c7d4221839de7889a3b181d55fea9f7
"""


def test_the_files_are_byte_for_byte_those_of_the_committed_results(fetched: Path) -> None:
    found = {}
    for path in fetched.glob("TCGA-*/*"):
        if path.name != SEAL:
            content = path.read_bytes()
            content = gzip.decompress(content) if path.suffix == ".gz" else content
            found[f"{path.parent.name}/{path.name}"] = hashlib.sha256(content).hexdigest()
    words = FIRST.split()
    assert found == dict(zip(words[::2], words[1::2], strict=True))


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
