"""The devices of this machine."""

import time

import torch

from tasks.errors import InputError


def check_device(name: str) -> None:
    """Refuse what this machine does not have.

    Raises:
        InputError: There is no such device.
    """
    there = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    there += [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    if name not in there:
        raise InputError(f"--device: expected one of {', '.join(there)}, found {name!r}")


def bfloat16_cost(name: str) -> float:
    """How many times as long as in float32 a matrix product takes in bfloat16 on a device.

    Below one where the device has instructions for it; tens on a CPU that has none.
    """
    single, half = (_product_seconds(name, dtype) for dtype in (torch.float32, torch.bfloat16))
    return half / single


def _product_seconds(name: str, dtype: torch.dtype) -> float:
    """The least of several, for the first ones start threads."""
    matrix = torch.ones(256, 256, dtype=dtype, device=name)
    times = []
    for _ in range(20):
        start = time.perf_counter()
        float((matrix @ matrix)[0, 0])  # waits for a device that computes by itself
        times.append(time.perf_counter() - start)
    return min(times)
