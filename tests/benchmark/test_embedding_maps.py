"""`mirror-bench map`: from a file of embeddings to a figure, and what it refuses."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from benchmark.cli.embed import embed_to_file
from benchmark.cli.map import draw_map, read_embeddings
from methods.base import Budget
from tasks.errors import InputError
from tests.helpers.planted import planted, planted_folder


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("embedded") / "pca.h5"
    embed_to_file("pca", planted_folder(bags=False), path, None, (), Budget.SMOKE, "cpu")
    return path


def test_map_by_label_and_site(file: Path, tmp_path: Path) -> None:
    svg, png = draw_map(file, planted_folder(bags=False), None, tmp_path)
    assert svg.name == f"map-{planted(bags=False).name.lower()}-pca.svg"
    assert png.is_file()
    text = svg.read_text()
    assert "by site" in text
    assert f"by {min(planted(bags=False).labels)}" in text
    embeddings, method, _ = read_embeddings(file)
    assert method == "pca"
    assert f"A point a patient ({len(embeddings.known()):,})" in text


def test_what_cannot_be_mapped_is_one_line(file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found those of other data"):
        draw_map(file, planted_folder(bags=True), None, tmp_path)
    with pytest.raises(InputError, match="--label: expected one of"):
        draw_map(file, planted_folder(bags=False), "nothing", tmp_path)
    other = tmp_path / "other.h5"
    other.write_text("no HDF5")
    with pytest.raises(InputError, match="expected embeddings that"):
        draw_map(other, planted_folder(bags=False), None, tmp_path)
    with h5py.File(tmp_path / "short.h5", "w") as short:
        short["patients"] = np.array(["a", "b"], dtype=h5py.string_dtype())
        short["joint"] = np.zeros((3, 2))
        short.attrs["method"], short.attrs["data"] = "pca", ""
    with pytest.raises(InputError, match="a row of `joint` per patient"):
        draw_map(tmp_path / "short.h5", planted_folder(bags=False), None, tmp_path)
    assert not list(tmp_path.glob("map-*"))
