"""Published checkpoints: read without running anything, and refused with a reason."""

import argparse
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from methods.mirror.model import MIRROR, MirrorArchitecture
from methods.mirror.published import Checkpoint, config_of, read_checkpoint, require_inputs
from tasks.errors import InputError
from tests.helpers.published_weights import to_published

ARCHITECTURE = MirrorArchitecture(
    width=24,
    depth=3,
    mlp_ratio=2.572,
    style_hidden=16,
    style_output=12,
    style_latent=8,
    prototypes=20,
)


def published() -> dict[str, Tensor]:
    return to_published(MIRROR(10, 30, 9, ARCHITECTURE))


def write(path: Path, **content: Any) -> Path:
    torch.save(content, path)
    return path


class Bomb:
    """Unpickling it would run a command."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_a_training_checkpoint_is_read_and_rebuilt(tmp_path: Path) -> None:
    state = published()
    optimiser = torch.optim.Adam([torch.nn.Parameter(torch.zeros(3))])
    path = write(
        tmp_path / "last.pth.tar",
        epoch=7,
        arch="mirror",
        state_dict={f"module.{name}": weight for name, weight in state.items()},
        optimizer=optimiser.state_dict(),
        args=argparse.Namespace(lr=2e-5, mask_ratio=0.5, data=["a"], nested={"x": None}),
    )
    checkpoint = read_checkpoint(path)
    assert checkpoint.config["mask_ratio"] == 0.5
    model = MIRROR.from_published(checkpoint.state, checkpoint.config)
    assert model.architecture.depth == 3
    assert all(torch.equal(weight, state[name]) for name, weight in to_published(model).items())
    require_inputs(checkpoint, 10, 30)


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    harm = tmp_path / "harm"
    path = write(tmp_path / "bad.pth", state_dict=published(), args=Bomb(harm))
    with pytest.raises(InputError, match=r"bad\.pth: tensors and argparse\.Namespace expected"):
        read_checkpoint(path)
    assert not harm.exists()


def test_files_that_are_no_checkpoint_say_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_checkpoint(tmp_path / "none.pth")
    text = tmp_path / "text.pth"
    text.write_text("not a checkpoint")
    with pytest.raises(InputError, match=r"text\.pth"):
        read_checkpoint(text)
    whole = write(tmp_path / "whole.pth", state_dict=published()).read_bytes()
    cut = tmp_path / "cut.pth"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cut\.pth"):
        read_checkpoint(cut)
    with pytest.raises(InputError, match="a dict with state_dict expected"):
        read_checkpoint(write(tmp_path / "other.pth", weights=published()))


def test_missing_unknown_and_misshapen_weights_are_named() -> None:
    state = published()
    config = config_of(state)
    fewer = {name: weight for name, weight in state.items() if name != "style_mu.bias"}
    with pytest.raises(InputError, match=r"style_mu\.bias expected, not found"):
        MIRROR.from_published(fewer, config)
    with pytest.raises(InputError, match=r"unknown weight classifier\.weight"):
        MIRROR.from_published(state | {"classifier.weight": torch.zeros(1)}, config)
    with pytest.raises(InputError, match=r"embedding\.fc1\.weight of shape \(48, 31\) expected"):
        MIRROR.from_published(state, config | {"rna_embed_dim": 31})
    with pytest.raises(InputError, match=r"_fc1\.0\.weight of shape \(24, 11\) expected"):
        MIRROR.from_published(state, config | {"wsi_embed_dim": 11})
    with pytest.raises(InputError, match="embed_dim expected, not found"):
        MIRROR.from_published(state, {k: v for k, v in config.items() if k != "embed_dim"})
    with pytest.raises(InputError, match="rna_norm_layer 'layernorm' expected, 'rms' found"):
        MIRROR.from_published(state, config | {"rna_norm_layer": "rms"})
    with pytest.raises(InputError, match=r"loss_weights of .* expected, vicreg found"):
        MIRROR.from_published(state, config | {"loss_weights": {"vicreg": 1.0}})


def test_data_of_other_widths_are_refused() -> None:
    state = published()
    checkpoint = Checkpoint(state, config_of(state))
    with pytest.raises(InputError, match="patch width 10 expected"):
        require_inputs(checkpoint, 768, 30)
    with pytest.raises(InputError, match="gene count 30 expected"):
        require_inputs(checkpoint, 10, 31)
