"""The hook that makes the site of the documentation; `make docs` builds all of it, strictly."""

import base64
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import pytest
from mkdocs.exceptions import PluginError

HOOK = run_path(str(Path(__file__).parent.parent / "docs" / "site_pages.py"))
PAGE = SimpleNamespace(file=SimpleNamespace(src_uri="docs/page.md"), meta={})


@pytest.mark.parametrize(
    "outside",
    [
        '<script src="https://example.org/a.js"></script>',
        '<img alt="" src=//example.org/a.png>',
        '<link rel="stylesheet" href="https://example.org/a.css">',
        '<style>@import "https://example.org/a.css"</style>',
        '<pre class="mermaid">graph</pre>',  # which a library of another server would draw
    ],
)
def test_a_page_that_asks_another_server_is_refused(outside: str) -> None:
    with pytest.raises(PluginError, match=r"docs/page\.md: expected files of the site"):
        HOOK["on_post_page"](f"<p>text</p>{outside}", PAGE)


def test_links_to_others_are_none_of_that() -> None:
    html = '<a href="https://example.org">there</a><script src="assets/a.js"></script>'
    assert HOOK["on_post_page"](html, PAGE) == html


def test_cells_and_their_outputs_are_shown_in_order() -> None:
    outputs = [
        {"data": {"text/html": ["<table>", "</table>"], "text/plain": "a table"}},
        {"data": {"image/png": base64.b64encode(b"dots").decode(), "text/plain": "a figure"}},
        {"text": ["said\n"]},
    ]
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "words"]},
        {"cell_type": "code", "source": ["f()"], "outputs": outputs},
    ]
    pictures: dict[str, bytes] = {}
    assert [*HOOK["cells"]({"cells": cells}, pictures)] == [
        "# Title\nwords",
        "```python\nf()\n```",
        "<table></table>",
        "![](tutorial-0.png)",
        "```text\nsaid\n```",
    ]
    assert pictures == {"docs/tutorial-0.png": b"dots"}


def test_the_reference_has_every_command_and_option() -> None:
    text = HOOK["commands"]()
    for command in ("run", "leaderboard", "data fetch", "results merge"):
        assert f"`mirror-bench {command}`\n" in text
    assert "* `--methods <str>`: all, or names and globs between commas." in text
