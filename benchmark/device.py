"""The devices of this machine."""

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
