"""Ten questions of a reader, answered by the page in three clicks at most, in a Chromium."""

import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from benchmark.records.store import Store
from benchmark.show.html import drawings, write_report
from benchmark.show.page_names import cohort_page, method_page
from tests.helpers.browser import Browser, absent, browser

pytestmark = pytest.mark.skipif(bool(absent()), reason=absent())

RESULTS = Path(__file__).parents[2] / "results"
COHORTS = ("TCGA-KIRP", "TCGA-LUAD", "PLANTED-VECTORS")
METHODS = (
    "mirror", "mirror-cosine", "mirror-detached", "contrastive", "mean-concat", "pca", "pls",
    "rna-only", "wsi-only", "clinical", "random-init", "late-fusion",
)  # fmt: skip
CLICKS = 3
AXE = find_spec("axe_core_python")


@dataclass(frozen=True)
class Question:
    """What a reader wants to know.

    Attributes:
        words: Typed into the search.
        clicks: What is clicked then, by the text that is read there.
        answer: What has to be in sight, as patterns.
    """

    words: str
    clicks: tuple[str, ...]
    answer: tuple[str, ...]


_SCORE = r"0\.\d{3} \(0\.\d{3} to 0\.\d{3}\)"
QUESTIONS = {
    "which method for kidney cancer, and how sure": Question(
        "which method for kidney cancer?",
        ("Papillary kidney cancer (TCGA-KIRP)",),
        (rf"Use mean-concat: C-index {_SCORE}", r"How sure: .* 257 patients with 40 events",
         r"cannot be told apart"),
    ),
    "why is MIRROR not first": Question(
        "why is MIRROR not first?",
        ("mirror",),
        (r"Why is mirror not first\?", r"Survival: place \d+ of \d+", r"first is \S+",
         r"What training gives: ", r"What it keeps: "),
    ),
    "is MIRROR better than PCA, and on how many cohorts": Question(
        "is mirror better than pca",
        ("Compare mirror with pca",),
        (r"mirror differs from pca by [-+]?0\.\d{3} \(", r"scores higher in \d of \d cohorts",
         r"not told apart|is better"),
    ),
    "what does one side alone reach": Question(
        "renal",
        ("Papillary kidney cancer (TCGA-KIRP)",),
        (rf"One side alone: expression alone reaches {_SCORE}", rf"slides alone reach {_SCORE}"),
    ),
    "does it add to the clinic": Question(
        "lung",
        ("Lung adenocarcinoma (TCGA-LUAD)",),
        (rf"Against the clinic: age, sex and stage alone reach {_SCORE}",
         r"Both together were not fitted"),
    ),
    "how many events has this cohort": Question("LUAD", (), (r"430 patients, 154 events",)),
    "what is a C-index, and what is chance": Question(
        "what is a C-index",
        (),
        (r"event came first was called the higher risk.*chance 0\.5, perfect 1",),
    ),
    "what do MIRROR's ablations say": Question(
        "MIRROR",
        ("mirror",),
        (r"What its ablations say: \d+ variants? on survival", r"told apart"),
    ),
    "which command computes this number again": Question(
        "KIRP",
        ("Papillary kidney cancer (TCGA-KIRP)", "mean-concat", "#trial-"),
        (r"mirror-bench rerun [0-9a-f]{16}",),
    ),
    "what is missing, and why": Question(
        "what is missing",
        ("What is missing, and why",),
        (r"reason", r"skipped|failed|missing"),
    ),
}  # fmt: skip

_CLICKED = """
const [text] = arguments;
document.querySelectorAll("[data-asked]").forEach((e) => e.removeAttribute("data-asked"));
const places = [...document.querySelectorAll("main a, nav a, main summary, main button")];
const named = (e) =>
    text.startsWith("#") ? e.hash?.startsWith(text) : e.textContent.trim() === text;
const found = places.find((e) => e.checkVisibility() && named(e));
found?.setAttribute("data-asked", "");
found?.scrollIntoView({ block: "center" });
return Boolean(found);
"""


def part_of_results(folder: Path) -> Store:
    """The committed records of a few cohorts and methods."""
    for what in ("records", "predictions"):
        for cohort in COHORTS:
            (folder / what / cohort).mkdir(parents=True)
            for path in sorted((RESULTS / what / cohort).iterdir()):
                if path.name.startswith("_") or path.name.split(".")[0] in METHODS:
                    shutil.copy(path, folder / what / cohort)
    return Store(folder)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of some of the committed records, without the figures of its tasks."""
    folder = tmp_path_factory.mktemp("asked")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawings, "of_task", lambda *_: ())
        write_report(part_of_results(folder / "results"), folder / "page")
    return folder / "page"


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


def ask(window: Browser, site: Path, question: Question) -> None:
    """Type, click and look for the answer, whatever else there is in sight."""
    window.open("about:blank")
    window.open((site / "index.html").as_uri())
    window.wait("!document.getElementById('search').hidden")
    window.click("#query")
    window.press(*question.words)
    window.wait("document.querySelector('#hits li')")
    for text in question.clicks:
        window.wait("document.readyState === 'complete'")
        assert window.run(_CLICKED, text), f"nothing to click that says {text}"
        before = window.run("return location.href")
        window.click("[data-asked]")
        window.wait(f"location.href !== {before!r} && document.readyState === 'complete'")
    assert len(question.clicks) <= CLICKS
    for pattern in question.answer:
        read = "document.querySelector('main').innerText.replace(/\\s+/g, ' ')"
        window.wait(f"/{pattern}/.test({read})")


def check_page(window: Browser, site: Path, width: int) -> None:
    """Nothing complained, left the folder or runs out of the window."""
    assert window.complaints() == []
    inside = (f"file://{site}/", "data:", "about:")
    assert [url for url in map(unquote, window.requests()) if not url.startswith(inside)] == []
    assert window.run("return document.documentElement.scrollWidth") <= width


def shared_out(whole: Iterable[str], seen: Sequence[tuple[int, str]]) -> list[Any]:
    """Everything once, in turns in each way to see it; all the other ways are slow."""
    return [
        pytest.param(
            one,
            *way,
            marks=[] if way == seen[i % len(seen)] else pytest.mark.slow,
        )
        for i, one in enumerate(whole)
        for way in seen
    ]


@pytest.mark.parametrize(
    ("name", "width", "theme"), shared_out(QUESTIONS, [(390, "dark"), (1280, "light")])
)
def test_a_question_is_answered(
    window: Browser, site: Path, name: str, width: int, theme: str
) -> None:
    window.resize(width)
    window.emulate(prefers_color_scheme=theme)
    window.requests()
    ask(window, site, QUESTIONS[name])
    check_page(window, site, width)


def test_the_search_is_in_the_address(window: Browser, site: Path) -> None:
    window.open((site / "index.html").as_uri() + "?q=renal")
    window.wait("/Papillary kidney cancer/.test(document.getElementById('hits').innerText)")
    hits = "document.getElementById('hits').innerText"
    assert "Not among these records" in window.run(f"return {hits}")  # of the clear cell one
    window.click("#query")
    window.press(*" cell")
    window.wait("new URLSearchParams(location.search).get('q') === 'renal cell'")


def test_the_pair_is_in_the_address_and_turns_round(window: Browser, site: Path) -> None:
    window.open((site / "compare.html").as_uri() + "?a=pca&b=mirror")
    title = "document.querySelector('#pair h2')?.textContent"
    window.wait(f"{title} === 'pca and mirror'")
    there = window.run("return document.querySelector('#pair tbody td').textContent")
    window.click("#pick button")
    window.wait(f"{title} === 'mirror and pca'")
    assert window.run("return location.search") == "?a=mirror&b=pca"
    back = window.run("return document.querySelector('#pair tbody td').textContent")
    numbers = [re.findall(r"[-+]?\d\.\d{3}", text) for text in (there, back)]
    turned = [x.translate(str.maketrans("+-", "-+")) for x in numbers[1]]
    assert numbers[0] == [turned[0], turned[2], turned[1]]


def test_the_search_finds_by_every_synonym(window: Browser, site: Path) -> None:
    window.open((site / "index.html").as_uri())
    window.wait("!document.getElementById('search').hidden")
    for words in ("kidney", "Renal", "KIRP", "tcga-kirp", "papillary", "RCC"):
        window.run(
            """const box = document.getElementById("query"); box.value = arguments[0];
            box.dispatchEvent(new Event("input"))""",
            words,
        )
        first = window.run("return document.querySelector('#hits li').innerText")
        assert "TCGA-K" in first, words
    assert "TCGA-KIRP" in window.run("return document.getElementById('hits').innerText")
    window.run(
        """const box = document.getElementById("query"); box.value = "xyzzy";
        box.dispatchEvent(new Event("input"))"""
    )
    assert (
        window.run("return document.getElementById('hits-count').textContent") == "Nothing found."
    )


PAGES = (
    "index.html?q=kidney", cohort_page("TCGA-KIRP"), "compare.html?a=mirror&b=pca", "words.html",
    method_page("mirror"),
)  # fmt: skip


@pytest.mark.skipif(AXE is None, reason="axe-core-python is not installed")
@pytest.mark.parametrize(
    ("place", "width", "theme"), shared_out(PAGES, [(1280, "light"), (390, "dark")])
)
def test_axe_finds_nothing(window: Browser, site: Path, place: str, width: int, theme: str) -> None:
    assert AXE is not None
    assert AXE.origin is not None
    window.resize(width)
    window.emulate(prefers_color_scheme=theme)
    path, _, query = place.partition("?")
    window.open((site / path).as_uri() + (f"?{query}" if query else ""))
    window.run((Path(AXE.origin).parent / "axe.min.js").read_text(encoding="utf-8"))
    window.run("axe.run().then((found) => { window.found = found.violations; })")
    window.wait("window.found")
    found = "return found.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 90))}`)"
    assert window.run(found) == []


@pytest.mark.slow
def test_the_whole_board_answers(window: Browser, tmp_path: Path) -> None:
    write_report(Store(RESULTS), tmp_path / "page")
    for width in (390, 1280, 1920):
        for theme in ("light", "dark"):
            window.resize(width)
            window.emulate(prefers_color_scheme=theme)
            window.requests()
            for question in QUESTIONS.values():
                ask(window, tmp_path / "page", question)
                check_page(window, tmp_path / "page", width)
