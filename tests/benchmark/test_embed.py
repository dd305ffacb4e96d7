"""`mirror-bench embed`: a cohort's embeddings in a file, fitted or from published weights."""

import argparse
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from benchmark.cli.embed import embed_to_file
from methods.base import Budget
from methods.mirror.model import MIRROR, MirrorArchitecture
from tasks.data.cohort import BagModality
from tasks.errors import InputError
from tests.helpers.planted import planted, planted_folder
from tests.helpers.published_weights import to_published


def checkpoint(folder: Path, wsi_width: int, rna_width: int) -> tuple[Path, MIRROR]:
    torch.manual_seed(0)
    small = MirrorArchitecture(
        width=24, style_hidden=8, style_output=8, prototypes=5, exact_attention=False
    )
    model = MIRROR(wsi_width, rna_width, 16, small)
    path = folder / "last.pth.tar"
    torch.save(
        {"state_dict": to_published(model), "args": argparse.Namespace(lr=1e-3), "epoch": 3}, path
    )
    return path, model.eval()


def test_published_weights_embed_the_features_as_they_are(tmp_path: Path) -> None:
    cohort = planted(bags=True)
    wsi, rna = cohort.modalities["wsi"], cohort.modalities["rna"]
    path, model = checkpoint(tmp_path, wsi.width, rna.width)
    out = tmp_path / "out.h5"
    shape = embed_to_file("mirror", planted_folder(True), out, path, (), Budget.DEFAULT, "cpu")
    assert shape == (len(cohort.patients), 48)
    patient = cohort.complete()[3]
    assert isinstance(wsi, BagModality)
    with h5py.File(out) as file, torch.inference_mode():
        row = file["patients"].asstr()[:].tolist().index(patient)
        bag = torch.from_numpy(wsi.read(patient))[None]
        np.testing.assert_allclose(file["wsi"][row], model.encode_wsi(bag)[0], rtol=1e-5, atol=1e-5)
        assert file["joint"].shape == shape
        assert file.attrs["cohort"] == cohort.name


@pytest.mark.parametrize(("extra_wsi", "extra_rna", "said"), [(1, 0, "patch"), (0, 1, "gene")])
def test_weights_of_other_widths_say_which(
    tmp_path: Path, extra_wsi: int, extra_rna: int, said: str
) -> None:
    cohort = planted(bags=True)
    wsi, rna = cohort.modalities["wsi"], cohort.modalities["rna"]
    path, _ = checkpoint(tmp_path, wsi.width + extra_wsi, rna.width + extra_rna)
    out = tmp_path / "out.h5"
    with pytest.raises(InputError, match=said):
        embed_to_file("mirror", planted_folder(True), out, path, (), Budget.DEFAULT, "cpu")
    assert not out.exists()


def test_slide_vectors_take_no_published_weights(tmp_path: Path) -> None:
    path, _ = checkpoint(tmp_path, 64, 10)
    with pytest.raises(InputError, match="vectors"):
        embed_to_file(
            "mirror", planted_folder(False), tmp_path / "o.h5", path, (), Budget.DEFAULT, "cpu"
        )


def test_a_method_is_fitted_to_all_and_embeds_all(tmp_path: Path) -> None:
    out = tmp_path / "pca.h5"
    shape = embed_to_file("pca", planted_folder(False), out, None, (), Budget.SMOKE, "cpu")
    assert shape == (len(planted(False).patients), 64)
    with pytest.raises(InputError, match="mirror"):
        embed_to_file("pca", planted_folder(False), out, out, (), Budget.SMOKE, "cpu")
