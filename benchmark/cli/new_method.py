"""`mirror-bench new-method`: one file that runs, to start a method from."""

import re
from importlib.resources import files
from pathlib import Path

from tasks.errors import InputError

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def write_method(name: str, folder: Path) -> str:
    """Write `NAME.py`, a small method with its whole contract.

    Args:
        name: Lower-case words with hyphens between; the name on the command line.
        folder: Where to; it must be there.

    Returns:
        What was written and what to do next.

    Raises:
        InputError: The name has another form, or the file is there already or cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"expected a name such as my-method, found {name!r}")
    module = name.replace("-", "_")
    path = folder / f"{module}.py"
    template = (files("benchmark.cli") / "new_method.py.txt").read_text(encoding="utf-8")
    text = template.replace("NAME", name).replace("CLASS", name.title().replace("-", ""))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise InputError(f"{path}: expected no such file yet, found one") from None
    except OSError as error:
        raise InputError(
            f"{path}: expected a file that can be written, found: {error.strerror}"
        ) from error
    return (
        f"wrote {path}. To register it, either\n"
        f"  in this repository: move it to methods/ and add methods.{module} to MODULES in"
        " methods/registry.py, or\n"
        "  in a package of your own, in its pyproject.toml:\n"
        '    [project.entry-points."mirror_bench.methods"]\n'
        f'    {name} = "your_package.{module}"\n'
        f"Then: mirror-bench run --methods {name},mirror --tasks survival"
    )
