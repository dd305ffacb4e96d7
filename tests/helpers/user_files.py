"""Small files as users have them, of three patients."""

from pathlib import Path

A, B, C = "TCGA-AA-0001", "TCGA-AA-0002", "TCGA-BB-0003"


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path
