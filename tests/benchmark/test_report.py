"""The page: what it says, what it escapes, where it is written."""

import base64
import gzip
import json
import shlex
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from benchmark.analysis.board import Board
from benchmark.analysis.deduplicate import deduplicate
from benchmark.analysis.intervals import patient_intervals
from benchmark.analysis.over_cohorts import KindComparison
from benchmark.analysis.standings import standings
from benchmark.cli.main import app, main
from benchmark.records.protocol import DealtFolds, TrialProtocol
from benchmark.records.store import Store
from benchmark.show.columns import STRIP_WIDTH, Entry, page_of, short_title, strip
from benchmark.show.html import MANIFEST, drawings, pages, write_report
from benchmark.show.html.commands import rerun, run_again
from benchmark.show.html.downloads import prediction_sheets, significant
from benchmark.show.html.serve import server
from benchmark.show.html.trials import EPOCHS, curve, data, recorded_trials
from benchmark.show.page_names import method_data, method_page, slug, task_data, task_page
from benchmark.show.tables import numeric
from tasks.errors import InputError
from tests.helpers.frames import SCHEMA, fake, records, rendered
from tests.helpers.stores import CONFIG, write_store
from tests.helpers.time_limits import slowness

HOSTILE = "</script><script>window.hacked=1</script>\"'><img src=x onerror=window.hacked=1>"
LUAD = "survival/TCGA-LUAD/os"


class Page(HTMLParser):
    """What a page is made of: its elements, its references and the cells of its tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.tables: list[list[list[list[str]]]] = []
        self._cell: list[str] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins, and with it perhaps a table, a row, a cell."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag == "table":
            self.tables.append([])
        elif tag in ("tbody", "thead"):
            self.tables[-1].append([])
        elif tag == "tr":
            self.tables[-1][-1].append([])
        elif tag in ("td", "th"):
            self._cell = []

    def handle_endtag(self, tag: str) -> None:
        """A cell may end."""
        if tag in ("td", "th") and self._cell is not None:
            self.tables[-1][-1][-1].append("".join(self._cell).strip())
            self._cell = None

    def handle_data(self, data: str) -> None:
        """Text, of a cell if one is open."""
        if self._cell is not None:
            self._cell.append(data)

    @property
    def references(self) -> list[str]:
        """Where links, scripts, sheets and pictures point."""
        return [a[name] for _, a in self.elements for name in ("href", "src") if name in a]


def some() -> pd.DataFrame:
    """Three tasks of the frame like that of a whole run: two sources, gaps, a circular label."""
    frame = fake()
    left_out = ("survival/PLANTED-VECTORS/os", "survival/TCGA-BRCA/os")
    return frame[~frame["task"].isin(left_out)].reset_index(drop=True)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return write_store(tmp_path_factory.mktemp("results"), some())


@pytest.fixture
def without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of something else: figures take most of the time."""
    monkeypatch.setattr(drawings, "of_task", lambda *_: ())
    monkeypatch.setattr(drawings, "over_cohorts", lambda *_: None)


@pytest.fixture(scope="module")
def report(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    page = tmp_path_factory.mktemp("report") / "page"
    write_report(store, page)
    return page


def read(report: Path, page: str) -> Page:
    return Page((report / page).read_text())


def contents(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def loaded(report: Path, method: str) -> list[dict[str, Any]]:
    """Trials with what they share, as the page's script puts them together."""
    text = (report / method_data(method)).read_text(encoding="ascii")
    packed = text.removeprefix('mirrorBench.load("').removesuffix('");\n')
    found = json.loads(gzip.decompress(base64.b64decode(packed, validate=True)))
    shared = found["shared"]
    for trial in found["trials"]:
        trial |= {name: shared[trial[name]] for name in ("setting", "config", "versions")}
        for task in trial["tasks"]:
            task.update(shared[task["of"]], metrics=shared[task["metrics"]])
    return list(found["trials"])


def test_every_reference_leads_to_a_file_or_a_place_of_the_report(report: Path) -> None:
    found = list(report.rglob("*.html"))
    assert len(found) == 4 + 3 + 4 + 3  # the pages that answer, cohorts, methods, tasks
    assert list(report.glob("figures/*.svg")) == []  # forests and curves are drawn in the pages
    for path in found:
        page = Page(path.read_text())
        for reference in page.references:
            file, _, place = reference.partition("#")
            target = (path.parent / unquote(file)).resolve() if file else path
            assert target.is_file(), (path, reference)
            assert target.is_relative_to(report), (path, reference)
            if place and not place.startswith(("trial-", "?")):
                ids = {a.get("id") for _, a in Page(target.read_text()).elements}
                assert place in ids, (path, reference)


def test_nothing_names_another_host(report: Path) -> None:
    for path in report.rglob("*"):
        if path.suffix in (".html", ".css", ".js"):
            # The namespace of SVG is a name, not an address.
            text = path.read_text().replace("http://www.w3.org/2000/svg", "")
            assert "http:" not in text, path
            assert "https:" not in text, path
        if path.suffix in (".html", ".svg"):
            for _, attributes in Page(path.read_text()).elements:
                for name, value in attributes.items():
                    assert not (name.endswith(("href", "src")) and "//" in value), (path, value)


def test_task_page_says_what_the_leaderboard_says(report: Path, store: Store) -> None:
    text = rendered(store.records(), store.predictions())
    for table in standings(deduplicate(store.records())):
        shown = read(report, page_of(table)).tables[0]
        header, rows = shown[0][0], [row for body in shown[1:] for row in body if len(row) > 1]
        section = text.split(f"\n## {table.task}\n")[1].split("\n## ")[0]
        assert [row[header.index("method")] for row in rows] == [r.method for r in table.rows]
        for row in rows:
            line = next(
                x for x in section.splitlines() if f"| `{row[header.index('method')]}` |" in x
            )
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            mark = row[header.index("mark")]
            assert cells[0] == (mark.split()[0] if mark.startswith(("●", "=")) else mark)
            assert cells[2] == row[2]
            for name in ("95 % interval", "over patients", "p of Δ"):
                if name in header:
                    assert row[header.index(name)] in cells


def test_mean_is_that_of_the_records(report: Path) -> None:
    page = read(report, task_page(LUAD, "strict", "default", 5))
    frame = fake()
    ours = frame[
        (frame["task"] == LUAD) & (frame["method"] == "pca") & (frame["metric"] == "harrell_c")
    ]["value"]
    row = next(r for body in page.tables[0][1:] for r in body if "pca" in r)
    assert row[2] == f"{ours.mean():.3f} ± {ours.std():.3f}"


def test_ranks_are_drawn_where_the_cohorts_are_enough(tmp_path: Path) -> None:
    def of(n: int, **methods: float) -> KindComparison:
        values = {name: [[score, score + 0.01]] for name, score in methods.items()}
        frames = (records(values, task=f"survival/C{i}/os") for i in range(n))
        (found,) = Board(pd.concat(frames)).kinds
        return found

    assert drawings.over_cohorts(of(5, mirror=0.6, pca=0.5, cca=0.4), tmp_path) is None
    drawn = drawings.over_cohorts(of(6, mirror=0.6, pca=0.5, cca=0.4), tmp_path)
    assert drawn is not None
    assert (tmp_path / drawn.path).is_file()
    assert "critical difference, 1.33" in drawn.text
    assert drawings.over_cohorts(of(7, mirror=0.6, pca=0.5), tmp_path) is not None


def test_protocol_and_counts_stand_above_the_scores(report: Path) -> None:
    text = (report / task_page(LUAD, "strict", "default", 5)).read_text()
    above = text[: text.index("<table")]
    for word in ("strict", "TCGA-LUAD", "425", "150", "5 x 3", "CC BY-NC-SA"):
        assert word in above, word
    circular = report / task_page("subtyping/TCGA-BRCA/pam50", "strict", "default", 5)
    assert "Circular" in circular.read_text()
    assert "Circular" not in text


def test_what_is_missing_is_said_with_its_reason(report: Path) -> None:
    index, every = ((report / f"{name}.html").read_text() for name in ("index", "missing"))
    assert "epoch 3: nan" in index
    assert "2 events, 5 are needed" not in index  # of a further metric
    for reason in ("epoch 3: nan", "2 events, 5 are needed"):
        assert reason in every
    page = (report / task_page(LUAD, "strict", "default", 5)).read_text()
    assert "epoch 3: nan" in page
    assert "2 events, 5 are needed" not in page
    assert "⚠ 14/15" in page


@pytest.mark.usefixtures("without_figures")
def test_roles_stand_apart(tmp_path: Path) -> None:
    roles = {
        "mirror": "self-supervised",
        "cut": "ablation",
        "age": "control",
        "abmil": "supervised",
    }
    frame = pd.concat(
        records({name: [[0.6, 0.62, 0.7 + i / 10]]}, role=role)
        for i, (name, role) in enumerate(roles.items())
    )
    write_report(write_store(tmp_path / "results", frame), tmp_path / "page")
    table = read(tmp_path / "page", task_page("survival/PLANTED/os", "strict", "default", 3))
    _, *bodies = table.tables[0]
    assert [body[0] for body in bodies] == [[short_title(role)] for role in roles.values()]
    assert [body[1][0] for body in bodies] == list(roles)


@pytest.mark.usefixtures("without_figures")
def test_same_bytes_for_the_same_records(tmp_path: Path, store: Store) -> None:
    shuffled = write_store(tmp_path / "results", some(), segments=3, backwards=True)
    write_report(store, tmp_path / "one")
    write_report(shuffled, tmp_path / "other")
    assert contents(tmp_path / "one") == contents(tmp_path / "other")


@pytest.mark.usefixtures("without_figures")
def test_text_of_records_is_escaped(tmp_path: Path) -> None:
    frame = records({"mirror": [[0.6, 0.7]], "pca": [[0.5, 0.6]], "lost": [[0.5, float("nan")]]})
    frame.loc[frame["status"] != "ok", "reason"] = HOSTILE
    texts = (
        "summary",
        "family",
        "source",
        "licence",
        "notes",
        "circular",
        "encoder",
        "pretrained_on",
    )
    frame = frame.assign(**dict.fromkeys(texts, HOSTILE))
    store = write_store(tmp_path / "results", frame, device=HOSTILE, config={HOSTILE: HOSTILE})
    write_report(store, tmp_path / "page")
    names = [p.relative_to(tmp_path / "page").as_posix() for p in (tmp_path / "page").rglob("*")]
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-./") for name in names)
    for path in (tmp_path / "page").rglob("*.html"):
        page = Page(path.read_text())
        scripts = [a for tag, a in page.elements if tag == "script"]
        assert all(a["src"].startswith(("assets/", "../assets/", "data/")) for a in scripts), path
        assert not [name for _, a in page.elements for name in a if name.startswith("on")], path
        assert {a["src"][:8].lstrip("./") for tag, a in page.elements if tag == "img"} <= {
            "figures/", "figur"
        }  # fmt: skip
    # A script on its own: nothing in it ends it, and it is one call with one literal.
    assert loaded(tmp_path / "page", "pca")[0]["config"] == {HOSTILE: HOSTILE}


@pytest.mark.usefixtures("without_figures")
def test_overview_and_task_say_what_the_slide_encoder_has_seen(tmp_path: Path) -> None:
    frame = records({"mirror": [[0.6, 0.7]]}, encoder="HIPT", pretrained_on="TCGA")
    write_report(write_store(tmp_path / "results", frame), tmp_path / "page")
    pages = [tmp_path / "page" / "index.html", *(tmp_path / "page" / "tasks").glob("*.html")]
    assert len(pages) == 2
    for page in pages:
        assert "HIPT, pre-trained on TCGA slides (without labels)" in page.read_text()


@given(st.lists(st.text(), min_size=1, max_size=3), st.lists(st.text(), min_size=1, max_size=3))
def test_slugs_are_plain_and_different(one: list[str], other: list[str]) -> None:
    first, second = slug(*one), slug(*other)
    assert (first == second) == (one == other)
    if one != [""]:
        assert first not in ("", ".", "..")
    assert set(first) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.")
    assert len(first) < 100


def test_plain_names_stay() -> None:
    assert method_page("mirror") == "methods/mirror.html"
    assert slug("MIRROR") != slug("mirror") != slug("mirror ")


@given(st.integers(1, 400), st.integers(0, 1))
def test_curve_keeps_its_ends_and_its_order(n: int, first: int) -> None:
    found = curve([1.0 / (epoch + 1) for epoch in range(n)], first)
    begin, n_epochs, values = found
    assert (begin, n_epochs) == (first, n)
    assert len(values) == min(n, EPOCHS)
    epochs = [i * (n - 1) // max(len(values) - 1, 1) for i in range(len(values))]
    assert epochs[0] == 0
    assert epochs[-1] == n - 1
    assert epochs == sorted(set(epochs))
    assert values == pytest.approx([1.0 / (epoch + 1) for epoch in epochs], rel=1e-4)


def test_trial_has_its_scores_losses_and_predictions(report: Path, store: Store) -> None:
    found = loaded(report, "mirror")
    assert len(found) == 3 * 15
    record, task = next(
        (line, task) for line, task in store.results()
        if line.method == "mirror" and task.task == LUAD
    )  # fmt: skip
    trial = next(one for one in found if one["key"] == record.trial)
    assert trial["config"] == CONFIG
    assert trial["versions"] == record.versions
    curves = trial["curves"]
    assert [*curves] == ["loss: total", "loss: alignment", "effective rank"]
    assert curves["loss: total"][2][0] == pytest.approx(record.losses["total"][0], rel=1e-4)
    assert curves["loss: total"][0] == 1
    assert curves["effective rank"][0] == 0  # before training
    assert curves["effective rank"][2][0] == 9.0
    (scored,) = trial["tasks"]
    assert [name for name, _ in scored["metrics"]] == [s.metric for s in task.scores]
    assert scored["values"] == pytest.approx([s.value for s in task.scores], rel=1e-4)
    assert (report / scored["page"]).is_file()


def test_reasons_of_a_trial_stand_beside_what_they_explain(tmp_path: Path) -> None:
    frame = fake()
    store = write_store(tmp_path, frame[frame["task"] == LUAD])
    every = [task for own in recorded_trials(store.results()).values() for one in own
             for task in one.tasks]  # fmt: skip
    wanted = [(s.metric, s.reason) for task in every for s in task.scores if s.reason]
    found = []
    for own in recorded_trials(store.results()).values():
        text = data(own, {})
        for trial in text["trials"]:
            for task in trial["tasks"]:
                names = [name for name, _ in text["shared"][task["metrics"]]]
                found += [(names[i], text["shared"][at]) for i, at in task["reasons"]]
    assert found == wanted
    assert found


def downloaded(report: Path, what: str) -> pd.DataFrame:
    path = report / task_data(what, LUAD, "strict", "default", 5)
    page = read(report, task_page(LUAD, "strict", "default", 5))
    assert f"../{path.relative_to(report).as_posix()}" in page.references
    return pd.read_csv(path)


def test_every_score_can_be_downloaded(report: Path, store: Store) -> None:
    found = downloaded(report, "scores").set_index("trial")
    frame = deduplicate(store.records())
    ours = frame[(frame["task"] == LUAD) & frame["value"].notna()]
    assert found.notna()[ours["metric"].unique()].sum().sum() == len(ours)
    for row in ours.sample(50, random_state=0).itertuples():
        assert found.loc[str(row.trial), str(row.metric)] == pytest.approx(row.value, rel=1e-6)
        assert found.loc[str(row.trial), "method"] == row.method


def test_every_prediction_can_be_downloaded(report: Path, store: Store) -> None:
    cell = ["method", "fold", "seed", "patient"]
    found = downloaded(report, "predictions").sort_values(cell, ignore_index=True)
    every = store.predictions()
    ours = every[every["task"] == LUAD].sort_values(cell, ignore_index=True)
    assert found[cell].equals(ours[cell])
    assert found["risk"].to_numpy() == pytest.approx(ours["risk"].to_numpy(), rel=1e-3)
    assert found["time_months"].to_numpy() == pytest.approx(ours["time_months"], rel=1e-3)


def test_predictions_of_broken_outcomes_are_not_offered(store: Store) -> None:
    honest = store.predictions()
    broken = honest.assign(protocol="strict+permuted-labels")
    assert prediction_sheets(pd.concat([honest, broken])) == prediction_sheets(honest)
    assert prediction_sheets(broken) == {}


@given(st.floats(-1e12, 1e12).filter(lambda x: x == 0 or abs(x) > 1e-12), st.integers(1, 7))
def test_significant_digits(x: float, digits: int) -> None:
    (found,) = significant(np.array([x]), digits)
    assert found == pytest.approx(float(f"{x:.{digits}g}"), rel=10.0 ** (1 - digits), abs=0)
    assert len(f"{found:.15e}".partition("e")[0].strip("-").replace(".", "").rstrip("0")) <= digits


def test_predictions_without_rows() -> None:
    assert prediction_sheets(pd.DataFrame(columns=["task", "patient"])) == {}


def test_command_is_one_that_the_program_takes(tmp_path: Path) -> None:
    frame = records(
        {"mirror": [[0.6, 0.7]]}, source="my lab", protocol="strict+folds-of-my.csv-0a1b2c-n2"
    )
    (one, _) = recorded_trials(write_store(tmp_path, frame).results())["mirror"]
    text = rerun(one.line)
    words = "--results RESULTS --data FOLDER-OF-COHORTS --split SPLIT-FILE"
    assert text == f"mirror-bench rerun {one.key} {words}"
    program: Any = typer.main.get_command(app)
    parsed = program.commands["rerun"].make_context("rerun", shlex.split(text)[2:]).params
    assert parsed["trial"] == one.key


@pytest.mark.parametrize(
    "protocol",
    [
        "strict",
        "strict+patient-folds-x3",
        "strict+site-folds-x2",
        "paper+permuted-labels",
        "strict+folds-of-my.csv-0a1b2c-n2",
        "strict+readout-wsi-64+tuned-8-asha",
        "strict+pretrained-on(TCGA-BRCA&TCGA-LUAD)",
    ],
)
def test_command_of_a_mean_is_one_that_the_program_takes(protocol: str) -> None:
    frame = records({"mirror": [[0.6, 0.7], [0.5, 0.6]]}, protocol=protocol, n_folds=2)
    (table,) = standings(deduplicate(frame))
    words = shlex.split(run_again(table, "mirror"))[2:]
    program: Any = typer.main.get_command(app)
    parsed = program.commands["run"].make_context("run", words).params
    of = TrialProtocol.parse(protocol)
    assert (parsed["methods"], parsed["tasks"]) == ("mirror", table.task)
    assert parsed["seeds"] == "0,1"
    assert parsed["protocol"] == of.protocol
    assert parsed["control"] == of.control
    assert parsed["tune"] == (of.tuning.n if of.tuning else 0)
    assert parsed["readout"] == (str(of.readout) if of.readout else None)
    assert parsed["pretrain_on"] == (",".join(of.pool) or None)
    if isinstance(of.folds, DealtFolds):
        assert (parsed["folds"], parsed["repeats"]) == (2, of.folds.repeats)
        assert parsed["split"] in (None, of.folds.dealing)
    else:
        assert parsed["split"] == "SPLIT-FILE"


def test_command_needs_no_quotes(tmp_path: Path, store: Store) -> None:
    plain = recorded_trials(store.results())["pca"][0]
    assert rerun(plain.line) == f"mirror-bench rerun {plain.key} --results RESULTS"
    frame = records({"pca": [[0.6]]}, source="planted by mirror-bench (synthetic)")
    with pytest.raises(ValidationError):
        write_store(tmp_path, frame, trial="a b; rm -rf $HOME")


def test_tasks_of_a_trial_stay_together(tmp_path: Path) -> None:
    frame = fake()
    brca = write_store(tmp_path, frame[frame["cohort"] == "TCGA-BRCA"])
    pairs = brca.results()
    found = recorded_trials(reversed(pairs))
    assert found == recorded_trials(pairs)
    assert sum(len(own) for own in found.values()) == len(pairs) / 2 == 4 * 15
    for own in found.values():
        assert {tuple(task.task for task in trial.tasks) for trial in own} == {
            ("subtyping/TCGA-BRCA/pam50", "survival/TCGA-BRCA/os")
        }


def test_drawn_intervals_share_one_scale() -> None:
    table = standings(deduplicate(fake()))[0]
    drawn = [(row, at) for row in table.rows if (at := strip(Entry(table, row))) is not None]
    assert len(drawn) == len(table.rows)
    reference = next(at.mean for row, at in drawn if row.method == "mirror")
    for row, at in drawn:
        assert at.low is not None
        assert at.high is not None
        assert 0 < at.low < at.mean < at.high < STRIP_WIDTH
        assert at.reference == reference
        share = (row.score.mean - row.score.low) / (row.score.high - row.score.low)
        assert (at.mean - at.low) / (at.high - at.low) == pytest.approx(share, abs=0.02)


def test_what_has_no_value_sorts_by_nothing() -> None:
    column = numeric("", lambda x: x)
    assert column.value(float("nan")) is None
    assert column.value(1 / 3) == 0.333333333


@pytest.mark.usefixtures("without_figures")
def test_no_records(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    write_report(Store(tmp_path), tmp_path / "page")
    assert "There are no records." in (tmp_path / "page" / "index.html").read_text()


def small(folder: Path) -> Store:
    return write_store(folder, records({"mirror": [[0.6, 0.7]]}))


@pytest.mark.usefixtures("without_figures")
def test_earlier_report_is_replaced_as_a_whole(tmp_path: Path) -> None:
    page = tmp_path / "page"
    write_report(write_store(tmp_path / "a", records({"pca": [[0.6, 0.7]]})), page)
    assert (page / "methods/pca.html").is_file()
    write_report(small(tmp_path / "b"), page)
    assert not (page / "methods/pca.html").exists()
    assert set((page / MANIFEST).read_text().split()) | {MANIFEST} == set(contents(page))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b", "page"]


@pytest.mark.usefixtures("without_figures")
def test_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    store, page = small(tmp_path / "results"), tmp_path / "page"
    page.mkdir()
    write_report(store, page)
    (page / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"expected an empty folder or an earlier report.*notes"):
        write_report(store, page)
    assert (page / "notes.txt").read_text() == "mine"
    with pytest.raises(InputError, match="expected a folder, found a file"):
        write_report(store, page / "notes.txt")


@pytest.mark.usefixtures("without_figures")
def test_failure_leaves_the_earlier_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, page = small(tmp_path / "results"), tmp_path / "page"
    write_report(store, page)
    before = contents(page)

    def broken(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(pages.Pages, "method", broken)
    with pytest.raises(KeyboardInterrupt):
        write_report(store, page)
    assert contents(page) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["page", "results"]


@pytest.mark.usefixtures("without_figures")
def test_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small(tmp_path / "results")
    arguments = ["mirror-bench", "report", "--results", str(tmp_path / "results")]
    monkeypatch.setattr(sys, "argv", [*arguments, "--output", str(tmp_path / "page")])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code in (0, None)
    assert (tmp_path / "page/index.html").is_file()
    said = capsys.readouterr()
    assert "wrote" in said.out
    assert "reading records" in said.err
    monkeypatch.setattr(sys, "argv", [*arguments, "--output", str(tmp_path / "results")])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert "expected an empty folder or an earlier report" in capsys.readouterr().err


@pytest.fixture
def address(report: Path) -> Iterator[str]:
    with server(report, 0) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def status(url: str, host: str | None = None) -> int:
    request = urllib.request.Request(url, headers={} if host is None else {"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=10 * slowness()) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_served_to_this_machine_alone(address: str, report: Path) -> None:
    assert status(f"{address}/") == 200
    assert status(f"{address}/assets/report.css", host="localhost:80") == 200
    assert status(f"{address}/", host="rebound.example:80") == 403
    assert status(f"{address}/..%2f..%2f{report.parent.name}") == 404
    port = int(address.rpartition(":")[2])
    with pytest.raises(InputError, match=f"--port {port}: expected a free port"):
        server(report, port)


def thousand() -> pd.DataFrame:
    """1,020 trials: 34 methods, two cohorts, 5 folds x 3 seeds, five tasks of six metrics each."""
    tasks = ("survival/{}/os", "survival/{}/pfi", "subtyping/{}/type", "a/{}/b", "c/{}/d")
    methods = ["mirror", *(f"method-{i}" for i in range(33))]
    values = [[0.6 + seed / 50 + fold / 70 for fold in range(5)] for seed in range(3)]
    return pd.concat(
        [
            records(
                dict.fromkeys(methods, values),
                task=task.format(cohort),
                metric="harrell_c" if metric == 0 else f"metric_{metric}",
                primary=metric == 0,
                position=metric,
            )
            for cohort in ("TCGA-ONE", "TCGA-TWO")
            for task in tasks
            for metric in range(6)
        ],
        ignore_index=True,
    )


@pytest.mark.slow
def test_thousand_trials_within_twenty_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = thousand().astype(SCHEMA)
    store = write_store(tmp_path / "results", frame, patients=60, epochs=100)
    assert len({line.trial for line, _ in store.results()}) == 1020
    # The bootstrap is that of `leaderboard`, and is not what the page adds to it.
    intervals = patient_intervals(store.predictions())
    monkeypatch.setattr(Board, "intervals", intervals)
    start = time.process_time()
    write_report(store, tmp_path / "page")
    assert time.process_time() - start < 20
    assert sum(len(text) for text in contents(tmp_path / "page").values()) < 20e6
