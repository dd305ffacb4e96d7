"""A bag of any size embeds in bounded memory, to the same numbers as in one piece.

A script too, so that the peak memory of one embedding can be read off a process of its own:

    python -m tests.methods.test_bag_memory PATCHES WIDTH
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from methods.encoders.architecture import EncoderArchitecture
from methods.encoders.attention import runs
from methods.encoders.slide import SlideEncoder

PATCH_WIDTH = 1536


def encoder(width: int, *, exact: bool = False) -> SlideEncoder:
    torch.manual_seed(0)
    architecture = EncoderArchitecture(width=width, exact_attention=exact)
    return SlideEncoder(PATCH_WIDTH, architecture).eval()


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("n", [1, 2, 23, 100, 400])
def test_piece_by_piece_is_the_whole(monkeypatch: pytest.MonkeyPatch, n: int, exact: bool) -> None:
    model, bags = encoder(48, exact=exact), torch.randn(2, n, PATCH_WIDTH)
    with torch.inference_mode():
        at_once = model.summary(bags)
        monkeypatch.setattr(runs, "VALUES_AT_ONCE", 1)
        by_pieces = model.summary(bags)
        torch.testing.assert_close(by_pieces, at_once, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(by_pieces, model(bags)[:, 0], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(by_pieces, model.summary(bags), rtol=1e-5, atol=1e-6)


def test_runs_cover_every_piece_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "VALUES_AT_ONCE", 100)
    assert runs.runs(8, 30) == [slice(0, 3), slice(3, 6), slice(6, 8)]
    assert runs.runs(2, 1000) == [slice(0, 1), slice(1, 2)]
    assert runs.runs(5, 1) == [slice(0, 5)]


@pytest.mark.slow
def test_a_hundred_thousand_patches_at_the_default_width() -> None:
    found = embed_elsewhere(100_000, 48)
    # Two matrices of all tokens are 2 x 19 MB; the rest is what a few heads need.
    assert found["extra"] <= 250
    assert found["difference"] <= 1e-5


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_hundred_thousand_patches_at_paper_width() -> None:
    found = embed_elsewhere(100_000, 768)
    # Two matrices of all tokens are 2 x 307 MB; the rest is what one head needs.
    assert found["extra"] <= 1_100
    assert found["difference"] <= 1e-5


def embed_elsewhere(patches: int, width: int) -> dict[str, float]:
    """What `main` prints in a process of its own."""
    command = [sys.executable, "-m", "tests.methods.test_bag_memory", str(patches), str(width)]
    root = Path(__file__).parents[2]
    run = subprocess.run(command, cwd=root, check=True, capture_output=True)
    found: dict[str, float] = json.loads(run.stdout)
    return found


def mebibytes(field: str) -> int:
    """VmRSS, or VmHWM for the peak; not ru_maxrss, which Linux hands on to a child."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{field}:")[1].split()[0]) // 1024


def main(patches: int, width: int) -> None:
    """Print what an embedding takes above its bag, MiB, and how far from the whole in one piece.

    The difference is relative to the largest value.
    """
    model, bag = encoder(width), torch.empty(1, patches, PATCH_WIDTH).normal_()
    before = mebibytes("VmRSS")
    with torch.inference_mode():
        by_pieces = model.summary(bag)
        extra = mebibytes("VmHWM") - before
        runs.VALUES_AT_ONCE = 2**62
        at_once = model.summary(bag)
    difference = ((by_pieces - at_once).abs().max() / at_once.abs().max()).item()
    print(json.dumps({"extra": extra, "difference": difference}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
