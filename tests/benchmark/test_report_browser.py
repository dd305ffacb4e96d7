"""The page in a headless Chromium: sorted, filtered, followed, by keyboard, narrow and dark."""

import csv as csv_module
import io
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from benchmark.show.columns import short_title
from benchmark.show.html import write_report
from benchmark.show.html.serve import server
from benchmark.show.page_names import method_page, task_page
from tests.benchmark.test_report import HOSTILE, LUAD
from tests.helpers.browser import ENTER, SPACE, TAB, Browser, absent, browser
from tests.helpers.frames import fake, records
from tests.helpers.stores import key, write_store

pytestmark = pytest.mark.skipif(bool(absent()), reason=absent())

TASK = task_page(LUAD, "strict", "default", 5)
MIRROR = method_page("mirror")
TRIAL = key("TCGA-LUAD/mirror/strict/default/1/2")

# Of a table: the methods of each group of rows, in the order in which they are shown.
_ORDER = """return [...document.querySelector("table%s").tBodies].map(body =>
    [...body.querySelectorAll("tr:not(.group):not([hidden]) th.name")].map(th => th.textContent))"""
ORDER = _ORDER % ""
COSTS = "[data-key=others]"
HEADERS = "return [...document.querySelector('table{} thead').rows[0].cells].map(th => {})"
BACKGROUND = "return getComputedStyle(document.body).backgroundColor"
FOCUS = "return document.activeElement.textContent.trim()"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tasks, one with gaps, and roles that stand apart."""
    frame = fake()
    frame = frame[frame["task"].isin([LUAD, "subtyping/TCGA-BRCA/pam50"])].reset_index(drop=True)
    frame.loc[frame["method"] == "random-init", "role"] = "control"
    folder = tmp_path_factory.mktemp("browsed") / "a page #1"
    candidates = [
        {"config": {"rate": rate}, "value": value, "reason": "", "seconds": 1.5}
        for rate, value in ((0.001, 0.61), (0.01, 0.63))
    ]
    search = {"criterion": LUAD, "metric": "harrell_c", "chosen": 1, "seconds": 3.0}
    store = write_store(
        folder.parent / "results", frame, search=search | {"candidates": candidates}
    )
    write_report(store, folder)
    return folder


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture
def page(window: Browser, report: Path) -> Iterator[Browser]:
    """A wide and light window; whatever a test did, nothing complained or left the folder."""
    window.resize(1280)
    window.emulate(prefers_color_scheme="light")
    window.open((report / "index.html").as_uri())
    window.run("localStorage.clear()")
    yield window
    assert window.complaints() == []
    asked = [unquote(url) for url in window.requests()]
    assert asked
    inside = (f"file://{report}/", "data:", "about:")
    assert [url for url in asked if not url.startswith(inside)] == []


def go(page: Browser, report: Path, path: str, place: str = "") -> None:
    page.open("about:blank")  # so that another place of the same page is loaded anew
    page.open((report / path).as_uri() + place)


def header(page: Browser, name: str, table: str = "") -> str:
    """The button of a column of a table, the first one without saying which."""
    names = page.run(HEADERS.format(table, "th.textContent.trim()"))
    return f"table{table} thead th:nth-child({names.index(name) + 1}) button"


def test_sorts_within_groups_and_back(page: Browser, report: Path) -> None:
    go(page, report, TASK)
    published = page.run(ORDER)
    assert len(published) == 2
    assert sorted(published[0]) == ["contrastive", "mirror", "pca"]
    assert published[1] == ["random-init"]
    button, costs = header(page, "fit, s", COSTS), _ORDER % COSTS
    page.click(button)
    assert page.run(costs) == [["pca", "contrastive", "mirror"], ["random-init"]]
    assert page.run(HEADERS.format(COSTS, "th.ariaSort")).count("ascending") == 1
    assert "Sorted by fit, s, ascending" in page.run("return document.body.innerText")
    page.click(button)
    assert page.run(costs)[0] == ["mirror", "contrastive", "pca"]
    assert page.run(ORDER) == published
    page.click(header(page, "method"))
    assert page.run(ORDER)[0] == ["contrastive", "mirror", "pca"]
    assert page.run(HEADERS.format("", "th.ariaSort")).count("descending") == 0
    for _ in range(2):
        page.click(header(page, "method"))
    assert page.run(ORDER) == published


def test_what_has_no_value_comes_last_both_ways(page: Browser, report: Path) -> None:
    go(page, report, TASK)
    button, costs = header(page, "parameters", COSTS), _ORDER % COSTS
    page.click(button)
    assert page.run(costs)[0] == ["contrastive", "mirror", "pca"]
    page.click(button)
    assert page.run(costs)[0] == ["mirror", "contrastive", "pca"]


def test_filters_by_words_and_by_choice(page: Browser, report: Path) -> None:
    go(page, report, TASK)
    page.click("input[type=search]")
    page.press(*"cross")
    assert page.run(ORDER) == [["mirror"], []]
    assert "1 of 4 rows shown." in page.run("return document.body.innerText")
    assert page.run(
        "return getComputedStyle(document.querySelector('table').tBodies[1]).display"
    ) == ("none")
    page.run(
        """const words = document.querySelector("input[type=search]"); words.value = "";
        words.dispatchEvent(new Event("input"));
        const choice = document.querySelector("select"); choice.value = choice.options[1].value;
        choice.dispatchEvent(new Event("change"))"""
    )
    assert page.run("return document.querySelector('select').value") == short_title("control")
    assert page.run(ORDER) == [[], ["random-init"]]
    said = page.run("return document.querySelector('.status').textContent")
    assert said.startswith("1 of 4 rows shown. Hidden, though the text above counts them: ")


def test_what_a_reader_chose_is_in_the_address(page: Browser, report: Path) -> None:
    go(page, report, TASK)
    page.click("input[type=search]")
    page.press(*"mirror")
    page.click(header(page, "p of Δ"))
    place = page.run("return location.hash")
    assert place.startswith("#?scores.words=mirror&scores.sort=p")
    go(page, report, TASK)
    assert page.run(ORDER)[0] != ["mirror"]
    go(page, report, TASK, place)
    assert page.run(ORDER) == [["mirror"], []]
    assert page.run(HEADERS.format("", "th.ariaSort")).count("ascending") == 1
    assert page.run("return document.querySelector('input[type=search]').value") == "mirror"
    page.run(
        """const words = document.querySelector("input[type=search]"); words.value = "";
        words.dispatchEvent(new Event("input"))"""
    )
    assert "words" not in page.run("return location.hash")


def test_mean_leads_to_its_trials(page: Browser, report: Path) -> None:
    go(page, report, TASK)
    page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.click(f"#means a[href^='../{MIRROR}#?']")
    page.wait("document.querySelector('#trials .status')?.textContent")
    shown = """return [...document.querySelectorAll("table[data-key=trials] tbody tr")]
        .filter(row => !row.hidden).map(row => row.textContent)"""
    rows = page.run(shown)
    assert len(rows) == 15
    assert all(LUAD in row for row in rows)


def test_exports_have_what_is_shown(page: Browser, report: Path) -> None:
    go(page, report, TASK)
    page.click("input[type=search]")
    page.press(*"mirror")
    table = "document.querySelector('table')"
    csv = page.run(f"return mirrorBench.exports.csv({table})")
    (row,) = csv_module.DictReader(io.StringIO(csv))
    assert row["method"] == "mirror"
    assert row["role"] == short_title("self-supervised")
    latex = page.run(f"return mirrorBench.exports.tabular({table}, 'a-table')")
    for words in (
        r"\caption{Scores on survival/TCGA-LUAD/os",
        r"\label{tab:a-table}",
        r"\bottomrule",
    ):
        assert words in latex
    assert r"\texttt{mirror}" in latex
    assert "contrastive" not in latex
    bibtex = page.run(f"return mirrorBench.exports.bibtex({table})")
    assert [line for line in bibtex.splitlines() if line.startswith("@")] == [
        "@software{mirror-bench,", "@article{wang2025mirror,",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [390, 1280])
def test_heads_and_names_stay_in_sight(page: Browser, report: Path, width: int) -> None:
    page.resize(width)
    go(page, report, TASK)
    page.run("document.querySelector('.scroll:has(table)').style.maxHeight = '180px'")
    corner, scroll = "thead th", ".scroll:has(table)"
    place = """const box = document.querySelector(arguments[0]).getBoundingClientRect();
        return [Math.round(box.left), Math.round(box.top)]"""
    page.run(f"document.querySelector('{scroll}').scrollTop = 110")
    before = page.run(place, corner)
    page.run(f"document.querySelector('{scroll}').scrollTo(90, 130)")
    assert page.run(f"return document.querySelector('{scroll}').scrollTop") == 130
    assert page.run(place, corner) == before
    if width == 390:
        left = "return document.querySelector(arguments[0]).getBoundingClientRect().left"
        row = page.run(left, "tbody tr:not(.group) th.name")
        assert row == page.run(left, scroll)


def test_key_columns_fit(page: Browser, report: Path) -> None:
    for path in ("index.html", TASK, MIRROR):
        go(page, report, path)
        wide = """return [...document.querySelectorAll(".scroll:has(table)")].filter(s =>
            !s.querySelector("[data-key=others]") && s.scrollWidth > s.clientWidth + 1)
            .map(s => s.ariaLabel)"""
        assert page.run(wide) == [], path


def test_from_the_overview_to_a_trial_and_back(page: Browser) -> None:
    page.click(f"a[href='{MIRROR}']")
    page.wait("document.querySelectorAll('#curves svg').length")
    page.click(f"a[href$='#trial-{TRIAL}']")
    page.wait(f"document.querySelector('h1:focus')?.textContent === 'Trial {TRIAL}'")
    text = page.run("return document.querySelector('main').innerText")
    for words in (
        "fold 1 (from 0), seed 2",
        f"mirror-bench rerun {TRIAL}",
        LUAD,
        "3.11.7",
    ):
        assert words in text
    assert "2, chosen\t0.01\t0.63" in text
    assert page.run("return document.querySelectorAll('#trial svg').length") == 3
    page.back()
    page.wait("!document.getElementById('method').hidden")
    assert page.run("return document.getElementById('trial').hidden")


def test_trial_that_is_not_there(page: Browser, report: Path) -> None:
    go(page, report, MIRROR, "#trial-0123")
    page.wait("document.querySelector('h1:focus')?.textContent === 'There is no such trial'")


def test_keyboard_alone(page: Browser, report: Path) -> None:
    go(page, report, TASK)
    page.press(TAB)
    assert page.run(FOCUS) == "Skip to content"
    assert page.run("return document.activeElement.getBoundingClientRect().left") >= 0
    page.press(ENTER)
    assert page.run("return document.activeElement.id") == "content"
    for _ in range(20):
        page.press(TAB)
        assert page.run("return getComputedStyle(document.activeElement).outlineWidth") == "3px"
        if page.run(FOCUS) == "method":
            break
    page.press(SPACE)
    assert page.run(ORDER)[0] == ["contrastive", "mirror", "pca"]
    page.press(ENTER)
    assert page.run(ORDER)[0] == ["pca", "mirror", "contrastive"]
    for _ in range(30):
        page.press(TAB)
        if page.run(FOCUS) == "mirror":
            break
    page.press(ENTER)
    page.wait("document.querySelector('h1')?.textContent === 'mirror'")


@pytest.mark.parametrize("place", ["index.html", TASK, MIRROR, f"{MIRROR}#trial-{TRIAL}"])
def test_nothing_runs_out_of_a_phone(page: Browser, report: Path, place: str) -> None:
    page.resize(360)
    path, _, trial = place.partition("#")
    go(page, report, path, f"#{trial}" if trial else "")
    page.wait("!document.getElementById('trial') || window.mirrorBench.load")
    page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.run("return document.documentElement.scrollWidth") <= 360
    out = """return [...document.querySelectorAll("main *")].filter(e =>
        e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll, pre"))
        .map(e => e.outerHTML.slice(0, 80))"""
    assert page.run(out) == []
    if path == TASK:
        wide = "return document.querySelector('.scroll').scrollWidth > innerWidth"
        assert page.run(wide)  # or the test sees nothing


def test_dark_as_the_system_and_as_the_reader_wants(page: Browser, report: Path) -> None:
    light = page.run(BACKGROUND)
    page.emulate(prefers_color_scheme="dark")
    go(page, report, "index.html")
    dark = page.run(BACKGROUND)
    assert dark != light
    assert page.run("return document.getElementById('theme').ariaPressed") == "true"
    page.click("#theme")
    assert page.run(BACKGROUND) == light
    go(page, report, TASK)
    assert page.run(BACKGROUND) == light
    page.click("#theme")
    assert page.run(BACKGROUND) == dark
    page.emulate(media="print", prefers_color_scheme="dark")
    assert page.run(BACKGROUND) == light


@pytest.mark.parametrize("place", ["index.html", TASK, MIRROR])
def test_landmarks_names_and_captions(page: Browser, report: Path, place: str) -> None:
    go(page, report, place)
    for landmark in ("header", "nav", "main", "footer", "h1"):
        assert page.run(f"return document.querySelectorAll('{landmark}').length") == 1
    assert page.run("return document.querySelectorAll('table:not(:has(caption))').length") == 0
    assert page.run("return document.querySelectorAll('th:not([scope])').length") == 0
    assert page.run("return document.querySelectorAll('img:not([alt]), img[alt=\"\"]').length") == 0
    unnamed = """return [...document.querySelectorAll("button, input, select, a, [role=region]")]
        .filter(e => !(e.ariaLabel || e.labels?.length || e.textContent.trim())).length"""
    assert page.run(unnamed) == 0


def test_figures_are_drawn(page: Browser, report: Path) -> None:
    go(page, report, TASK)
    page.run("document.querySelectorAll('img').forEach(i => i.loading = 'eager')")
    page.wait("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    filled = """return [...document.querySelectorAll("svg.chart .steps")]
        .map(path => getComputedStyle(path).fill)"""
    assert set(page.run(filled)) == {"none"}
    months = "return document.querySelectorAll('svg.chart .stop title').length"
    assert page.run(months) > 10
    said = "return [...document.querySelectorAll('svg.chart a title')].map(t => t.textContent)"
    drawn = [text.partition(":")[0] for text in page.run(said)]
    assert sorted(drawn) == ["mirror", "pca", "random-init"]  # of which every fold has a score


def test_hostile_records_run_nothing(window: Browser, tmp_path: Path) -> None:
    frame = records({"mirror": [[0.6, 0.7]], "pca": [[0.5, 0.6]]}, summary=HOSTILE, notes=HOSTILE)
    store = write_store(tmp_path / "results", frame, device=HOSTILE, config={HOSTILE: HOSTILE})
    write_report(store, tmp_path / "page")
    trial = "#trial-" + key("PLANTED/mirror/strict/default/0/0")
    for path in (tmp_path / "page").rglob("*.html"):
        window.open(path.as_uri() + (trial if path.name == "mirror.html" else ""))
        window.wait("document.readyState === 'complete'")
        if path.name == "mirror.html":
            window.wait("document.querySelector('h1:focus')")
            assert HOSTILE in window.run("return document.querySelector('#trial').textContent")
        assert window.run("return window.hacked") is None
    assert window.complaints() == []
    window.requests()


def test_served_page_is_the_same_page(window: Browser, report: Path) -> None:
    with server(report, 0) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        root = f"http://127.0.0.1:{running.server_port}/"
        window.open(f"{root}{MIRROR}#trial-{TRIAL}")
        window.wait(f"document.querySelector('h1:focus')?.textContent === 'Trial {TRIAL}'")
        asked = window.requests()
        window.open("about:blank")
        running.shutdown()
        thread.join()
    assert window.complaints() == []
    assert [url for url in asked if not url.startswith((root, "data:"))] == []
