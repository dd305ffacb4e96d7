"""`mirror-bench data`: cohorts on the disk before anything is run on them."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.console import open_console
from tasks.data.store.precision import StoredPrecision
from tasks.errors import InputError

data_app = typer.Typer(help="Make, check and convert cohorts.", no_args_is_help=True)


@data_app.command("synth")
def synth(
    folder: Annotated[Path, typer.Argument(help="Where to write; a folder a cohort.")],
) -> None:
    """Write the planted cohorts, as an example of a folder for --data."""
    from tasks.data.synthetic import EMBEDDED, write_planted

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


@data_app.command("import")
def import_(
    cohort: Annotated[Path, typer.Argument(help="A folder with a cohort.toml; left as it is.")],
    precision: Annotated[
        StoredPrecision, typer.Option(help="Of the features in the store.")
    ] = StoredPrecision.FLOAT16,
    output: Annotated[
        Path | None,
        typer.Option(
            help="A new folder for a cohort that uses the store; else the store goes into COHORT."
        ),
    ] = None,
) -> None:
    """Pack a cohort's per-slide files into one store that is read out of core.

    Whoever is killed and starts again goes on where it was.
    """
    from benchmark.cli.pack import pack_cohort

    pack_cohort(cohort, output, precision, open_console())


@data_app.command("init")
def init(
    folder: Annotated[Path, typer.Argument(help="A folder of files as your tools wrote them.")],
) -> None:
    """Write a commented cohort.toml: what was recognised, what guessed, what must be told."""
    from benchmark.cli.init import init as init_cohort

    init_cohort(folder, open_console())


@data_app.command("fetch")
def fetch_cohorts(
    name: Annotated[str, typer.Argument(help="What to fetch: tcga-hif or tcga-hipt.")],
    folder: Annotated[Path, typer.Argument(help="Where the cohorts go; a folder a cohort.")],
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="You accept the licences that are shown.")
    ] = False,
    cohorts: Annotated[
        str | None, typer.Option(help="Which cohorts, BRCA,KIRC; all if it is not said.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Another server of the same files, in the same layout.")
    ] = None,
    from_folder: Annotated[
        Path | None,
        typer.Option("--from", help="A folder of the files; nothing is asked of a server."),
    ] = None,
) -> None:
    """Bring open cohorts, and check those that are there; exit 1 if one is not, or not whole."""
    from benchmark.cli.fetch import CATALOGUES, fetch, source_of
    from tasks.data.formats.cells import near

    if name not in CATALOGUES:
        raise InputError(
            f"data fetch: expected {' or '.join(CATALOGUES)}, found {name!r}"
            f"{near(name, CATALOGUES)}"
        )
    names = () if cohorts is None else tuple(word.strip() for word in cohorts.split(","))
    raise typer.Exit(
        fetch(
            CATALOGUES[name],
            folder,
            source_of(source, from_folder),
            open_console(),
            accepted=accept_licence,
            cohorts=names,
        )
    )


@data_app.command("verify")
def verify(
    path: Annotated[Path, typer.Argument(help="A cohort's folder, or a folder of cohorts.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Stable JSON instead of a table.")
    ] = False,
) -> None:
    """Whether the data are whole, and what they are; exit 1 if there is a problem."""
    from benchmark.cli.verify import verify as verify_path

    raise typer.Exit(verify_path(path, as_json, open_console()))


@data_app.command("cards")
def cards(
    path: Annotated[Path, typer.Argument(help="A cohort's folder, or a folder of cohorts.")],
    output: Annotated[
        Path | None, typer.Option(help="The file to write; else it goes to standard output.")
    ] = None,
) -> None:
    """What cohorts are and what they are not good for, as a page of Markdown."""
    from benchmark.show.cards import page
    from tasks.atomic import atomic_write
    from tasks.checks.card import card_of
    from tasks.data.load import find_cohorts

    text = page([card_of(folder) for folder in find_cohorts(path)])
    if output is None:
        typer.echo(text, nl=False)
        return
    with atomic_write(output) as file:
        file.write(text.encode())
    typer.echo(f"wrote {output}")
