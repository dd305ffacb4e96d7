"""What the site of the documentation is made of: a hook of mkdocs (`make docs`).

A page has the place in the site that its file has in the repository, so that a link of the one
works in the other. Reference pages are made as the site is built: of the commands from their
`--help`, of the library by mkdocstrings from docstrings, of the notebook from its cells.
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from typer import Context
from typer.cli import get_docs_for_click
from typer.main import get_command

from benchmark.cli.main import app

ROOT = Path(__file__).parent.parent
FILES = (
    "*.md",
    "CITATION.cff",
    "LICENSE",
    "docs/*.md",
    "docs/*.svg",
    "docs/*training?curves.py",
    "docs/*.csv.gz",
    "results/*.md",
    "results/tables/*",
    "results/figures/*",
)
LIBRARY = {
    "From a notebook: mirror_bench": ("mirror_bench",),
    "A method": ("methods.base", "methods.trainer.TorchMethod", "methods.trainer.TorchConfig"),
    "A task": ("tasks.base", "tasks.scoring"),
    "A cohort": ("tasks.data.cohort", "tasks.embeddings", "tasks.data.splits"),
    "What goes wrong": ("tasks.errors",),
}
"""Headings of the reference of the library, and what stands under them."""

_FROM_OUTSIDE = re.compile(
    r"""<(?:script|img|iframe|source|video)\b[^>]*\bsrc=["']?(?:https?:)?//[^>]*>"""
    r"""|<link\b[^>]*\bhref=["']?(?:https?:)?//[^>]*>|@import|class="?mermaid"""
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Those of the repository and those made here, instead of those of one folder."""
    for file in [*files]:
        if file.src_dir == config.docs_dir:
            files.remove(file)
    for pattern in FILES:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            place = (name, str(ROOT), config.site_dir, bool(config.use_directory_urls))
            files.append(File(*place))
    notebook = json.loads((ROOT / "docs" / "tutorial.ipynb").read_text(encoding="utf-8"))
    pictures: dict[str, str | bytes] = {}
    made = {
        "docs/command-line.md": commands(),
        "docs/library.md": library(),
        "docs/tutorial.md": "\n\n".join(cells(notebook, pictures)),
    }
    for name, content in (made | pictures).items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """What the page of the repository's host shows by itself has to be said to mkdocs."""
    if page.file.src_uri.startswith("results/tables/"):
        page.meta["search"] = {"exclude": True}  # numbers, a megabyte of them
    return re.sub(r"\.ipynb\)", ".md)", markdown).replace("<details>", "<details markdown>")


def on_post_page(output: str, page: Page, **_: object) -> str:
    """No page asks another server for anything: it must be whole without a network."""
    if outside := _FROM_OUTSIDE.search(output):
        raise PluginError(f"{page.file.src_uri}: expected files of the site, found {outside[0]}")
    return output


def commands() -> str:
    """Every command and option, as `--help` has them."""
    command = get_command(app)
    text = get_docs_for_click(
        obj=command, ctx=Context(command), name="mirror-bench", title="Command line"
    )
    return re.sub(r"^\* `-h, --help`.*\n", "", text, flags=re.MULTILINE).replace(
        "```console\n$ ", "```\n"
    )


def library() -> str:
    """What mkdocstrings is asked for."""
    parts = ["# Library"]
    for heading, names in LIBRARY.items():
        parts += [f"## {heading}", *(f"::: {name}" for name in names)]
    return "\n\n".join(parts)


def cells(notebook: Mapping[str, Any], pictures: dict[str, str | bytes]) -> Iterator[str]:
    """Each cell and output of a notebook in Markdown; its pictures are added to the files."""
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        yield source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```"
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "image/png" in data:
                name = f"tutorial-{len(pictures)}.png"
                pictures[f"docs/{name}"] = base64.b64decode(data["image/png"])
                yield f"![]({name})"
            elif "text/html" in data:
                yield "".join(data["text/html"])
            else:
                text = "".join(output.get("text", data.get("text/plain", "")))
                yield f"```text\n{text.rstrip()}\n```"
