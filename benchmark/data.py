"""`mirror-bench data`: cohorts on the disk before anything is run on them."""

from pathlib import Path
from typing import Annotated

import typer

from tasks.errors import InputError
from tasks.synthetic import EMBEDDED, write_planted

data_app = typer.Typer(help="Make, check and convert cohorts.", no_args_is_help=True)


@data_app.command("synth")
def synth(
    folder: Annotated[Path, typer.Argument(help="Where to write; a folder a cohort.")],
) -> None:
    """Write the planted cohorts, as an example of a folder for --data."""
    for config in EMBEDDED:
        target = folder / config.name
        if target.exists():
            raise InputError(f"{target}: expected no such folder yet, found one")
        try:
            write_planted(config, target)
        except OSError as error:
            raise InputError(
                f"{target}: expected a folder that can be written, found: {error.strerror}"
            ) from error
        typer.echo(f"wrote {target}")
