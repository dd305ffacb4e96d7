"""`data fetch` over real HTTP on loopback: what is right is built, what is wrong leaves nothing."""

import io
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rdata
from rich.console import Console

from benchmark.cli.fetch import fetch
from benchmark.cli.main import main
from tasks.data.cohort import VectorModality
from tasks.data.fetch import download
from tasks.data.fetch.catalogue import Catalogue
from tasks.data.fetch.source_tables import feature_name, read_expression, read_slides
from tasks.data.load import load_cohort
from tasks.errors import InputError
from tests.helpers.open_data import (
    EXPRESSION,
    FEATURES,
    GENES,
    NORMALISED,
    PATIENTS,
    SLIDES,
    Fault,
    Server,
    describe,
    serving,
    write_expression,
    write_sources,
)

ALL = {"aaa.hifs.csv", "aaa.zip", "bbb.USE.rds", "bbb.HOLDOUT.rds", "bbb.zip", "cdr.xlsx"}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    write_sources(folder)
    return folder


@pytest.fixture(scope="module")
def small(raw: Path) -> Catalogue:
    return describe(raw)


@pytest.fixture
def server(raw: Path) -> Iterator[Server]:
    with serving(raw) as server:
        yield server


@pytest.fixture(autouse=True)
def _one_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "RETRIES", 1)  # a second each


def run(catalogue: Catalogue, folder: Path, source: str) -> tuple[int, str]:
    """The exit code, and what is shown."""
    text = io.StringIO()
    code = fetch(catalogue, folder, source, Console(file=text, width=100), accepted=True)
    return code, text.getvalue()


def bytes_below(folder: Path) -> dict[str, bytes]:
    """Every file, what is hidden included, by its relative path."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def reference(small: Catalogue, raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fetched without trouble."""
    folder = tmp_path_factory.mktemp("reference") / "data"
    with serving(raw) as server:
        code, _ = run(small, folder, server.address)
    assert code == 0
    return folder


def test_the_cohorts_are_what_the_sources_say(reference: Path, raw: Path) -> None:
    first, second = (load_cohort(reference / f"TCGA-{name}") for name in ("AAA", "BBB"))
    for cohort, project in ((first, "AAA"), (second, "BBB")):
        wsi, rna = cohort.modalities["wsi"], cohort.modalities["rna"]
        assert isinstance(wsi, VectorModality)
        assert isinstance(rna, VectorModality)
        assert wsi.features == NORMALISED
        assert rna.features == GENES
        assert wsi.patients == PATIENTS[project]
        assert rna.patients == PATIENTS[project][1:]
        assert len(cohort.endpoints["os"].patients) == 11  # one is redacted
        assert (cohort.source, cohort.licence) == ("generated", "free")
        assert cohort.notes[0] == 'note: mind the "scales"'
    assert not first.labels
    assert sorted(second.labels) == ["histology", "hrd"]
    hrd = dict(second.labels["hrd"].values)
    assert [hrd[patient] for patient in PATIENTS["BBB"][7:10]] == ["high", "low", "high"]

    table = pd.read_csv(raw / SLIDES.name / SLIDES.commit / "data" / "aaa.hifs.csv")
    values = table.groupby("bcr_patient_barcode")[[f"{name}_FFPE" for name in FEATURES]].mean()
    wsi = first.modalities["wsi"]
    assert isinstance(wsi, VectorModality)
    np.testing.assert_allclose(wsi.values, values.to_numpy(), rtol=1e-5)  # six digits are written


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("stain", ["HE", "FFPE"])
def test_a_feature_has_one_name_in_every_table(name: str, stain: str) -> None:
    expected = NORMALISED[FEATURES.index(name)]
    assert feature_name(f"{name}_{stain}") == expected
    assert feature_name(f"{name.lower()}_{stain}".replace(" ", "..").replace("[", ".")) == expected


def test_a_second_run_asks_for_nothing_and_changes_nothing(
    small: Catalogue, reference: Path, server: Server
) -> None:
    before = bytes_below(reference)
    code, text = run(small, reference, server.address)
    assert code == 0
    assert server.asked == []
    assert "TCGA-AAA: there already" in text
    assert bytes_below(reference) == before


def test_without_acceptance_the_licences_are_shown_and_nothing_is_asked_for(
    tmp_path: Path,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["data", "fetch", "tcga-hif", str(tmp_path / "data"), "--source", server.address]
    monkeypatch.setattr(sys, "argv", ["mirror-bench", *words])
    with pytest.raises(SystemExit, match="2"):
        main()
    shown = capsys.readouterr()
    for word in ("CC BY-NC-SA 4.0", "GPL-3.0", "BSD 3-Clause", "Path-AI/hif2gene"):
        assert word in shown.out
    (line,) = shown.err.strip().splitlines()
    assert line.startswith("error: --accept-licence: expected")
    assert server.asked == []
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (["--source", "ftp://somewhere"], "--source: expected an address http(s)://"),
        (["hif"], "data fetch: expected tcga-hif, found 'hif'"),
        (["/dev/null/data"], "/dev/null/data: expected a place that can be written"),
    ],
)
def test_bad_words_are_one_clear_line_and_exit_2(
    change: list[str],
    found: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = change[0] if change == ["hif"] else "tcga-hif"
    place = change[0] if change[0].startswith("/dev") else str(tmp_path / "data")
    more = change if change[0] == "--source" else []
    words = ["data", "fetch", name, place, "--accept-licence", *more]
    monkeypatch.setattr(sys, "argv", ["mirror-bench", *words])
    with pytest.raises(SystemExit, match="2"):
        main()
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert found in line
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        (Fault.TAMPERED, "bytes of SHA-256"),
        (Fault.TRUNCATED, "bytes of SHA-256"),
        (Fault.ENDLESS, "found more"),
        (Fault.BROKEN_OFF, "the transfer failed 2 times"),
        (Fault.BUSY, "the transfer failed 2 times (HTTP 503)"),
    ],
)
def test_a_wrong_file_is_refused_and_the_other_cohort_is_built(
    small: Catalogue, reference: Path, server: Server, tmp_path: Path, fault: Fault, found: str
) -> None:
    server.faults["bbb.USE.rds"] = fault
    folder = tmp_path / "data"
    code, text = run(small, folder, server.address)
    assert code == 1
    (line,) = [line for line in text.splitlines() if "data/bbb.USE.rds:" in line]
    assert found in line
    if fault in (Fault.TAMPERED, Fault.TRUNCATED):
        assert small.recipes[1].slides[0].sha256 in line
        assert server.asked.count("bbb.USE.rds") == 1
    assert "TCGA-BBB: not built, without bbb.USE.rds" in text
    expected = bytes_below(reference)
    assert bytes_below(folder) == {
        path: content
        for path, content in expected.items()
        if not path.startswith("TCGA-BBB/") and not path.endswith("bbb.USE.rds")
    }

    server.faults.clear()
    server.asked.clear()
    code, _ = run(small, folder, server.address)
    assert code == 0
    assert server.asked == ["bbb.USE.rds"]
    assert bytes_below(folder) == expected


def test_an_absent_file_costs_only_its_cohort(
    small: Catalogue, raw: Path, tmp_path: Path, server: Server
) -> None:
    hidden = raw / EXPRESSION.name / EXPRESSION.commit / "aaa.zip"
    aside = hidden.rename(tmp_path / "aside")
    try:
        code, text = run(small, tmp_path / "data", server.address)
    finally:
        aside.rename(hidden)
    assert code == 1
    assert "aaa.zip: not at the source (HTTP 404)" in text
    assert "TCGA-AAA: not built, without aaa.zip" in text
    assert "TCGA-BBB: 11 patients with both sides" in text
    assert not (tmp_path / "data" / "TCGA-AAA").exists()


def test_a_file_spoilt_on_disk_is_fetched_again(
    small: Catalogue, reference: Path, server: Server, tmp_path: Path
) -> None:
    spoilt = tmp_path / "data" / "sources" / small.recipes[0].expression.key
    spoilt.parent.mkdir(parents=True)
    spoilt.write_bytes(b"not this")
    assert run(small, tmp_path / "data", server.address)[0] == 0
    assert bytes_below(tmp_path / "data") == bytes_below(reference)


def test_a_server_that_is_not_there_is_tried_for_one_file_alone(
    small: Catalogue, tmp_path: Path
) -> None:
    code, text = run(small, tmp_path / "data", "http://127.0.0.1:9")
    assert code == 1
    assert text.count("no connection to http://127.0.0.1:9") == len(ALL)
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == []


def test_the_sources_folder_is_enough_without_a_network(
    small: Catalogue, reference: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "sources").symlink_to(reference / "sources")
    assert run(small, folder, "http://127.0.0.1:9")[0] == 0


PROGRAM = """
import sys
from pathlib import Path
from rich.console import Console
from benchmark.cli.fetch import fetch
from tasks.errors import InputError
from tests.helpers.open_data import describe
raw, folder, source = sys.argv[1:]
try:
    sys.exit(fetch(describe(Path(raw)), Path(folder), source, Console(), accepted=True))
except InputError as error:
    sys.exit(f"error: {error}")
"""


def test_a_killed_fetch_goes_on_and_a_second_one_is_kept_out(
    small: Catalogue, raw: Path, reference: Path, server: Server, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    server.faults["bbb.zip"] = Fault.HELD
    arguments = [sys.executable, "-c", PROGRAM, str(raw), str(folder), server.address]
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL) as first:
        server.holding.wait()
        with pytest.raises(InputError, match="expected no other fetch at work"):
            run(small, folder, server.address)
        first.kill()
    assert list(folder.glob(".fetch-*"))
    server.released.set()
    server.faults.clear()
    before = set(server.asked)
    server.asked.clear()
    assert run(small, folder, server.address)[0] == 0
    assert before - {"bbb.zip"}
    assert set(server.asked) == ALL - (before - {"bbb.zip"})
    assert bytes_below(folder) == bytes_below(reference)


def test_a_disk_that_takes_no_more_is_one_clear_line(
    raw: Path, server: Server, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(raw), str(folder), server.address],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
    )
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith(f"error: {folder}: expected a place that can be written, found: File")
    assert bytes_below(folder) == {}


@pytest.mark.parametrize("member", ["../out.csv", "/etc/out.csv", "a/../../out.csv", "..\\out.csv"])
def test_a_zip_that_climbs_out_is_refused(member: str, tmp_path: Path) -> None:
    write_expression(tmp_path / "bad.zip", "AAA", member)
    with pytest.raises(InputError, match=r"bad\.zip: expected names inside the zip, found"):
        read_expression(tmp_path / "bad.zip")


def test_an_r_file_of_something_else_is_refused(tmp_path: Path) -> None:
    rdata.write_rds(tmp_path / "bad.rds", [1, 2, 3])
    with pytest.raises(InputError, match=r"bad\.rds: expected a table, found: list"):
        read_slides([tmp_path / "bad.rds"])
    (tmp_path / "bad.rds").write_bytes(b"RDX3 but not really")
    with pytest.raises(InputError, match=r"bad\.rds: expected a table, found: "):
        read_slides([tmp_path / "bad.rds"])


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06" + bytes(18)])
def test_a_broken_zip_is_one_clear_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "bad.zip").write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.zip: expected a zip of"):
        read_expression(tmp_path / "bad.zip")
