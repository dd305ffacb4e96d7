"""Hostile texts through every sink: nothing that acts comes out, and the words are still there."""

import base64
import csv
import gzip
import io
import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from matplotlib.figure import Figure
from rich.console import Console

from benchmark.analysis.board import Board
from benchmark.show import escape
from benchmark.show.export import latex, sheet
from benchmark.show.figures import ablations, compute, embedding_map, forest
from benchmark.show.figures.embedding_map import Projection
from benchmark.show.figures.look import svg
from benchmark.show.html import write_report
from benchmark.show.leaderboard import Leaderboard, render
from benchmark.show.terminal import show
from tests.helpers.frames import lose, records
from tests.helpers.stores import write_store

HOSTILE = {
    "script": "</script><script>alert(1)</script>",
    "image": "<img src=x onerror=alert(1)>",
    "link": "[click](http://evil.example)",
    "bare link": "see https://evil.example/x or www.evil.example",
    "picture": "![seen](http://evil.example/p.png)",
    "code": "a`<b>`c",
    "cell": "a | b",
    "formula": "=HYPERLINK(1)",
    "sum": "@SUM(1)",
    "minus": "-1+2",
    "terminal": "red \x1b[31m and bell \x07",
    "markup": "[bold red]loud[/]",
    "direction": "abc \u202egnp.exe",
    "lines": "one\r\n# two",
    "latex": r"\input{/etc/passwd} 100 % $x^2$ a_b #1 ~",
    "template": "{{ 7 * 7 }}{% raw %}",
    "heading": "# big",
}
WORDS = {name: re.findall(r"[A-Za-z]{3,}", text) for name, text in HOSTILE.items()}
FOLDS = [0.60, 0.62, 0.58, 0.64, 0.61]


def hostile_frame(text: str, *, names_too: bool = True) -> pd.DataFrame:
    """Records whose every text of others is this one.

    Names are checked when records are read; where none were read they are hostile too.
    """
    label = text if names_too else "X"
    mine = f"method {text}" if names_too else "mine"
    levels = {mine: 0.0, "mirror": -0.02, "lost": -0.05}
    values = {name: [[x + level for x in FOLDS]] for name, level in levels.items()}
    of_cohort = ("source", "licence", "notes", "encoder", "pretrained_on")
    texts = (*of_cohort, "family", "circular", "summary")
    own: dict[str, Any] = dict.fromkeys(texts, text) | {"task": f"survival/{label}/{label}"}
    frames = [records({name: its}, **own) for name, its in values.items()]
    variant = {f"variant {text}" if names_too else "variant": [FOLDS]}
    frames.append(records(variant, role="ablation", parent="mirror", **own))
    permuted = frames[1].assign(protocol="strict+permuted-labels")
    permuted["trial"] += "/permuted"
    metric = text if names_too else "further"
    further = [frame.assign(metric=metric, primary=False, position=1) for frame in frames]
    frame = pd.concat([*frames, *further, permuted], ignore_index=True)
    lose(frame, (frame["method"] == "lost") & (frame["fold"] == 1), "failed", text)
    return frame


def acts(text: str) -> str:
    """A character that commands a terminal or turns a line, if there is one."""
    return next((c for c in text if unicodedata.category(c) in {"Cc", "Cf"} and c != "\n"), "")


class Elements(HTMLParser):
    """The elements of a page, and the words between them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        """Words."""
        self.words.append(data)


def is_there(name: str, text: str) -> bool:
    return all(word in text for word in WORDS[name])


def pages(board: Leaderboard) -> Iterator[str]:
    yield board.front
    yield from (text for name, text in board.tables.items() if name.endswith(".md"))


OURS = {"details", "summary"}
"""Elements that the leaderboard writes itself."""


@pytest.mark.parametrize("name", HOSTILE)
def test_markdown_has_no_element_link_or_command_of_others(name: str) -> None:
    parser = MarkdownIt("commonmark").enable("table")
    words = ""
    for page in pages(render(Board(hostile_frame(HOSTILE[name])))):
        assert not acts(page)
        assert "# big" not in page.splitlines()
        # What GitHub makes a link of although nothing marks it as one; not in HTML nor in code.
        assert not re.search(r"https?://|www\.", re.sub(r"<summary>.*|`[^`]*`", "", page))
        assert {tag.strip("/") for tag in re.findall(r"<(/?\w*)", page)} - {"0"} <= OURS
        shown = Elements(parser.render(page))
        words += "".join(shown.words)
        assert not set(shown.tags) & {"script", "img", "b", "iframe"}
        links = [value for key, value in shown.attributes if key in {"href", "src"}]
        assert all(re.fullmatch(r"results/tables/[\w.-]+|[\w.-]+\.csv", link) for link in links)
        widths = []
        for token in parser.parse(page):
            if token.type == "tr_open":
                widths.append(0)
            elif token.type in {"td_open", "th_open"}:
                widths[-1] += 1
            elif token.type == "table_close":
                assert len(set(widths)) == 1
                widths = []
        lines = [line for line in page.splitlines() if line.startswith("| ")]
        assert all(line.endswith(" |") for line in lines)
    assert is_there(name, words)


@pytest.mark.parametrize("name", HOSTILE)
def test_csv_has_no_formula_and_its_numbers_are_numbers(name: str) -> None:
    board = Board(hostile_frame(HOSTILE[name]))
    text = sheet(board)
    assert not acts(text)
    rows = list(csv.DictReader(io.StringIO(text)))
    numbers = {"difference", "difference_low", "difference_high", "score", "low", "high"}
    for row in rows:
        for column, cell in row.items():
            if column in numbers and cell:
                float(cell)
            elif column not in numbers:
                assert not cell.startswith(("=", "+", "-", "@")), (column, cell)
    assert any(row["difference"].startswith("-") for row in rows)
    assert is_there(name, text)
    for file, committed in render(board).tables.items():
        if file.endswith(".csv"):
            assert not acts(committed)
            assert not re.search(r"(?m)(^|,)\"?[=+@]", committed)


@pytest.mark.parametrize("name", HOSTILE)
def test_latex_reads_no_command_of_others(name: str) -> None:
    text = latex(Board(hostile_frame(HOSTILE[name])))
    assert not acts(text)
    commands = set(re.findall(r"\\([A-Za-z]+)", text))
    assert commands <= {
        "begin", "end", "centering", "caption", "toprule", "midrule", "bottomrule", "multicolumn",
        "emph", "texttt", "textbackslash", "textasciitilde", "textasciicircum", "textbar",
        "uparrow", "downarrow", "cdot", "Delta", "pm", "bullet", "ge",
    }  # fmt: skip
    bare = re.sub(r"\\.", "", text)
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    assert not set(bare) & set("#%^~_")
    assert is_there(name, re.sub(r"\\textbackslash\{\}", "\\\\", text))


@pytest.mark.parametrize("name", HOSTILE)
def test_the_terminal_obeys_nobody(name: str) -> None:
    out = io.StringIO()
    console = Console(file=out, width=2000, force_terminal=True, color_system="standard")
    show(Board(hostile_frame(HOSTILE[name])), console)
    # What is left when the sequences that rich writes for its own styles are taken away.
    ours = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
    assert not acts(ours)
    assert "\x1b[31m and" not in out.getvalue()
    assert is_there(name, ours)
    assert "[bold red]" in ours or name != "markup"


def test_the_page_holds_every_text_as_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.show.html.drawings.of_task", lambda *_: ())
    text = " ".join(HOSTILE.values())
    own: dict[str, Any] = {"config": {text: text}, "versions": {text: text}, "device": text}
    store = write_store(tmp_path / "results", hostile_frame(text, names_too=False), **own)
    write_report(store, tmp_path / "page")
    words = ""
    for path in (*tmp_path.glob("page/**/*.html"), *tmp_path.glob("page/data/*.js")):
        content = path.read_text()
        assert not acts(content), path
        if path.suffix == ".js":
            assert not acts("".join(strings(handed_over(content)))), path
            continue
        page = Elements(content)
        words += "".join(page.words)
        assert not [key for key, _ in page.attributes if key.startswith("on")]
        leads = [value for key, value in page.attributes if key in {"href", "src"}]
        assert not [value for value in leads if re.match(r"[a-z]+:|//", value)]
        assert "img" not in page.tags or path.name.startswith(("index", "ablations"))
        scripts = [place for key, place in page.attributes if key == "src" and ".js" in place]
        assert page.tags.count("script") == len(scripts)  # none is written out
        assert all((path.parent / place).is_file() for place in scripts)
    assert all(is_there(name, words) for name in HOSTILE)


def handed_over(script: str) -> object:
    """What a script of data hands to the page, unpacked."""
    found = re.fullmatch(r"mirrorBench\.\w+\((.*)\);\n", script, re.DOTALL)
    assert found is not None
    value: object = json.loads(found[1])
    if isinstance(value, str):
        value = json.loads(gzip.decompress(base64.b64decode(value)))
    return value


def strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def drawn(text: str) -> Iterator[Figure]:
    frame = hostile_frame(text)
    board = Board(frame[frame["metric"] == "harrell_c"])
    table = next(table for table in board.standings if table.protocol == "strict")
    yield forest(table)
    yield compute(table)
    for parent, found in board.ablations.items():
        yield ablations(found, parent)
    points = pd.DataFrame({"x": [0.0, 1.0, 2.0], "y": [0.0, 1.0, 0.0]}).to_numpy()
    yield embedding_map(Projection(points, (0.5, 0.5)), {text: [text, None, text]}, text, text)


@pytest.mark.parametrize("name", ["script", "terminal", "direction", "latex", "lines"])
def test_figures_write_texts_as_they_are(name: str) -> None:
    for figure in drawn(HOSTILE[name]):
        content = svg(figure)
        assert not acts(content)
        page = Elements(content)
        assert not set(page.tags) & {"script", "img", "a", "foreignobject"}


@given(st.text())
def test_plain_is_one_printable_line_and_keeps_what_is_plain(text: str) -> None:
    found = escape.plain(text)
    assert found.isprintable()
    assert escape.plain(found) == found
    if text.isprintable():
        assert found == text


SINKS: dict[str, Callable[[str], str]] = {
    "markdown": escape.markdown,
    "code": escape.markdown_code,
    "html": escape.html,
    "latex": escape.latex,
    "terminal": escape.terminal,
    "csv": lambda text: str(escape.csv_cell(text)),
}


@pytest.mark.parametrize("sink", SINKS)
@given(st.text(st.sampled_from("ab<>[]()!`*_|\\&#@=+-\t\r\x1b\u202e:/.w%${}~^")))
def test_every_sink_is_quiet_and_closed(sink: str, text: str) -> None:
    found = SINKS[sink](text)
    assert not acts(found)
    if sink == "html":
        assert not set(found) & set("<>\"'")
    elif sink == "csv":
        assert not found.startswith(("=", "+", "-", "@"))
    elif sink in {"markdown", "code"}:
        rendered = Elements(MarkdownIt("commonmark").enable("table").render(f"x {found} x"))
        assert set(rendered.tags) <= {"p", "code"}
        assert not re.search(r"://|(?i:\bwww\.)", found.strip("`")) or found.startswith("`")


def test_ordinary_names_stay_what_they_are() -> None:
    for name in ("mirror-without-style", "auroc_macro", "survival/TCGA-BRCA/os", "a.b+c"):
        assert escape.markdown(name) == name
        assert escape.markdown_code(name) == f"`{name}`"
        assert escape.html(name) == escape.terminal(name) == name
        assert escape.csv_cell(name) == name
    assert escape.csv_cell(-1.5) == -1.5
