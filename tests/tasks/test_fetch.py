"""`data fetch` over real HTTP on loopback: what is right is built, what is wrong leaves nothing."""

import io
import resource
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from email.utils import formatdate
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rdata
from rich.console import Console

from benchmark.cli.fetch import fetch, source_of
from benchmark.cli.main import main
from tasks.data.cohort import BagModality, VectorModality
from tasks.data.fetch import download
from tasks.data.fetch.build import SEAL
from tasks.data.fetch.catalogue import Catalogue
from tasks.data.fetch.source_tables import feature_name, read_expression, read_slides
from tasks.data.load import load_cohort
from tasks.errors import InputError
from tests.helpers.open_data import (
    BAGS,
    EXPRESSION,
    FEATURES,
    GENES,
    NORMALISED,
    PATIENTS,
    SLIDES,
    Fault,
    Server,
    bag,
    describe,
    serving,
    write_expression,
    write_sources,
)

ALL = {
    *("aaa.hifs.csv", "aaa.zip", "bbb.USE.rds", "bbb.HOLDOUT.rds", "bbb.zip", "cdr.xlsx"),
    *("ccc.zip", "sets.csv", "mutations1.txt", "mutations2.txt", *BAGS),
}


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


def run(
    catalogue: Catalogue,
    folder: Path,
    source: str | None,
    from_folder: Path | None = None,
    cohorts: Sequence[str] = (),
) -> tuple[int, str]:
    """The exit code, and what is shown."""
    text = io.StringIO()
    console = Console(file=text, width=100)
    where = source_of(source, from_folder)
    code = fetch(catalogue, folder, where, console, accepted=True, cohorts=cohorts)
    return code, text.getvalue()


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition; pytest's time limit ends a wait in vain."""
    while not condition():
        time.sleep(0.01)


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


def test_a_cohort_of_bags_is_what_the_sources_say(reference: Path, raw: Path) -> None:
    folder = reference / "TCGA-CCC"
    assert not (reference / ".slides").exists()
    cohort = load_cohort(folder)
    wsi = cohort.modalities["wsi"]
    assert isinstance(wsi, BagModality)
    slides = {patient: [slide.name for slide in own] for patient, own in wsi.slides.items()}
    zero, one, ten = (PATIENTS["CCC"][i] for i in (0, 1, 10))
    assert slides[zero] == [f"{zero}-01Z-00-DX1.0000", f"{zero}-01Z-00-DX2.0100"]
    assert slides[one] == [f"{one}-01Z-00-DX1.0001"]
    assert slides[ten] == [f"{ten}-06Z-00-DX1.0102"]
    assert sorted(slides) == list(PATIENTS["CCC"][:11])
    for own in wsi.slides.values():
        for slide in own:
            np.testing.assert_array_equal(slide.read(), bag(f"{slide.name}.pt").numpy())

    rna = cohort.modalities["rna"]
    assert isinstance(rna, VectorModality)
    with zipfile.ZipFile(raw / EXPRESSION.name / EXPRESSION.commit / "ccc.zip") as archive:
        table = pd.read_csv(archive.open("./all_clean.csv.zip")).drop_duplicates("case_id")
    published = table[[f"{gene}_rnaseq" for gene in GENES]].to_numpy(np.float32)
    np.testing.assert_array_equal(rna.values, published)

    # counted by hand in tests/helpers/open_data.py; nobody has KRAS mutated who has both sides
    assert sorted(cohort.labels) == ["TP53", "grade", "histology"]
    tp53 = dict(cohort.labels["TP53"].values)
    assert tp53[zero] == "wild-type"  # the primary tumour; its metastasis is mutated
    assert tp53[one] == "mutated"
    assert PATIENTS["CCC"][9] not in tp53  # not sequenced
    assert tp53[ten] == "mutated"  # a metastasis alone
    assert {name: label.kind for name, label in cohort.labels.items()} == {
        "TP53": "mutation",
        "grade": "class",
        "histology": "class",
    }
    derived_from = {name: label.derived_from for name, label in cohort.labels.items()}
    assert derived_from == {"TP53": None, "grade": "clinical", "histology": None}
    assert {label.called_from for label in cohort.labels.values()} == {"DNA", "slides"}
    assert (cohort.encoder, cohort.pretrained_on) == ("an encoder", ("TCGA",))
    assert cohort.labels["histology"].classes == ("ductal", "lobular")  # nobody is of the third
    histology, grade = (dict(cohort.labels[name].values) for name in ("histology", "grade"))
    assert [histology[patient] for patient in PATIENTS["CCC"][1:3]] == ["ductal", "lobular"]
    assert [grade[patient] for patient in PATIENTS["CCC"][:4]] == ["low", "low", "high", "high"]


def test_the_members_of_a_union_make_one(reference: Path) -> None:
    union = load_cohort(reference / "AB")
    assert union.members == ("TCGA-AAA", "TCGA-BBB")
    assert set(dict(union.labels["project"].values).values()) == set(union.members)


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
    packed = reference / ".slides" / small.recipes[2].files[0].key  # of a fetch killed late
    packed.parent.mkdir(parents=True)
    packed.touch()
    code, text = run(small, reference, server.address)
    assert code == 0
    assert server.asked == []
    for name in ("AAA", "BBB", "CCC"):
        assert f"TCGA-{name}: there already, every file as it was built" in text
    assert bytes_below(reference) == before


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("wsi.h5", "bit"),
        ("labels.csv", "gone"),
        ("cohort.toml", "gone"),
        (SEAL, "bit"),
        (SEAL, "gone"),
    ],
)
def test_a_second_run_names_what_is_not_as_it_was_built(
    small: Catalogue, reference: Path, server: Server, tmp_path: Path, name: str, change: str
) -> None:
    shutil.copytree(reference, tmp_path / "data")
    file = tmp_path / "data" / "TCGA-CCC" / name
    content = file.read_bytes()
    file.unlink()
    if change == "bit":
        middle = len(content) // 2
        file.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    code, text = run(small, tmp_path / "data", server.address)
    unknown = name == SEAL and change == "gone"  # as of a cohort that was not fetched
    assert code == (0 if unknown else 1)
    expected = f"without {SEAL} it cannot be checked" if unknown else f"{name} not as built"
    assert expected in text
    assert server.asked == []


def test_an_edited_manifest_is_the_users_own(
    small: Catalogue, reference: Path, server: Server, tmp_path: Path
) -> None:
    shutil.copytree(reference / "TCGA-AAA", tmp_path / "data" / "TCGA-AAA")
    with (tmp_path / "data" / "TCGA-AAA" / "cohort.toml").open("a") as file:
        file.write("# mine\n")
    code, text = run(small, tmp_path / "data", server.address, cohorts=["AAA"])
    assert (code, server.asked) == (0, [])
    assert "every file as it was built but cohort.toml, which was edited" in text


@pytest.mark.parametrize("names", [["CCC"], ["TCGA-CCC"]])
def test_some_cohorts_alone(
    small: Catalogue, reference: Path, server: Server, tmp_path: Path, names: list[str]
) -> None:
    assert run(small, tmp_path / "data", server.address, cohorts=names)[0] == 0
    built = bytes_below(tmp_path / "data")
    tables = {"ccc.zip", "sets.csv", "cdr.xlsx", "mutations1.txt", "mutations2.txt"}
    assert set(server.asked) == {*tables, *BAGS}
    expected = bytes_below(reference)
    assert built == {path: expected[path] for path in built}
    assert {path.split("/")[0] for path in built} == {"TCGA-CCC", "sources"}


def test_gene_sets_come_with_the_expression_and_are_read_once_declared(
    reference: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "TCGA-CCC"
    shutil.copytree(reference / "TCGA-CCC", folder)
    rna = load_cohort(folder).modalities["rna"]
    assert isinstance(rna, VectorModality)
    assert rna.gene_sets == {}
    manifest = (folder / "cohort.toml").read_text()
    declared = manifest.replace("[modalities.rna]", '[modalities.rna]\ngene_sets = "sets.csv"')
    (folder / "cohort.toml").write_text(declared)
    rna = load_cohort(folder).modalities["rna"]
    assert isinstance(rna, VectorModality)
    assert rna.gene_sets == {"HALLMARK": GENES}  # and not the set of one gene


def test_an_unknown_cohort_is_refused_with_what_is_near(
    small: Catalogue, server: Server, tmp_path: Path
) -> None:
    expected = r"--cohorts: expected some of TCGA-AAA, .*, found 'TCGA-CCD' \(did you mean TCGA-CCC"
    with pytest.raises(InputError, match=expected):
        run(small, tmp_path / "data", server.address, cohorts=["AAA", "CCD"])
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("flat", [True, False])
def test_files_that_are_there_are_taken_from_their_folder(
    small: Catalogue, raw: Path, reference: Path, tmp_path: Path, flat: bool
) -> None:
    folder = raw
    if flat:
        folder = tmp_path / "flat"
        folder.mkdir()
        for path in raw.rglob("*.*"):
            (folder / path.name).symlink_to(path)
    before = bytes_below(raw)
    assert run(small, tmp_path / "data", None, folder)[0] == 0
    assert bytes_below(tmp_path / "data") == bytes_below(reference)
    assert bytes_below(raw) == before


def test_a_folder_that_lacks_files_or_has_wrong_ones_is_told(
    small: Catalogue, raw: Path, tmp_path: Path
) -> None:
    shutil.copytree(raw, tmp_path / "raw")
    (tmp_path / "raw" / EXPRESSION.name / EXPRESSION.commit / "aaa.zip").unlink()
    wrong = tmp_path / "raw" / SLIDES.name / SLIDES.commit / "bags" / BAGS[3]
    wrong.write_bytes(wrong.read_bytes()[:-1] + b"?")
    code, text = run(small, tmp_path / "data", None, tmp_path / "raw")
    assert code == 1
    assert f"aaa.zip: not in {tmp_path / 'raw'}" in text
    (line,) = [line for line in text.splitlines() if f"{BAGS[3]}: expected" in line]
    assert "bytes of SHA-256" in line
    assert "TCGA-AAA: not built, without aaa.zip" in text
    assert f"TCGA-CCC: not built, without {BAGS[3]}" in text
    assert (tmp_path / "data" / "TCGA-BBB").is_dir()


@pytest.mark.parametrize(
    ("source", "folder", "found"),
    [
        ("ftp://somewhere", None, r"--source: expected an address http\(s\)://"),
        ("http://somewhere", Path(), "--from: expected no --source beside it"),
        (None, Path("nowhere"), "--from: expected a folder, found nowhere: No such file"),
    ],
)
def test_a_source_that_is_none_is_refused(
    source: str | None, folder: Path | None, found: str
) -> None:
    with pytest.raises(InputError, match=found):
        source_of(source, folder)


def in_two_seconds() -> str:
    return formatdate(time.time() + 2, usegmt=True)


@pytest.mark.parametrize(("retry_after", "least"), [("1", 1.0), (in_two_seconds, 0.5)])
def test_a_server_that_asks_to_wait_is_left_alone_as_long(
    small: Catalogue,
    reference: Path,
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    retry_after: str | Callable[[], str],
    least: float,
) -> None:
    monkeypatch.setattr(download, "CONNECTIONS", 1)
    server.faults["aaa.zip"] = Fault.LIMITED
    server.retry_after = retry_after if isinstance(retry_after, str) else retry_after()
    code, _ = run(small, tmp_path / "data", server.address)
    assert code == 0
    (limited,) = server.limited
    later = [asked for asked in server.times if asked > limited]
    assert later
    assert min(later) - limited >= least
    assert server.asked.count("aaa.zip") == 2
    assert bytes_below(tmp_path / "data") == bytes_below(reference)


def test_a_server_that_asks_to_wait_for_long_is_asked_nothing_more(
    small: Catalogue, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "CONNECTIONS", 1)
    server.faults["aaa.zip"] = Fault.LIMITED
    server.retry_after = "5000"
    code, text = run(small, tmp_path / "data", server.address)
    assert code == 1
    assert f"{server.address} asks to wait 5000 s; the same command goes on then" in text
    assert server.asked == ["aaa.hifs.csv", "aaa.zip"]
    assert run(small, tmp_path / "data", server.address)[0] == 0
    assert server.asked.count("aaa.hifs.csv") == 1


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
        (["hif"], "expected tcga-hif or tcga-hipt, found 'hif' (did you mean tcga-hif"),
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
        assert small.recipes[1].files[0].sha256 in line
        assert server.asked.count("bbb.USE.rds") == 1
    assert "TCGA-BBB: not built, without bbb.USE.rds" in text
    expected = bytes_below(reference)
    assert bytes_below(folder) == {
        path: content
        for path, content in expected.items()
        if not path.startswith(("TCGA-BBB/", "AB/")) and not path.endswith("bbb.USE.rds")
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
    spoilt = tmp_path / "data" / "sources" / small.recipes[0].files[1].key
    spoilt.parent.mkdir(parents=True)
    spoilt.write_bytes(b"not this")
    assert run(small, tmp_path / "data", server.address)[0] == 0
    assert bytes_below(tmp_path / "data") == bytes_below(reference)


def test_a_server_that_is_not_there_is_tried_for_one_file_alone(
    small: Catalogue, tmp_path: Path
) -> None:
    code, text = run(small, tmp_path / "data", "http://127.0.0.1:9")
    assert code == 1
    assert f"and {len(ALL) - 4} more: no connection to http://127.0.0.1:9" in text
    assert bytes_below(tmp_path / "data") == {}


def test_the_sources_folder_is_enough_without_a_network(
    small: Catalogue, reference: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "sources").symlink_to(reference / "sources")
    cohorts = ["AAA", "BBB"]  # the slides of CCC are in its store alone
    assert run(small, folder, "http://127.0.0.1:9", cohorts=cohorts)[0] == 0


PROGRAM = """
import sys
from pathlib import Path
from rich.console import Console
from benchmark.cli.fetch import fetch, source_of
from tasks.errors import InputError
from tests.helpers.open_data import describe
raw, folder, source = sys.argv[1:]
source = source_of(source, None)
try:
    sys.exit(fetch(describe(Path(raw)), Path(folder), source, Console(), accepted=True))
except InputError as error:
    sys.exit(f"error: {error}")
"""


def test_a_killed_fetch_goes_on_and_a_second_one_is_kept_out(
    small: Catalogue, raw: Path, reference: Path, server: Server, tmp_path: Path
) -> None:
    folder, held = tmp_path / "data", BAGS[5]
    server.faults[held] = Fault.HELD
    arguments = [sys.executable, "-c", PROGRAM, str(raw), str(folder), server.address]
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL) as first:
        server.holding.wait()
        with pytest.raises(InputError, match="expected no other fetch at work"):
            run(small, folder, server.address)
        until(lambda: len([path for path in folder.rglob("*.*") if path.is_file()]) >= len(ALL) - 1)
        first.kill()
    assert list(folder.glob(".fetch-*"))
    server.released.set()
    server.faults.clear()
    server.asked.clear()
    assert run(small, folder, server.address)[0] == 0
    assert server.asked == [held]
    assert bytes_below(folder) == bytes_below(reference)


def test_a_fetch_that_is_killed_while_it_builds_goes_on(
    small: Catalogue, raw: Path, reference: Path, server: Server, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    arguments = [sys.executable, "-c", PROGRAM, str(raw), str(folder), server.address]
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL) as first:
        until(lambda: any(folder.glob(".fetch-*/TCGA-CCC")))
        first.kill()
    server.asked.clear()
    assert run(small, folder, server.address)[0] == 0
    assert server.asked == []
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
    whole = bytes_below(raw)  # what is small enough may have come
    left = {path.split("/", 1)[1]: content for path, content in bytes_below(folder).items()}
    assert left == {path: whole[path] for path in left}
    assert "aaa.hifs.csv" not in {Path(path).name for path in left}


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
