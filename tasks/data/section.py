"""One table of a TOML file, taken key by key, with errors that name the file and the key."""

from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from tasks.data.formats.files import what_is_at
from tasks.data.formats.tables import near
from tasks.errors import InputError
from tasks.names import NAME_RULE, is_name

_C = TypeVar("_C", bound=StrEnum)


class Section:
    """One table of the file; every key is taken once, and what is left over is unknown."""

    def __init__(self, file: Path, name: str, value: object) -> None:
        self.file = file
        self.name = name
        if not isinstance(value, dict):
            raise InputError(f"{file}: [{name}]: expected a table of keys, found {value!r}")
        self._left: dict[str, Any] = dict(value)
        self._known: list[str] = []

    def key(self, key: str) -> str:
        """The key as the file would write it in full."""
        return f"{self.name}.{key}" if self.name else key

    def fail(self, key: str, expected: str, found: str) -> InputError:
        """The error for one key."""
        return InputError(f"{self.file}: {self.key(key)}: expected {expected}, found {found}")

    def take(self, key: str) -> Any:
        """The value of a key, or None; the key is known from then on."""
        self._known.append(key)
        return self._left.pop(key, None)

    def text(self, key: str, default: str | None = None, *, blank: bool = False) -> str:
        """A text, non-blank unless `blank` allows it; required unless it has a default."""
        value = self.take(key)
        if value is None and default is not None:
            return default
        if value is None:
            # a near miss of a required key is the likeliest reason why it is missing
            raise self.fail(key, "a text", f"no such key{near(key, self._left)}")
        if not isinstance(value, str) or not (value.strip() or blank):
            raise self.fail(key, "a text", repr(value))
        return value

    def choice(self, key: str, options: type[_C], default: _C | None = None) -> _C:
        """One of the declared words."""
        word = self.text(key, None if default is None else str(default))
        known = [str(option) for option in options]
        if word not in known:
            raise self.fail(key, f"one of {', '.join(known)}", f"{word!r}{near(word, known)}")
        return options(word)

    def path(self, key: str = "path", *, folder: bool = False) -> Path:
        """A file, or a folder or store of slides, that is there; relative to the manifest."""
        path = self.file.parent / self.text(key)
        kind = "a folder or a packed store (.h5)" if folder else "a file"
        found = what_is_at(path)
        store = folder and path.suffix == ".h5" and found == "a file"
        if found != ("a folder" if folder else "a file") and not store:
            raise self.fail(key, kind, f"{path}: {found}")
        return path

    def has(self, key: str) -> bool:
        """Whether a key is there; it is known from then on."""
        self._known.append(key)
        return key in self._left

    def optional_path(self, key: str) -> Path | None:
        """As `path`, or None if the key is absent."""
        return self.path(key) if self.has(key) else None

    def sections(self, key: str) -> dict[str, "Section"]:
        """The tables below a key, by name; none if the key is absent."""
        value = self.take(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.fail(key, "tables", repr(value))
        for name in value:
            if not is_name(name):
                raise self.fail(f"{key}.{name}", NAME_RULE, repr(name))
        return {name: Section(self.file, self.key(f"{key}.{name}"), value[name]) for name in value}

    def section(self, key: str) -> "Section | None":
        """One table, or None if it is absent."""
        value = self.take(key)
        return None if value is None else Section(self.file, self.key(key), value)

    def done(self) -> None:
        """Refuse what nobody took."""
        known = sorted(set(self._known))
        for key in self._left:
            raise InputError(
                f"{self.file}: {self.key(key)}: expected one of {', '.join(known)}, "
                f"found the unknown key {key!r}{near(key, self._known)}"
            )
