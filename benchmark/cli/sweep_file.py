"""A sweep as a file: `--config` reads one, and every run writes its own."""

import hashlib
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import tomlkit
import typer

from tasks.data.formats.cells import near, shown
from tasks.data.formats.files import reading, require_file
from tasks.errors import InputError

if TYPE_CHECKING:
    from benchmark.engine.runner import RunOptions

FOLDER = "sweeps"
"""Of a results folder, in which runs leave theirs."""

_OF_THE_MOMENT = {"workers", "address", "tracking_uri", "overwrite", "retry_failed"}
"""What is of a machine, or of what was recorded before: no part of what is run."""


def read_sweep(context: typer.Context, path: Path | None) -> Path | None:
    """Take from a file what is not typed; the callback of `--config`.

    Raises:
        InputError: The file is not TOML, has a key that is no option, or a value that is none.
    """
    if path is None:
        return None
    require_file(path)
    with reading(path, "TOML in UTF-8"):
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    known = {
        word[2:]: param
        for param in context.command.params
        for word in param.opts
        if param.param_type_name == "option" and word.startswith("--") and word != "--config"
    }
    given: dict[str, object] = {}
    for key, value in content.items():
        if key not in known:
            raise InputError(
                f"{path}: {key}: expected one of {', '.join(sorted(known))}, found no such option"
                f"{near(key, known)}"
            )
        param = known[key]
        words = value if isinstance(value, list) else [value]
        typed = [str(word) for word in words if isinstance(word, int | str)]
        flag = param.is_flag  # type: ignore[attr-defined]
        if flag is not isinstance(value, bool) or (
            not flag and (len(typed) < len(words) or any(isinstance(word, bool) for word in words))
        ):
            expected = "true or false" if flag else "a text, a whole number or a list of them"
            raise InputError(f"{path}: {key}: expected {expected}, found {shown(value)}")
        given[param.name] = value if flag else typed if param.multiple else ",".join(typed)
        try:
            param.process_value(context, given[param.name])
        except typer.TyperException as error:
            raise InputError(f"{path}: {key}: {error.message}, found {shown(value)}") from error
    context.default_map = given
    return path


def as_toml(options: "RunOptions") -> str:
    """What `--config` reads so that the same is run; nothing of the machine it ran on."""
    tuning = options.tuning
    given = {
        field.name.replace("_", "-"): getattr(options, field.name)
        for field in fields(options)
        if field.name not in _OF_THE_MOMENT and getattr(options, field.name) != field.default
    }
    if tuning is not None:
        given |= {"tune": tuning.n, "pruner": tuning.pruner}
    if "seeds" in given:
        given["seeds"] = list(options.seeds)
    given["set"] = list(options.settings)
    given["embeddings"] = list(options.embeddings)
    left_out = ("tuning", "settings")
    return tomlkit.dumps(
        {
            key: value if isinstance(value, int | list) else str(value)
            for key, value in given.items()
            if key not in left_out and value not in (None, [])
        }
    )


def write_sweep(options: "RunOptions") -> Path:
    """Write it into the results folder, under a name that the same sweep has again."""
    text = as_toml(options)
    key = hashlib.sha256(text.encode()).hexdigest()[:8]
    path = options.results / FOLDER / f"{key}.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
