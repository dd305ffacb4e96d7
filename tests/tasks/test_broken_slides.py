"""Slide files as hostile or broken as they come: one line each, nothing run, nothing endless."""

import hashlib
import os
import pickle
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from tasks.data.formats import bags, hdf5
from tasks.data.formats.bags import read_bags
from tasks.data.formats.slides import scan_slide
from tasks.data.manifest import BagSource
from tasks.errors import InputError
from tasks.seeds import generator

NAME = "TCGA-AA-0001-01Z-00-DX1"
GOOD = generator("broken slides").normal(size=(6, 5)).astype(np.float32)


@pytest.fixture(autouse=True)
def _quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A cache of one's own; and a warning on the screen is no clear error."""
    monkeypatch.setenv("MIRROR_BENCH_CACHE", str(tmp_path / "cache"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def write(path: Path, **datasets: object) -> None:
    with h5py.File(path, "w") as file:
        for name, value in datasets.items():
            file[name] = value


def elsewhere(path: Path) -> Path:
    """Another HDF5 file with good features, which no slide may read from."""
    other = path.with_name("secret.hdf5.bin")
    write(other, features=GOOD)
    return other


def external_link(path: Path) -> None:
    write(path, features=h5py.ExternalLink(str(elsewhere(path)), "features"))


def soft_link(path: Path) -> None:
    write(path, real=GOOD, features=h5py.SoftLink("/real"))


def virtual(path: Path) -> None:
    layout = h5py.VirtualLayout(GOOD.shape, "f4")
    layout[:] = h5py.VirtualSource(str(elsewhere(path)), "features", GOOD.shape)
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("features", layout)


def external_storage(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("features", (4, 4), "f4", external=[("/etc/passwd", 0, 64)])


def declared(shape: tuple[int, ...], chunks: tuple[int, ...] | None) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with h5py.File(path, "w") as file:
            file.create_dataset("features", shape, "f4", chunks=chunks)

    return make


def half_written(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("features", (64, 4), "f4", chunks=(16, 4))[:16] = 1.0


def group(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_group("features")


def compound(path: Path) -> None:
    write(path, features=np.zeros((3, 2), dtype=[("a", "f4"), ("b", "i4")]))


def texts(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("features", data=[["a", "b"]], dtype=h5py.string_dtype())


def of_float(value: float) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        features = GOOD.astype(np.float64)
        features[3, 2] = value
        write(path, features=features)

    return make


def array(value: object) -> Callable[[Path], None]:
    return lambda path: write(path, features=value)


def truncated(path: Path) -> None:
    write(path, features=GOOD)
    path.write_bytes(path.read_bytes()[:-20])


def pipe(path: Path) -> None:
    os.mkfifo(path)


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


HDF5: list[tuple[str, Callable[[Path], object], str]] = [
    ("external link", external_link, "found a link to .*secret"),
    ("soft link", soft_link, "found a link to /real"),
    ("virtual", virtual, "found that it is in others"),
    ("external storage", external_storage, "found that it is in others"),
    ("a trillion rows, chunked", declared((10**12, 1024), (64, 1024)), "at most 64 GiB"),
    ("a trillion columns", declared((1, 10**12), None), "at most 64 GiB"),
    ("never written", declared((100, 1024), None), "to be written, found nothing"),
    ("never written, chunked", declared((100, 1024), (10, 1024)), "found 0 of its 10 chunks"),
    ("half written", half_written, "found 1 of its 4 chunks"),
    ("one vast chunk", declared((70000, 8192), (70000, 8192)), "chunks of at most 1 GiB"),
    ("group", group, "expected a dataset `features`"),
    ("no features", lambda path: write(path, patches=GOOD), "found patches"),
    ("compound", compound, "another type"),
    ("texts", texts, "another type"),
    ("complex", array(GOOD.astype(np.complex64)), "another type"),
    ("booleans", array(np.ones((3, 2), dtype=bool)), "another type"),
    ("nothing", array(h5py.Empty("f4")), r"found \[\]"),
    ("a number", array(np.float32(1)), r"found \[\]"),
    ("a vector", array(GOOD[0]), r"found \[5\]"),
    ("four axes", array(GOOD[None, None]), r"found \[1, 1, 6, 5\]"),
    ("two slides in one", array(np.stack([GOOD, GOOD])), r"found \[2, 6, 5\]"),
    ("no columns", array(np.zeros((3, 0))), r"found \[3, 0\]"),
    ("NaN", of_float(np.nan), "instance 3, feature 2: expected a finite number, found nan"),
    ("infinity", of_float(-np.inf), "found -inf"),
    ("too large for float32", of_float(1e39), "found inf"),
    ("truncated", truncated, "expected a whole HDF5 file"),
    ("empty file", lambda path: path.write_bytes(b""), "expected a whole HDF5 file"),
    (
        "noise",
        lambda path: path.write_bytes(generator("noise").bytes(4096)),
        "expected a whole HDF5 file",
    ),
    ("a folder", lambda path: path.mkdir(), "found: a folder"),
    ("a pipe", pipe, "found: a pipe"),
    ("a device", device, "found: a device"),
    ("a loop of links", loop, "found: Too many levels"),
    ("a link to nothing", lambda path: path.symlink_to("gone"), "found: No such file"),
]


@pytest.mark.timeout(20)
@pytest.mark.parametrize(("make", "message"), [c[1:] for c in HDF5], ids=[c[0] for c in HDF5])
def test_hdf5(tmp_path: Path, make: Callable[[Path], object], message: str) -> None:
    refused(tmp_path, f"{NAME}.h5", make, message)


def refused(tmp_path: Path, name: str, make: Callable[[Path], object], message: str) -> None:
    """The file is refused, alone and among others, in one line that names it."""
    folder = tmp_path / "bags"
    folder.mkdir()
    path = folder / name
    make(path)
    for read in (lambda: scan_slide(path), lambda: read_bags("wsi", BagSource(folder))):
        with pytest.raises(InputError, match=message) as caught:
            read()
        text = str(caught.value)
        assert str(path) in text
        assert "\n" not in text


class _Code:
    """Pickled, it is a call that leaves a file behind."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return (os.mkdir, (str(self._trace),))


def pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps(_Code(path.parent.parent / "ran")))


def code_beside_a_tensor(path: Path) -> None:
    torch.save([torch.ones(2, 2), _Code(path.parent.parent / "ran")], path)


def deflated(path: Path) -> None:
    torch.save(torch.zeros(1000, 1000), path)
    with zipfile.ZipFile(path) as archive:
        parts = {part.filename: archive.read(part) for part in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def array_of_code(path: Path) -> None:
    torch.save(np.array([_Code(path.parent.parent / "ran")], dtype=object), path)


class _Shape:
    """Pickled, it is an array of a shape alone."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        rebuild = np._core.multiarray._reconstruct
        return (rebuild, (np.ndarray, (30_000, 1000), b"b"))


def bare_array(path: Path) -> None:
    torch.save(_Shape(), path)


def tensor(value: object) -> Callable[[Path], None]:
    return lambda path: torch.save(value, path)


def cut(path: Path) -> None:
    torch.save(torch.ones(50, 4), path)
    path.write_bytes(path.read_bytes()[:-100])


TORCH: list[tuple[str, Callable[[Path], object], str]] = [
    ("code", pickled, "expected a tensor saved by torch.save"),
    ("code beside a tensor", code_beside_a_tensor, "calls for posix.mkdir, not run"),
    ("deflated", deflated, "an archive that unpacks to"),
    ("one number of any size", tensor(torch.ones(1).expand(10**6, 10**6)), "without them"),
    ("no values", tensor(torch.empty(9, 9, device="meta")), "without them"),
    ("sparse", tensor(torch.eye(3).to_sparse()), "dense tensor"),
    ("complex", tensor(torch.ones(2, 2, dtype=torch.complex64)), "another type"),
    ("booleans", tensor(torch.ones(2, 2, dtype=torch.bool)), "another type"),
    ("a number", tensor(torch.tensor(1.0)), r"found \[\]"),
    ("four axes", tensor(torch.ones(1, 1, 2, 2)), r"found \[1, 1, 2, 2\]"),
    ("infinity", tensor(torch.tensor([[1.0, torch.inf]])), "found inf"),
    ("too large for float32", tensor(torch.tensor([[1e39]], dtype=torch.float64)), "found inf"),
    ("an array of texts", tensor(np.array([["a", "b"]])), "expected a tensor|an array of numbers"),
    ("an array of objects", tensor(np.array([[None]], dtype=object)), "expected a tensor"),
    ("an array of code", array_of_code, "calls for posix.mkdir, not run|none that can be read"),
    ("an array of no values", bare_array, "without them"),
    ("a complex array", tensor(np.ones((2, 2), dtype=np.complex64)), "expected|another type"),
    ("a list", tensor([torch.ones(2, 2)]), "found list"),
    ("a text", tensor("features"), "found str"),
    ("cut", cut, "none that can be read|expected a tensor"),
    ("empty file", lambda path: path.write_bytes(b""), "none that can be read"),
    ("a pipe", pipe, "found: a pipe"),
]


@pytest.mark.timeout(20)
@pytest.mark.parametrize(("make", "message"), [c[1:] for c in TORCH], ids=[c[0] for c in TORCH])
def test_torch(tmp_path: Path, make: Callable[[Path], object], message: str) -> None:
    refused(tmp_path, f"{NAME}.pt", make, message)
    assert not (tmp_path / "ran").exists()


def content_by_library(path: Path) -> str:
    if path.suffix == ".pt":
        values = torch.load(path, weights_only=True).to(torch.float32).numpy()
    else:
        with h5py.File(path, "r") as file:
            values = file["features"][()].astype("<f4")
    return hashlib.sha256(values.tobytes()).hexdigest()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("suffix", [".h5", ".pt"])
def test_flipped_bytes_are_refused_or_read_as_the_library_reads_them(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"{NAME}{suffix}"
    if suffix == ".h5":
        write(path, features=GOOD)
    else:
        torch.save(torch.from_numpy(GOOD), path)
    whole = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    n_refused = 0
    for trial in range(150):
        rng = generator("flipped", suffix, trial)
        broken = whole.copy()
        at = rng.integers(0, len(whole), size=int(rng.integers(1, 20)))
        broken[at] = rng.integers(0, 256, size=len(at))
        path.write_bytes(broken.tobytes())
        try:
            found = scan_slide(path).content
        except InputError as error:
            n_refused += 1
            found = str(error)
        assert "\n" not in found, trial
        if not found.startswith(str(path)):
            assert found == content_by_library(path), trial
    assert n_refused > 10


def test_mixed_widths_and_a_text_among_slides(tmp_path: Path) -> None:
    for i, width in enumerate((5, 5, 7)):
        write(tmp_path / f"TCGA-AA-000{i}-01Z-00-DX1.h5", features=np.ones((2, width)))
    (tmp_path / "readme.txt").write_text("not a slide")
    with pytest.raises(InputError, match=r"0002.*expected 5 features an instance.*found 7"):
        read_bags("wsi", BagSource(tmp_path))


def test_empty_slides_are_counted_and_never_guessed(tmp_path: Path) -> None:
    write(tmp_path / f"{NAME}.h5", features=GOOD)
    for i, empty in enumerate((np.zeros((0, 5)), np.zeros(0), np.zeros((1, 0, 5)))):
        write(tmp_path / f"TCGA-AA-100{i}-01Z-00-DX1.h5", features=empty)
    _, notes = read_bags("wsi", BagSource(tmp_path))
    assert "wsi: 3 slides left out: no instances" in notes


def test_what_is_refused_is_not_remembered_as_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"{NAME}.h5"
    external_link(path)
    for _ in range(2):
        with pytest.raises(InputError, match="found a link"):
            read_bags("wsi", BagSource(tmp_path))
    monkeypatch.setattr(hdf5, "LARGEST", 8)
    write(path, features=GOOD)
    with pytest.raises(InputError, match="at most 0 GiB"):
        read_bags("wsi", BagSource(tmp_path))
    monkeypatch.undo()
    assert bags.read_bags("wsi", BagSource(tmp_path))[0].width == 5


def test_coordinates_are_the_files_own(tmp_path: Path) -> None:
    other = tmp_path / "other.bin"
    write(other, coords=np.zeros((6, 2)))
    path = tmp_path / f"{NAME}.h5"
    write(path, features=GOOD, coords=h5py.ExternalLink(str(other), "coords"))
    with pytest.raises(InputError, match="expected `coords` itself, found a link"):
        read_bags("wsi", BagSource(tmp_path))


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", "i2", "u1"])
def test_arrays_saved_by_torch_are_read(tmp_path: Path, kind: str) -> None:
    """As TRIDENT saves them where it is asked for `.pt`."""
    values = np.arange(12).reshape(4, 3).astype(kind)
    torch.save(values, tmp_path / f"{NAME}.pt")
    modality, _ = read_bags("wsi", BagSource(tmp_path))
    assert modality.read("TCGA-AA-0001").tolist() == values.tolist()
    found = modality.read_rows("TCGA-AA-0001", np.array([2, 0]))
    assert found.tolist() == values[[2, 0]].tolist()
