"""What is said of this machine's devices."""

import io

import pytest
import torch
from rich.console import Console

from benchmark.cli.run import _OnConsole
from benchmark.engine.device import bfloat16_cost, chosen_device
from benchmark.engine.overrides import configured
from benchmark.engine.runner import SLOW_BFLOAT16, warn_of_bfloat16
from methods.base import Budget
from methods.registry import select_methods
from tasks.errors import InputError


def warning(*settings: str) -> str:
    console = Console(file=io.StringIO(), width=200)
    methods = configured(select_methods("mirror,pca"), settings)
    warn_of_bfloat16(methods, Budget.DEFAULT, "cpu", _OnConsole(console))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_nothing_is_said_of_float32() -> None:
    assert warning() == ""


def test_bfloat16_is_said_to_be_slow_where_it_is() -> None:
    cost = bfloat16_cost("cpu")
    text = warning("mirror.precision=bfloat16")
    # The two were measured one after the other.
    if cost > 2 * SLOW_BFLOAT16:
        assert "bfloat16 (mirror): this cpu" in text
    elif cost < SLOW_BFLOAT16 / 2:
        assert text == ""
    assert cost > 0


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match=r"--device: expected one of auto, cpu.*, found 'tpu'"):
        chosen_device("tpu")


def test_auto_is_the_gpu_where_there_is_one() -> None:
    assert chosen_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    assert chosen_device("cpu") == "cpu"


def test_what_a_cluster_has_is_not_guessed() -> None:
    assert chosen_device("cuda", on_cluster=True) == "cuda"
    with pytest.raises(InputError, match="on a cluster expected cpu or cuda"):
        chosen_device("auto", on_cluster=True)
