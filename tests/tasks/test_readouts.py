"""Readouts: what is judged of embeddings, in how many dimensions, and who it is learnt from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.embeddings import Embeddings
from tasks.readouts import NoReadoutError, Part, Readout

PATIENTS = tuple(f"P{i:02}" for i in range(30))
TRAIN = (*PATIENTS[:20], "WITHOUT A PAIR")


def embeddings(width: int = 6) -> Embeddings:
    draws = np.random.default_rng(0)
    wsi, rna = (draws.normal(size=(30, width)).astype(np.float32) for _ in range(2))
    rna[3] = np.nan
    return Embeddings(PATIENTS, np.concatenate([wsi, rna], axis=1), wsi, rna)


@given(part=st.sampled_from(Part), dimensions=st.integers(0, 4096))
def test_its_text_is_read_back(part: Part, dimensions: int) -> None:
    readout = Readout(part, dimensions)
    if readout == Readout():
        with pytest.raises(ValueError, match="expected head, mean, wsi, rna, untrained"):
            Readout.parse(str(readout))
    else:
        assert Readout.parse(str(readout)) == readout


@pytest.mark.parametrize("text", ["", "own", "both", "mean-", "mean-0", "mean-08", "mean-x", "-64"])
def test_what_is_none_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="expected head, mean, wsi, rna, untrained"):
        Readout.parse(text)


def test_a_part_takes_the_place_of_the_joint_embedding() -> None:
    whole = embeddings()
    assert whole.wsi is not None
    assert whole.rna is not None
    np.testing.assert_array_equal(Readout(Part.WSI).of(whole, TRAIN).joint, whole.wsi)
    mean = Readout(Part.MEAN).of(whole, TRAIN)
    np.testing.assert_allclose(mean.joint, (whole.wsi + whole.rna) / 2, rtol=1e-6)
    assert mean.wsi is whole.wsi  # sides that are judged apart stay
    assert np.isnan(mean.joint[3]).all()


def test_principal_components_are_those_of_the_training_patients() -> None:
    whole = embeddings()
    found = Readout(dimensions=4).of(whole, TRAIN).joint
    train = np.delete(whole.joint[:20], 3, axis=0).astype(np.float64)
    mean, spread = train.mean(0), train.std(0)
    _, _, axes = np.linalg.svd((train - mean) / spread, full_matrices=False)
    expected = (whole.joint - mean) / spread @ axes[:4].T
    np.testing.assert_allclose(np.abs(found), np.abs(expected), rtol=1e-4, atol=1e-5)
    assert np.isnan(found[3]).all()


def test_nobody_who_is_tested_turns_the_axes() -> None:
    whole = embeddings()
    moved = whole.joint.copy()
    moved[20:] *= 100
    poisoned = Embeddings(PATIENTS, moved, whole.wsi, whole.rna)
    readout = Readout(dimensions=4)
    np.testing.assert_array_equal(
        readout.of(poisoned, TRAIN).joint[:20], readout.of(whole, TRAIN).joint[:20]
    )


def test_fewer_columns_than_dimensions_stay_as_they_are() -> None:
    whole = embeddings()
    assert Readout(dimensions=12).of(whole, TRAIN).joint is whole.joint


@pytest.mark.parametrize("part", [Part.HEAD, Part.MEAN, Part.WSI, Part.RNA])
def test_a_method_without_it_says_so(part: Part) -> None:
    alone = Embeddings(PATIENTS, embeddings().joint)
    with pytest.raises(NoReadoutError, match="no embedding"):
        Readout(part).of(alone, TRAIN)


def test_sides_of_other_widths_have_no_mean() -> None:
    whole = embeddings()
    assert whole.rna is not None
    uneven = Embeddings(PATIENTS, whole.joint, whole.wsi, whole.rna[:, :2])
    with pytest.raises(NoReadoutError, match="6 and 2 found"):
        Readout(Part.MEAN).of(uneven, TRAIN)
