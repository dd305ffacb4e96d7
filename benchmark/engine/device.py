"""The devices of this machine."""

import time

import torch

from tasks.errors import InputError

AUTO = "auto"
"""The GPU where there is one, else the CPU."""


def chosen_device(name: str, *, on_cluster: bool = False) -> str:
    """The device that a name stands for: itself, or what `auto` finds on this machine.

    Args:
        name: `auto`, or a torch device.
        on_cluster: The work is done elsewhere: what is there only the workers know.

    Raises:
        InputError: There is no such device, or `auto` would have to guess.
    """
    if on_cluster:
        if name == AUTO:
            raise InputError("--device: on a cluster expected cpu or cuda, found 'auto'")
        return name
    there = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    if name == AUTO:
        return there[-1]
    there += [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    if name not in there:
        raise InputError(f"--device: expected one of auto, {', '.join(there)}, found {name!r}")
    return name


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
