"""Slide files as users have them: read right, or one line that names the place."""

import os
import pickle
import tracemalloc
from itertools import islice
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from tasks.data.cohort import BagModality
from tasks.data.formats import bags as bags_module
from tasks.data.formats.bags import read_bags
from tasks.data.formats.slides import Scan, scan_slide
from tasks.data.manifest import (
    BagSource,
)
from tasks.errors import InputError
from tasks.sealed import seal
from tests.helpers.damage import damaged
from tests.helpers.user_files import A, B, C, write


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIRROR_BENCH_CACHE", str(tmp_path / "cache"))


def hdf5(path: Path, features: object, key: str = "features") -> Path:
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        file[key] = features
        file["coords"] = np.zeros((3, 2), dtype=np.int32)
    return path


def bags(folder: Path) -> BagModality:
    return read_bags("wsi", BagSource(folder))[0]


FEATURES = np.arange(12, dtype=np.float32).reshape(3, 4)


@pytest.mark.parametrize(
    "stored", [FEATURES, FEATURES.astype(np.float16), FEATURES[None], FEATURES.astype(np.float64)]
)
def test_layouts_of_hdf5_hold_the_same_data(tmp_path: Path, stored: object) -> None:
    hdf5(tmp_path / "h5" / f"{A}-01Z-00-DX1.0a-1b.h5", stored)
    torch.save(torch.from_numpy(FEATURES), tmp_path / "reference.pt")
    modality = bags(tmp_path / "h5")
    slide = modality.slides[A][0]
    assert (slide.name, slide.n_instances, modality.width) == (f"{A}-01Z-00-DX1.0a-1b", 3, 4)
    assert slide.content == scan_slide(tmp_path / "reference.pt").content
    read = pickle.loads(pickle.dumps(slide.read))()
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, FEATURES)


def test_one_instance_stays_one(tmp_path: Path) -> None:
    hdf5(tmp_path / "h5" / f"{A}-01Z-00-DX1.h5", FEATURES[:1])
    hdf5(tmp_path / "h5" / f"{B}-01Z-00-DX1.svs.h5", FEATURES[None, :1])
    modality = bags(tmp_path / "h5")
    assert [modality.n_instances(patient) for patient in (A, B)] == [1, 1]
    assert modality.slides[B][0].name == f"{B}-01Z-00-DX1"


def test_large_slides_are_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features = np.random.default_rng(0).normal(size=(101, 4)).astype(np.float32)
    path = hdf5(tmp_path / "h5" / f"{A}-01Z-00-DX1.h5", features[None])
    whole = scan_slide(path)
    monkeypatch.setattr("tasks.data.formats.hdf5_slides._CHUNK_BYTES", 7 * 16)
    assert scan_slide(path) == whole
    np.testing.assert_array_equal(bags(tmp_path / "h5").read(A), features)


@pytest.mark.parametrize("empty", [np.zeros((0, 4)), np.zeros(0), np.zeros((1, 0, 4))])
def test_empty_and_normal_slides_are_left_out_and_counted(tmp_path: Path, empty: object) -> None:
    folder = tmp_path / "h5"
    hdf5(folder / f"{A}-01Z-00-DX1.h5", FEATURES)
    hdf5(folder / f"{A}-01Z-00-DX2.h5", empty)
    hdf5(folder / f"{A}-11A-01-TS1.h5", FEATURES)
    hdf5(folder / f"{B}-06A-01-DX1.h5", FEATURES)
    modality, notes = read_bags("wsi", BagSource(folder))
    assert {p: len(s) for p, s in modality.slides.items()} == {A: 1, B: 1}
    assert notes == (
        "wsi: 4 slides in, 2 kept, 2 patients, 4 features an instance",
        "wsi: 1 slides left out: no instances",
        "wsi: 1 slides left out: normal tissue",
    )


BAD = np.where(np.arange(12).reshape(3, 4) == 6, np.nan, FEATURES)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (BAD, "instance 1, feature 2: expected a finite number, found nan"),
        (np.full((2, 4), np.inf), "instance 0, feature 0: expected a finite number, found inf"),
        (FEATURES[:, :3], "expected 4 features an instance as in the other slides, found 3"),
        (np.zeros(4), r"expected features of shape .* found \[4\]"),
        (np.zeros((2, 3, 4)), r"found \[2, 3, 4\]"),
        (np.zeros((2, 0)), r"found \[2, 0\]"),
        (np.float32(1), r"found \[\]"),
        (np.full((2, 4), b"x"), "expected features that are numbers"),
    ],
)
def test_bad_features_name_their_file(tmp_path: Path, features: object, message: str) -> None:
    for name in (A, C):
        hdf5(tmp_path / "h5" / f"{name}-01Z-00-DX1.h5", FEATURES)
    hdf5(tmp_path / "h5" / f"{B}-01Z-00-DX1.h5", features)
    with pytest.raises(InputError, match=rf"{B}-01Z-00-DX1\.h5: .*{message}"):
        bags(tmp_path / "h5")


def test_files_that_are_no_slides(tmp_path: Path) -> None:
    folder = tmp_path / "h5"
    whole = hdf5(folder / f"{A}-01Z-00-DX1.h5", FEATURES, key="patches")
    with pytest.raises(InputError, match="expected a dataset `features`, found coords, patches"):
        bags(folder)
    hdf5(whole, np.zeros((500, 40)))
    whole.write_bytes(whole.read_bytes()[:-5000])
    with pytest.raises(InputError, match=r"DX1\.h5: expected a whole HDF5 file"):
        bags(folder)
    whole.write_bytes(b"no HDF5")
    with pytest.raises(InputError, match=r"DX1\.h5: expected a whole HDF5 file"):
        bags(folder)
    whole.unlink()
    with pytest.raises(InputError, match=r"expected slide files .* found none"):
        bags(folder)
    (folder / "h5_files").mkdir()
    with pytest.raises(InputError, match="found only the folders h5_files"):
        bags(folder)
    whole.symlink_to(whole)
    with pytest.raises(InputError, match="Too many levels of symbolic links"):
        bags(folder)
    whole.unlink()
    hdf5(folder / "slide7.h5", FEATURES)
    with pytest.raises(InputError, match=r"slide7\.h5: expected a TCGA barcode"):
        bags(folder)


def test_two_files_of_one_slide(tmp_path: Path) -> None:
    hdf5(tmp_path / "h5" / f"{A}-01Z-00-DX1.h5", FEATURES)
    torch.save(torch.from_numpy(FEATURES), tmp_path / "h5" / f"{A}-01Z-00-DX1.pt")
    with pytest.raises(InputError, match="expected one file a slide"):
        bags(tmp_path / "h5")


class _Trap:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.mkdir, (str(self.mark),))


def test_pt_with_code_is_refused_and_never_run(tmp_path: Path) -> None:
    folder = tmp_path / "pt"
    folder.mkdir()
    path = folder / f"{A}-01Z-00-DX1.pt"
    torch.save(_Trap(tmp_path / "sprung"), path)
    with pytest.raises(InputError, match=r"DX1\.pt: .*a pickle that calls for .*mkdir, not run"):
        bags(folder)
    path.write_bytes(pickle.dumps(_Trap(tmp_path / "sprung")))
    with pytest.raises(InputError, match=r"DX1\.pt: expected a tensor"):
        bags(folder)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"patches": torch.zeros(2, 3)},
            "a dict of `features`, found patches",
        ),
        (torch.zeros(2, 3).to_sparse(), "expected a dense tensor alone"),
        (torch.zeros(2, 3, dtype=torch.complex64), "expected features that are numbers"),
        (torch.tensor([[1.0, float("nan")]]), "found nan"),
    ],
)
def test_pt_is_a_tensor_alone(tmp_path: Path, content: object, message: str) -> None:
    (tmp_path / "pt").mkdir()
    torch.save(content, tmp_path / "pt" / f"{A}-01Z-00-DX1.pt")
    with pytest.raises(InputError, match=message):
        bags(tmp_path / "pt")


def test_half_precision_and_gradients_in_pt(tmp_path: Path) -> None:
    (tmp_path / "pt").mkdir()
    weights = torch.from_numpy(FEATURES).to(torch.bfloat16).requires_grad_()
    torch.save(weights, tmp_path / "pt" / f"{A}-01Z-00-DX1.pt")
    np.testing.assert_array_equal(bags(tmp_path / "pt").read(A), FEATURES)


def test_scans_are_remembered_until_the_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = hdf5(tmp_path / "h5" / f"{A}-01Z-00-DX1.h5", FEATURES)
    scanned: list[Path] = []

    def spy(file: Path) -> object:
        scanned.append(file)
        return scan_slide(file)

    monkeypatch.setattr("tasks.data.formats.bags.scan_slide", spy)
    first = bags(tmp_path / "h5").fingerprint()
    assert bags(tmp_path / "h5").fingerprint() == first
    assert len(scanned) == 1
    stale = bags(tmp_path / "h5")
    hdf5(path, FEATURES + 1)  # of the same shape
    assert bags(tmp_path / "h5").fingerprint() != first
    assert len(scanned) == 2
    rows = np.array([0])
    for read in (stale.read, lambda p: stale.read_rows(p, rows), stale.spatial_order):
        with pytest.raises(InputError, match="expected the file as it was when the cohort was"):
            read(A)


def test_a_bag_takes_no_more_memory_than_it_and_its_largest_slide(tmp_path: Path) -> None:
    """In pieces of 8 MiB: 48 MiB in a slide, or 24 MiB in each of two."""
    features = np.random.default_rng(0).random((24, 1 << 19), dtype=np.float32)
    for patient, slides in ((A, [features]), (B, [features[:12], features[12:]])):
        for i, part in enumerate(slides):
            hdf5(tmp_path / "h5" / f"{patient}-01Z-00-DX{i}.h5", part)
    modality = bags(tmp_path / "h5")
    for patient, most in ((A, 1.5), (B, 1.9)):
        tracemalloc.start()
        found = modality.read(patient)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        np.testing.assert_array_equal(found, features)
        assert peak < most * features.nbytes


def test_a_damaged_index_of_scans_is_scanned_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hdf5(tmp_path / "h5" / f"{A}-01Z-00-DX1.h5", FEATURES)
    hdf5(tmp_path / "h5" / f"{B}-01Z-00-DX1.h5", 2 * FEATURES)
    first = bags(tmp_path / "h5").fingerprint()
    cache = tmp_path / "cache" / "slides.txt"
    whole = cache.read_bytes()
    scanned: list[Path] = []

    def counting(path: Path) -> Scan:
        scanned.append(path)
        return scan_slide(path)

    monkeypatch.setattr(bags_module, "scan_slide", counting)
    assert bags(tmp_path / "h5").fingerprint() == first
    assert not scanned
    one, two = whole.splitlines(keepends=True)
    swapped = one.replace(A.encode(), b"?").replace(b"?", B.encode())
    for content in (
        *islice(damaged(whole), 0, None, 23),
        swapped + two,
        b"[1]",
        b'{"x": 1}',
        seal("x", [1]),
    ):
        cache.write_bytes(content)
        scanned.clear()
        assert bags(tmp_path / "h5").fingerprint() == first
        assert len(scanned) in ((1, 2) if content.strip() != whole.strip() else (0,))
        assert cache.read_bytes() == whole
    assert [entry.name for entry in (tmp_path / "cache").iterdir()] == ["slides.txt"]


def test_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hdf5(tmp_path / "h5" / f"{A}-01Z-00-DX1.h5", FEATURES)
    # a file where the folder should be refuses even root, whom permissions do not stop
    monkeypatch.setenv("MIRROR_BENCH_CACHE", str(write(tmp_path / "occupied", "") / "cache"))
    assert bags(tmp_path / "h5").patients == (A,)
