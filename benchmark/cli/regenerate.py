"""`mirror-bench leaderboard`: the tables, the figures and the page, from the records alone."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import BaselineOption, ResultsOption
from tasks.errors import InputError


class Form(StrEnum):
    """What `leaderboard` writes."""

    MARKDOWN = "md"
    CSV = "csv"
    LATEX = "latex"


def leaderboard(
    results: ResultsOption = Path("results"),
    output: Annotated[Path, typer.Option(help="The file.")] = Path("leaderboard.md"),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 if the file is not up to date.")
    ] = False,
    tasks: Annotated[str | None, typer.Option(help="Kinds or globs of tasks; default all.")] = None,
    methods: Annotated[str | None, typer.Option(help="Names and globs; default all.")] = None,
    protocol: Annotated[str | None, typer.Option(help="Of one protocol; default all.")] = None,
    baseline: BaselineOption = None,
    form: Annotated[Form, typer.Option("--format", help="csv and latex go to the screen.")] = (
        Form.MARKDOWN
    ),
    figures: Annotated[
        bool, typer.Option("--figures", help="Draw the figures of the results folder again too.")
    ] = False,
    excerpt: Annotated[
        Path | None,
        typer.Option(help="A page to put the overview into, between its marks `leaderboard`."),
    ] = None,
) -> None:
    """Regenerate leaderboard.md and the tables that it links to, from the records alone.

    A selection, csv and LaTeX go to the screen.
    """
    selected = (tasks, methods, protocol) != (None, None, None)
    of_all = {"--check": check, "--figures": figures, "--excerpt": excerpt is not None}
    asked = [option for option, given in of_all.items() if given]
    if asked and (selected or form is not Form.MARKDOWN):
        raise InputError(
            f"{asked[0]}: expected the whole board in markdown, found a selection of it"
        )
    from benchmark.analysis.board import Board
    from benchmark.show import files as board_files
    from benchmark.show.export import latex, sheet
    from benchmark.show.leaderboard import FIRST, render

    markdown = form is Form.MARKDOWN
    whole = Board.from_folder(results, over_patients=markdown).against(baseline)
    board = whole.chosen(tasks, methods, protocol)
    if not markdown:
        typer.echo(latex(board) if form is Form.LATEX else sheet(board), nl=False)
        return
    folder, drawn_in = results / "tables", results / "figures"
    first = drawn_in / f"{FIRST}.svg"
    figure = board_files.link(first, output) if figures or first.is_file() else ""
    pages = render(board, board_files.link(folder, output), figure)
    if selected:
        typer.echo(pages.whole, nl=False)
        return
    if check:
        wrong = board_files.differing(pages, output, folder, drawn_in)
        for path in wrong:
            typer.echo(f"{path} is not what the records of {results} give", err=True)
        if wrong:
            raise typer.Exit(1)
        typer.echo(f"{output} and {folder} are what the records of {results} give")
        return
    board_files.write(pages, output, folder)
    typer.echo(f"wrote {output} and {len(pages.tables)} pages of tables in {folder}")
    if excerpt is not None:
        board_files.excerpt(pages, excerpt)
        typer.echo(f"wrote the overview into {excerpt}")
    if figures:
        from benchmark.show.figures.of_board import draw

        drawn = draw(board, pages.source, drawn_in)
        typer.echo(f"wrote {len(drawn)} files in {drawn_in}")
