"""`--set METHOD.FIELD=VALUE`: a configuration changed from the command line."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

from methods.base import Config, MethodSpec
from tasks.data.formats.cells import near
from tasks.errors import InputError


def configured(methods: Iterable[MethodSpec], settings: Sequence[str]) -> tuple[MethodSpec, ...]:
    """The methods with every setting applied, over whatever their budget says.

    Args:
        methods: The methods that are run.
        settings: Each `METHOD.FIELD=VALUE`.

    Raises:
        InputError: A setting has another form, names no method that is run or no field of its
            configuration, or has a value of another type.
    """
    chosen = {spec.name: spec for spec in methods}
    for setting in settings:
        place, equals, text = setting.partition("=")
        name, dot, field = place.rpartition(".")
        if not (equals and dot):
            raise InputError(f"--set: expected METHOD.FIELD=VALUE, found {setting!r}")
        if name not in chosen:
            raise InputError(
                f"--set {setting}: expected one of the methods that are run, "
                f"{', '.join(sorted(chosen))}, found {name!r}{near(name, chosen)}"
            )
        spec = chosen[name]
        types = get_type_hints(type(spec.config))
        if field not in types:
            raise InputError(
                f"--set {setting}: expected one of {name}'s fields, "
                f"{', '.join(sorted(types))}, found {field!r}{near(field, types)}"
            )
        value = _parsed(setting, types[field], text)
        chosen[name] = replace(spec, delta={**spec.delta, field: value})
    for spec in chosen.values():
        if spec.needs is not None and spec.needs not in spec.delta:
            raise InputError(
                f"{spec.name}: expected --set {spec.name}.{spec.needs}=VALUE, found none"
            )
    return tuple(chosen.values())


def recorded_config(spec: MethodSpec, values: Mapping[str, Any]) -> Config:
    """The configuration that a record tells of.

    Args:
        spec: The method that was run.
        values: By field, as JSON has them.

    Raises:
        InputError: The method has other fields now.
    """
    kinds = get_type_hints(type(spec.config))
    if kinds.keys() != values.keys():
        raise InputError(
            f"{spec.name}: expected the configuration's fields {', '.join(sorted(kinds))}, "
            f"found {', '.join(sorted(values))} in the record"
        )
    return type(spec.config)(**{name: _typed(kinds[name], values[name]) for name in values})


def _typed(kind: Any, value: Any) -> Any:
    """A value from JSON as its declared type, of those that JSON has not."""
    if isinstance(value, str):
        for option in get_args(kind) or (kind,):
            if issubclass(option, Path | StrEnum):
                return option(value)
    return tuple(value) if isinstance(value, list) else value


def _parsed(setting: str, kind: Any, text: str) -> object:
    """The value as its declared type."""
    options = [option for option in get_args(kind) or (kind,) if option is not NoneType]
    for option in options:
        if option is bool:
            if text.lower() in ("true", "false"):
                return text.lower() == "true"
        elif option is Path:
            path = Path(text).absolute()
            if not path.is_file():
                raise InputError(f"--set {setting}: expected a file, found none")
            return path
        elif issubclass(option, int | float | str | StrEnum):
            try:
                value = option(text)
            except ValueError:
                continue
            if option is not float or math.isfinite(value):
                return value
    expected = " or ".join(map(_words_for, options))
    raise InputError(f"--set {setting}: expected {expected}, found {text!r}")


def _words_for(kind: type) -> str:
    if issubclass(kind, StrEnum):
        return f"one of {', '.join(kind)}"
    return "a finite float" if kind is float else kind.__name__
