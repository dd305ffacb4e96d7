"""Packed stores: every value survives, a kill leaves nothing wrong, training sees no difference."""

import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from benchmark.cli.main import app
from methods.base import Budget, Context
from methods.registry import all_methods
from methods.trainer import TorchConfig
from tasks.data.cohort import BagModality, Slide
from tasks.data.formats.bags import read_bags
from tasks.data.load import load_cohort
from tasks.data.manifest import BagSource
from tasks.data.store import importing, reading
from tasks.data.store.importing import import_store
from tasks.data.store.layout import complete, read_contents
from tasks.data.store.plan import plan_store
from tasks.data.store.precision import StoredPrecision
from tasks.data.store.reading import stored_slides
from tasks.data.store.verifying import verify_store
from tasks.errors import InputError
from tests.helpers.damage import damaged
from tests.helpers.planted import planted, planted_folder
from tests.helpers.real import SHARED
from tests.helpers.slide_files import WRITERS, Writer, bag, barcode, clam, torch_file, trident
from tests.helpers.time_limits import wait_until

WIDTH = 24
SIZES = (5, 40, 0, 1, 17)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIRROR_BENCH_CACHE", str(tmp_path / "cache"))


def silent(doing: str, done: int, total: int) -> None:
    """Progress that nobody sees."""


def slides(folder: Path, write: Writer = clam, sizes: tuple[int, ...] = SIZES) -> Path:
    folder.mkdir(parents=True)
    for i, n in enumerate(sizes):
        write(folder, barcode(i), bag(i, n, WIDTH))
    return folder


def packed(
    folder: Path,
    output: Path,
    precision: StoredPrecision = StoredPrecision.FLOAT32,
    cohort: str = "",
) -> Path:
    assert import_store(plan_store(folder, precision, silent, cohort), output, silent)
    return output


def bags_at(path: Path) -> BagModality:
    return read_bags("wsi", BagSource(path))[0]


def as_torch_rounds(values: np.ndarray, precision: StoredPrecision) -> np.ndarray:
    return torch.from_numpy(values).to(getattr(torch, precision)).float().numpy()


# What is in it


@pytest.mark.parametrize("precision", StoredPrecision)
@pytest.mark.parametrize("write", WRITERS)
def test_every_value_survives(tmp_path: Path, write: Writer, precision: StoredPrecision) -> None:
    folder = slides(tmp_path / "features_x", write)
    store = packed(folder, tmp_path / "wsi.h5", precision)
    files, stored = bags_at(folder), bags_at(store)
    assert stored.patients == files.patients
    for patient in files.patients:
        for one, other in zip(files.slides[patient], stored.slides[patient], strict=True):
            assert other.name == one.name
            expected = as_torch_rounds(one.read(), precision)
            np.testing.assert_array_equal(other.read(), expected)
            xy, stored_xy = one.coordinates(), other.coordinates()
            assert (xy is None) == (stored_xy is None) == (write is torch_file)
            if xy is not None:
                np.testing.assert_array_equal(stored_xy, xy)
    same = precision is StoredPrecision.FLOAT32 or (write, precision) == (trident, "float16")
    assert (stored.fingerprint() == files.fingerprint()) == same
    # h5py alone sees the same numbers, whatever it knows of bfloat16
    with h5py.File(store) as file:
        offsets = file["slides/offset"][()]
        assert offsets.tolist() == np.cumsum([0, *SIZES]).tolist()
        rows = file["features"][offsets[1] : offsets[2]]
    np.testing.assert_array_equal(rows, stored.read("TCGA-AA-0001"))
    encoder = {"uni_v1"} if write is trident else {"x"}
    contents = read_contents(store)
    assert {slide.encoder for slide in contents.slides} == encoder
    for slide, sums in zip(contents.slides, contents.checksums, strict=True):
        source = folder / slide.file
        assert slide.source_size == source.stat().st_size
        assert sums.source_sha256 == _sha256sum(source)


def _sha256sum(path: Path) -> str:
    run = subprocess.run(["sha256sum", path], check=True, capture_output=True, text=True)
    return run.stdout.split()[0]


@pytest.fixture
def on_disk() -> Iterator[Path]:
    """A folder that is no part of the memory, as those of other tests may be."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        yield Path(folder)


def test_the_disk_is_asked_for_what_is_not_in_memory(
    on_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(reading, "_ask_for", lambda *_: asked.append(1))
    folder = on_disk / "features_x"
    folder.mkdir()
    clam(folder, "TCGA-AA-0001-01Z-00-DX1", bag(0, 4000, WIDTH))
    modality, rows = bags_at(packed(folder, on_disk / "s.h5")), np.arange(0, 4000, 8)
    whole = modality.read("TCGA-AA-0001")
    np.testing.assert_array_equal(modality.read_rows("TCGA-AA-0001", rows), whole[rows])
    assert not asked
    with (on_disk / "s.h5").open("r+b") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        try:
            os.preadv(file.fileno(), [bytearray(1)], 0, os.RWF_NOWAIT)
        except BlockingIOError:
            pass
        else:
            pytest.skip("this file system keeps in memory what it is told to drop")
    np.testing.assert_array_equal(modality.read_rows("TCGA-AA-0001", rows), whole[rows])
    assert asked


@pytest.mark.parametrize(("sparse", "cached"), [(0.0, True), (2.0, True), (2.0, False)])
@pytest.mark.parametrize("precision", StoredPrecision)
def test_rows_are_those_of_the_whole(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    precision: StoredPrecision,
    sparse: float,
    cached: bool,
) -> None:
    monkeypatch.setattr(reading, "SPARSE", sparse)
    monkeypatch.setattr(reading, "_in_memory", lambda *_: cached)
    folder = tmp_path / "features_x"
    folder.mkdir()
    for i, name in enumerate(["DX1", "DX2", "DX3"]):
        clam(folder, f"TCGA-AA-0001-01Z-00-{name}", bag(i, 30, WIDTH))
    for modality in (bags_at(folder), bags_at(packed(folder, tmp_path / "s.h5", precision))):
        rows = np.random.default_rng(0).integers(0, 90, 200)
        found = modality.read_rows("TCGA-AA-0001", rows)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, modality.read("TCGA-AA-0001")[rows])
        again = pickle.loads(pickle.dumps(modality))
        np.testing.assert_array_equal(again.read_rows("TCGA-AA-0001", rows), found)
        batch = np.full((2, 200, WIDTH), np.nan, modality.dtype)
        modality.read_into(batch[1], "TCGA-AA-0001", rows)
        np.testing.assert_array_equal(batch[1], found)
        assert np.isnan(batch[0]).all()


@pytest.mark.parametrize("write", WRITERS)
def test_rows_of_unpacked_files(tmp_path: Path, write: Writer) -> None:
    modality = bags_at(slides(tmp_path / "f", write, (40,)))
    rows = np.array([39, 0, 7, 7])
    found = modality.read_rows("TCGA-AA-0000", rows)
    np.testing.assert_array_equal(found, modality.read("TCGA-AA-0000")[rows])


def test_slides_with_and_without_coordinates(tmp_path: Path) -> None:
    folder = slides(tmp_path / "f", clam, (4,))
    torch_file(folder, barcode(1), bag(1, 6, WIDTH))
    store = packed(folder, tmp_path / "wsi.h5")
    modality = bags_at(store)
    assert modality.spatial_order("TCGA-AA-0000") is not None
    assert modality.spatial_order("TCGA-AA-0001") is None
    verify_store(store, silent)


def test_empty_slides_are_counted_as_of_files(tmp_path: Path) -> None:
    folder = slides(tmp_path / "f")
    store = packed(folder, tmp_path / "wsi.h5")
    notes = read_bags("wsi", BagSource(store))[1]
    assert notes == read_bags("wsi", BagSource(folder))[1]
    assert "wsi: 1 slides left out: no instances" in notes


# Killed, twice, damaged


def test_same_slides_same_bytes(tmp_path: Path) -> None:
    folder = slides(tmp_path / "f")
    one = packed(folder, tmp_path / "one.h5")
    second = int(time.time())  # times in HDF5 count seconds
    wait_until(lambda: int(time.time()) > second)
    (tmp_path / "deeper").mkdir()
    two = packed(folder, tmp_path / "deeper" / "two.h5")
    assert one.read_bytes() == two.read_bytes()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("kept", range(len(SIZES) + 1))
def test_an_import_that_failed_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    folder = slides(tmp_path / "f")
    whole = packed(folder, tmp_path / "whole.h5")
    copied: list[int] = []
    copy = importing._copy_slide

    def failing(plan: object, i: int, *rest: object) -> object:
        copied.append(i)
        if i == kept and copied.count(i) == 1:
            raise OSError("the disk is gone")
        return copy(plan, i, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(importing, "_copy_slide", failing)
    output = tmp_path / "wsi.h5"
    if kept < len(SIZES):
        with pytest.raises(InputError, match="the disk is gone"):
            packed(folder, output)
        assert not output.exists()
        journal = tmp_path / ".wsi.h5.journal"
        with journal.open("ab") as file:
            file.write(b'{"source_size": 1, "st')  # a line that a kill cut
    packed(folder, output)
    assert output.read_bytes() == whole.read_bytes()
    assert copied == sorted(copied)  # what was written was not written again
    assert not list(tmp_path.glob(".*"))


def killed(*_: object) -> None:
    """Ends an import between two of its steps."""
    raise KeyboardInterrupt


def test_a_file_that_changed_in_between_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, output = slides(tmp_path / "f"), tmp_path / "wsi.h5"
    with monkeypatch.context() as patch:
        patch.setattr("tasks.data.store.importing.complete", killed)
        with pytest.raises(KeyboardInterrupt):
            packed(folder, output)
    clam(folder, barcode(1), bag(99, SIZES[1], WIDTH))
    os.utime(folder / f"{barcode(1)}.h5", (1, 1))
    packed(folder, output)
    np.testing.assert_array_equal(bags_at(output).read("TCGA-AA-0001"), bag(99, SIZES[1], WIDTH))
    assert output.read_bytes() == packed(folder, tmp_path / "anew.h5").read_bytes()


def test_a_store_is_not_taken_for_that_of_files_changed_since(tmp_path: Path) -> None:
    folder = slides(tmp_path / "f")
    output = packed(folder, tmp_path / "wsi.h5")
    file = folder / f"{barcode(1)}.h5"
    later = output.stat().st_mtime_ns + 10**9
    os.utime(file, ns=(later, later))
    plan = plan_store(folder, StoredPrecision.FLOAT32, silent)
    assert not import_store(plan, output, silent)  # touched, not changed: there already
    size = file.stat().st_size
    clam(folder, barcode(1), bag(99, SIZES[1], WIDTH))
    assert file.stat().st_size == size
    earlier = output.stat().st_mtime_ns - 10**9
    os.utime(output, ns=(earlier, earlier))
    # Its own time, or the one that it had where it was copied from.
    for claimed in (later, 1):
        os.utime(file, ns=(claimed, claimed))
        with pytest.raises(
            InputError, match=rf"{barcode(1)}\.h5: expected the file that .*wsi\.h5"
        ):
            packed(folder, output)


def test_killed_in_the_middle_ends_in_the_same_bytes(tmp_path: Path) -> None:
    folder = slides(tmp_path / "cohort" / "bags", clam, (400,) * 60)
    (tmp_path / "cohort" / "cohort.toml").write_text(
        'name = "C"\n[modalities.wsi]\nkind = "bag"\npath = "bags"\n'
    )
    whole = packed(folder, tmp_path / "whole.h5", StoredPrecision.FLOAT16, cohort="C")
    command = [
        sys.executable,
        "-c",
        "from benchmark.cli.main import main; main()",
        "data",
        "import",
    ]
    journal = tmp_path / "cohort" / ".wsi.h5.journal"
    output = tmp_path / "cohort" / "wsi.h5"
    code = 0
    while code == 0:  # a busy machine may let it end before it is killed
        output.unlink(missing_ok=True)
        process = subprocess.Popen([*command, tmp_path / "cohort"], stderr=subprocess.DEVNULL)
        while process.poll() is None and not (journal.exists() and journal.stat().st_size > 2000):
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        code = process.wait()
    assert code == -signal.SIGKILL
    assert not output.exists()
    run = CliRunner().invoke(app, ["data", "import", str(tmp_path / "cohort")])
    assert run.exit_code == 0, run.output
    assert output.read_bytes() == whole.read_bytes()


def test_what_was_written_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, output = slides(tmp_path / "f"), tmp_path / "wsi.h5"
    finish = complete

    def damaging(path: Path, *rest: object) -> None:
        finish(path, *rest)  # type: ignore[arg-type]
        _flip(path, stored_slides(path, read_contents(path))[3].start)

    monkeypatch.setattr("tasks.data.store.importing.complete", damaging)
    with pytest.raises(InputError, match=rf"slide {barcode(3)}.h5: expected what was imported"):
        packed(folder, output)
    assert not output.exists()
    monkeypatch.setattr("tasks.data.store.importing.complete", finish)
    packed(folder, output)
    assert bags_at(output).fingerprint() == bags_at(folder).fingerprint()


def _flip(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ 1]))


def test_damaged_stores_are_refused(tmp_path: Path) -> None:
    whole = packed(slides(tmp_path / "f"), tmp_path / "wsi.h5").read_bytes()
    store = tmp_path / "wsi.h5"
    contents = read_contents(store)
    for other in (b"", b"text", whole[:1000], whole[: contents.places.features + 100]):
        store.write_bytes(other)
        with pytest.raises(InputError, match=r"wsi\.h5: expected a (whole )?packed store"):
            bags_at(store)
    store.write_bytes(whole.replace(barcode(1).encode(), barcode(8).encode()))
    with pytest.raises(InputError, match="another table"):
        bags_at(store)
    store.write_bytes(whole)
    _flip(store, contents.places.coordinates or 0)
    with pytest.raises(InputError, match="expected what was imported"):
        verify_store(store, silent)


def test_no_bit_of_a_header_is_believed(tmp_path: Path) -> None:
    store = packed(slides(tmp_path / "f"), tmp_path / "wsi.h5")
    whole = store.read_bytes()
    expected = bags_at(store).fingerprint()
    known = bags_at(store).read("TCGA-AA-0001")
    header = read_contents(store).places.features
    refused: list[str] = []
    for content in (*islice(damaged(whole), 0, None, 9), *_turned_anywhere(whole, header)):
        store.write_bytes(content)
        try:
            modality = bags_at(store)
            found = modality.read("TCGA-AA-0001")
        except InputError as error:
            refused.append(str(error))
        else:
            assert modality.fingerprint() == expected
            np.testing.assert_array_equal(found, known)
    assert all(str(store) in line and "\n" not in line for line in refused)
    assert len(refused) > 60


def _turned_anywhere(whole: bytes, end: int) -> Iterator[bytes]:
    """A bit turned here and there before the features begin."""
    for bit in np.random.default_rng(0).integers(0, 8 * end, 120).tolist():
        turned = bytearray(whole)
        turned[bit // 8] ^= 1 << bit % 8
        yield bytes(turned)


def test_the_store_of_another_cohort_is_refused_unless_it_is_declared(tmp_path: Path) -> None:
    command = ["data", "import", str(planted_folder(bags=True)), "--output"]
    run = CliRunner().invoke(app, [*command, str(tmp_path / "one")])
    assert run.exit_code == 0, run.output
    manifest = tmp_path / "one" / "cohort.toml"
    whole = load_cohort(tmp_path / "one")
    renamed = manifest.read_text().replace(whole.name, "OTHER", 1)
    manifest.write_text(renamed)
    with pytest.raises(InputError, match=f"store of cohort OTHER, found that of '{whole.name}'"):
        load_cohort(tmp_path / "one")
    path = 'path = "wsi.h5"'
    manifest.write_text(renamed.replace(path, f'{path}\ncohort = "{whole.name}"'))
    theirs = load_cohort(tmp_path / "one").modalities["wsi"]
    assert theirs.fingerprint() == whole.modalities["wsi"].fingerprint()


def test_import_edits_the_manifest_and_nothing_else_of_it(tmp_path: Path) -> None:
    cohort = tmp_path / "cohort"
    slides(cohort / "bags")
    (cohort / "rna.csv").write_text(
        "id,G1,G2,G3,G4,G5\n" + "".join(f"{barcode(i)},{i},1,2,3,4\n" for i in range(5))
    )
    (cohort / "sets.gmt").write_text("S\tx\tG1\tG2\tG3\tG4\tG5\n")
    text = """\
# mine
name = "C"   # the name
modalities.rna = { kind = "vector", path = 'rna.csv', id = "id", gene_sets = "sets.gmt" }

[modalities.wsi]   # slides
  kind = "bag"
  path = 'bags'   # of CLAM
"""
    (cohort / "cohort.toml").write_text(text)
    output = tmp_path / "packed"
    run = CliRunner().invoke(app, ["data", "import", str(cohort), "--output", str(output)])
    assert run.exit_code == 0, run.output
    assert (output / "cohort.toml").read_text() == text.replace(
        "'rna.csv'", '"../cohort/rna.csv"'
    ).replace('"sets.gmt"', '"../cohort/sets.gmt"').replace("'bags'", '"wsi.h5"')
    rna = load_cohort(output).modalities["rna"]
    assert rna.fingerprint() == load_cohort(cohort).modalities["rna"].fingerprint()


def test_a_store_that_shrinks_under_its_reader(tmp_path: Path) -> None:
    store = packed(slides(tmp_path / "f", sizes=(3000,)), tmp_path / "wsi.h5")
    modality = bags_at(store)
    with store.open("r+b") as file:
        file.truncate(5000)
    for read in (modality.read, lambda p: modality.read_rows(p, np.arange(2000))):
        with pytest.raises(InputError, match="expected the store as it was"):
            read("TCGA-AA-0000")


def test_a_store_that_is_rebuilt_under_its_reader(tmp_path: Path) -> None:
    store = packed(slides(tmp_path / "f"), tmp_path / "wsi.h5")
    modality = pickle.loads(pickle.dumps(bags_at(store)))
    patient = modality.patients[0]
    before = modality.read(patient)
    other = tmp_path / "other.h5"
    other.write_bytes(store.read_bytes())
    _flip(other, read_contents(other).places.features)
    os.utime(other, (1, 1))
    other.replace(store)
    for read in (modality.read, lambda p: modality.read_rows(p, np.arange(2))):
        with pytest.raises(InputError, match="expected the store as it was when the cohort was"):
            read(patient)
    assert not np.array_equal(bags_at(store).read(patient), before)


def test_a_file_of_another_kind_is_no_store(tmp_path: Path) -> None:
    file = clam(tmp_path, barcode(0), bag(0, 3, WIDTH))
    with pytest.raises(InputError, match=r"expected a packed store of format .*, found none"):
        bags_at(file)


# What cannot be imported


@pytest.mark.parametrize(
    ("value", "precision", "message"),
    [
        (np.nan, "float32", "instance 2, feature 1: expected a finite number, found nan"),
        (7e4, "float16", "instance 2, feature 1: expected a number that float16 can hold, found 7"),
        (3.4e38, "bfloat16", "instance 2, feature 1: expected a number that bfloat16 can hold"),
    ],
)
def test_values_that_cannot_be_kept(
    tmp_path: Path, value: float, precision: StoredPrecision, message: str
) -> None:
    folder, features = slides(tmp_path / "f"), bag(0, 4, WIDTH)
    features[2, 1] = value
    clam(folder, barcode(0), features)
    with pytest.raises(InputError, match=f"{barcode(0)}.h5: {message}"):
        packed(folder, tmp_path / "wsi.h5", StoredPrecision(precision))
    assert not (tmp_path / "wsi.h5").exists()


def test_folders_that_cannot_be_imported(tmp_path: Path) -> None:
    folder = slides(tmp_path / "width")
    clam(folder, barcode(9), bag(9, 3, WIDTH + 1))
    with pytest.raises(InputError, match=r"0009.*expected 24 features .* found 25"):
        packed(folder, tmp_path / "wsi.h5")
    folder = slides(tmp_path / "encoder", trident)
    with h5py.File(folder / f"{barcode(3)}.h5", "r+") as file:
        file["features"].attrs["encoder"] = "conch"
    with pytest.raises(InputError, match=r"0003.*expected features of encoder 'uni_v1'.* 'conch'"):
        packed(folder, tmp_path / "wsi.h5")
    folder = slides(tmp_path / "broken")
    (folder / f"{barcode(2)}.h5").write_bytes(b"\x89HDF")
    with pytest.raises(InputError, match=r"0002.*expected a whole HDF5 file"):
        packed(folder, tmp_path / "wsi.h5")
    folder = slides(tmp_path / "empty", sizes=(0, 0))
    with pytest.raises(InputError, match="expected slides with instances, found 2 empty ones"):
        packed(folder, tmp_path / "wsi.h5")
    assert not list(tmp_path.glob("*.h5"))


def test_two_imports_at_once(tmp_path: Path) -> None:
    folder, output = slides(tmp_path / "f"), tmp_path / "wsi.h5"
    plan = plan_store(folder, StoredPrecision.FLOAT32, silent)

    def second(doing: str, done: int, total: int) -> None:
        with pytest.raises(InputError, match="expected one import at a time"):
            import_store(plan, output, silent)

    assert import_store(plan, output, second)
    assert not import_store(plan, output, silent)


# What is made of it


@pytest.mark.parametrize("method", ["mirror", "mirror-spatial"])
def test_training_on_a_store_gives_the_numbers_of_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    output = tmp_path / "packed"
    command = ["data", "import", str(planted_folder(bags=True)), "--output", str(output)]
    run = CliRunner().invoke(app, [*command, "--precision", "float32"])
    assert run.exit_code == 0, run.output
    files, store = planted(bags=True), load_cohort(output)
    assert store.fingerprint() == files.fingerprint()
    assert store.notes == files.notes
    some = files.complete()[:6]
    spec = all_methods()[method]
    config = spec.config_for(Budget.SMOKE)
    assert isinstance(config, TorchConfig)
    config = replace(config, epochs=1, eval_tokens=30)
    found = []
    for cohort, kept in ((files, 64_000_000), (store, 0), (store, 30_000), (files, 0)):
        monkeypatch.setattr("methods.trainer.KEPT_BYTES", kept)
        fitted = spec.build(config)
        fitted.fit(cohort.subset(some), Context(seed=0))
        found.append(fitted.embed(cohort.subset(some)).joint)
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


def in_memory(slide: Slide) -> Slide:
    """The slide's features as float32, from nowhere."""
    features = slide.read()
    return Slide(slide.name, slide.n_instances, slide.content, lambda: features)


def test_training_in_halves_gives_the_numbers_of_float32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["data", "import", str(planted_folder(bags=True)), "--output", str(tmp_path / "p")]
    run = CliRunner().invoke(app, [*command, "--precision", "float16"])
    assert run.exit_code == 0, run.output
    cohort = load_cohort(tmp_path / "p")
    cohort = cohort.subset(cohort.complete()[:6])
    halves = cohort.modalities["wsi"]
    assert isinstance(halves, BagModality)
    assert halves.dtype == np.float16
    singles = {p: tuple(map(in_memory, slides)) for p, slides in halves.slides.items()}
    whole = BagModality(singles, halves.width)
    assert whole.dtype == np.float32
    other = replace(cohort, modalities={**cohort.modalities, "wsi": whole})
    # One of many slides in float32, and all are read as such.
    first = halves.patients[0]
    mixed = BagModality({**halves.slides, first: singles[first]}, halves.width)
    assert mixed.dtype == np.float32
    spec = all_methods()["mirror"]
    config = spec.config_for(Budget.SMOKE)
    assert isinstance(config, TorchConfig)
    found = []
    for seen, kept in ((other, 0), (cohort, 0), (cohort, 30_000), (cohort, 64_000_000)):
        monkeypatch.setattr("methods.trainer.KEPT_BYTES", kept)
        fitted = spec.build(replace(config, epochs=2, eval_tokens=30))
        fitted.fit(seen, Context(seed=0))
        found.append(fitted.embed(seen).joint)
    for embedded in found[1:]:
        np.testing.assert_array_equal(embedded, found[0])


@pytest.mark.real
def test_kirp(tmp_path: Path) -> None:
    folder = SHARED / "data" / "tcga" / "TCGA-KIRP"
    if not folder.is_dir():
        pytest.skip(f"no {folder}: set MIRROR_BENCH_SHARED")
    cohort = load_cohort(folder)
    for precision in StoredPrecision:
        output = tmp_path / precision
        command = ["data", "import", str(folder), "--output", str(output)]
        run = CliRunner().invoke(app, [*command, "--precision", precision])
        assert run.exit_code == 0, run.output
        store = load_cohort(output)
        assert store.notes == cohort.notes
        if precision is StoredPrecision.FLOAT32:
            assert store.fingerprint() == cohort.fingerprint()
        one, other = cohort.modalities["wsi"], store.modalities["wsi"]
        assert isinstance(one, BagModality)
        assert isinstance(other, BagModality)
        assert one.patients == other.patients
        for patient in one.patients:
            expected = as_torch_rounds(one.read(patient), precision)
            np.testing.assert_array_equal(other.read(patient), expected)
