"""cohort.toml: types, unknown keys with near matches, files that are not there."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.data.cohort import LabelKind
from tasks.data.manifest import (
    BagSource,
    GeneSource,
    Orientation,
    TableSource,
    TimeUnit,
    read_manifest,
)
from tasks.data.samples import SampleRule, SlideChoice
from tasks.errors import InputError

GOOD = """
name = "X"
[modalities.wsi]
kind = "bag"
path = "bags"
slides = "all"
samples = ["01", "06"]
encoder = "E"
pretrained_on = ["TCGA"]
[modalities.rna]
kind = "vector"
path = "t.csv"
id = "sample"
samples = ["06"]
orientation = "genes"
[clinical]
format = "table"
path = "t.csv"
id = "case"
time = "days"
time_unit = "days"
event = "dead"
event_value = 1
age = "years"
stage = "ajcc"
[labels.histology]
path = "t.csv"
id = "case"
column = "type"
classes = ["A", "B"]
derived_from = "rna"
called_from = "expression, by Parker et al."
[labels.TP53]
path = "t.csv"
id = "case"
column = "TP53"
classes = ["WT", "MUT"]
kind = "mutation"
[truth]
path = "t.csv"
id = "case"
[provenance]
source = "here"
licence = "none"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bags").mkdir()
    (tmp_path / "t.csv").write_text("case\n")
    return tmp_path


def test_everything_is_typed(folder: Path) -> None:
    (folder / "cohort.toml").write_text(GOOD)
    manifest = read_manifest(folder)
    assert manifest.modalities["wsi"] == BagSource(
        folder / "bags",
        slides=SlideChoice.ALL,
        samples=("01", "06"),
        encoder="E",
        pretrained_on=("TCGA",),
    )
    rna = GeneSource(folder / "t.csv", "sample", Orientation.GENES, samples=("06",))
    assert manifest.modalities["rna"] == rna
    assert rna.rule == SampleRule(("06",), SlideChoice.ALL)
    assert isinstance(manifest.clinical, TableSource)
    assert manifest.clinical.time_unit is TimeUnit.DAYS
    assert manifest.clinical.event_value == "1"
    assert manifest.clinical.age == "years"
    assert manifest.clinical.sex is None
    assert manifest.clinical.stage == "ajcc"
    assert manifest.labels["histology"].classes == ("A", "B")
    assert manifest.labels["histology"].derived_from == "rna"
    assert manifest.labels["histology"].called_from == "expression, by Parker et al."
    kinds = {name: label.kind for name, label in manifest.labels.items()}
    assert kinds == {"histology": LabelKind.CLASS, "TP53": LabelKind.MUTATION}
    assert (manifest.provenance.source, manifest.provenance.licence) == ("here", "none")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "X"', 'nam = "X"', r"name: expected a text, found no such key \(did you mean nam"),
        ('name = "X"', "name = 3", "name: expected a text, found 3"),
        ('name = "X"', 'name = "a/b"', "name: expected a name of letters"),
        ('name = "X"', 'name = "X', "expected TOML"),
        ("[provenance]", "[provenence]", r"unknown key 'provenence' \(did you mean provenance"),
        ("orientation =", "orientaton =", r"rna\.orientaton.*did you mean orientation"),
        ('"genes"', '"gene"', r"orientation: expected one of samples, genes.*did you mean genes"),
        ("[modalities.rna]", "[modalities.rnaseq]", r"found rnaseq \(did you mean rna"),
        ('kind = "bag"\npath = "bags"', "kind = 1", r"modalities\.wsi\.kind: expected a text"),
        (
            'path = "bags"',
            'path = "bag"',
            r"modalities\.wsi\.path: expected a folder or a packed store \(\.h5\), found .*bag",
        ),
        ('path = "bags"', 'path = "t.csv"', r"expected a folder or .*, found .*t\.csv: a file"),
        (
            'kind = "vector"\npath = "t.csv"',
            'kind = "vector"\npath = "bags"',
            r"expected a file, found .*bags: a folder",
        ),
        (
            'kind = "vector"\npath = "t.csv"',
            'kind = "vector"\npath = "no.csv"',
            r"no\.csv: No such",
        ),
        ('slides = "all"', 'slides = "ffpe"', r"wsi\.slides: expected one of dx, frozen, all"),
        ('samples = ["01", "06"]', 'samples = "01"', r"wsi\.samples: expected a list of different"),
        ('samples = ["01", "06"]', 'samples = ["01", "01"]', "samples: expected a list of differ"),
        (
            'samples = ["01", "06"]',
            'samples = ["01", "11"]',
            "expected sample types of tumours, of",
        ),
        ('encoder = "E"', 'encoder = ""', r"wsi\.encoder: expected a text, found ''"),
        (
            'pretrained_on = ["TCGA"]',
            "pretrained_on = []",
            "pretrained_on: expected a list of diff",
        ),
        ("orientation =", 'slides = "dx"\norientation =', r"rna\.slides: .* unknown key 'slides'"),
        ('format = "table"', 'format = "tcga_cdr"', "did you mean tcga-cdr"),
        ('format = "table"', 'format = "tcga-cdr"', "unknown key 'id'"),
        ('stage = "ajcc"', "stage = 3", r"clinical\.stage: expected a text, found 3"),
        ('age = "years"', 'ages = "years"', r"unknown key 'ages' \(did you mean age"),
        ("event_value = 1\n", "", "event_value: expected the value that means"),
        ('"days"\nevent', '"years"\nevent', "time_unit: expected one of days, months"),
        ('["A", "B"]', '"A"', "classes: expected a list of two or more"),
        ('["A", "B"]', '["A", "A"]', "classes: expected a list of two or more"),
        (
            'derived_from = "rna"',
            'derived_from = "rn"',
            "derived_from: expected one of wsi, rna, clinical",
        ),
        ('["WT", "MUT"]', '["a", "b", "c"]', "labels.TP53.classes: expected two classes of a mut"),
        ('"mutation"', '"mutations"', "kind: expected one of class, mutation, .*did you mean"),
        ('[truth]\npath = "t.csv"', '[truth]\nfile = "t.csv"', r"truth\.path"),
        ("[labels.histology]", "[labels.os]", "labels.os: expected another name .*, found 'os'"),
        ("[labels.histology]", "[labels.pfi]", "labels.pfi: expected another name than an"),
        ("[clinical]", "[[clinical]]", r"\[clinical\]: expected a table"),
    ],
)
def test_each_mistake_is_one_line(folder: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    (folder / "cohort.toml").write_text(GOOD.replace(old, new, 1))
    with pytest.raises(InputError, match=message) as caught:
        read_manifest(folder)
    assert "\n" not in str(caught.value)
    assert "cohort.toml" in str(caught.value)


def test_link_that_leads_to_itself(folder: Path) -> None:
    (folder / "loop").symlink_to("loop")
    (folder / "cohort.toml").write_text(GOOD.replace('"bags"', '"loop"'))
    with pytest.raises(InputError, match="loop: Too many levels of symbolic links"):
        read_manifest(folder)


def test_no_modality(folder: Path) -> None:
    (folder / "cohort.toml").write_text('name = "X"\n')
    with pytest.raises(InputError, match="found neither"):
        read_manifest(folder)


VALUES = st.recursive(
    st.sampled_from(["", "bag", "t.csv", "bags", "genes", "days"])
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.dates(),
    lambda below: (
        st.lists(below, max_size=2)
        | st.dictionaries(
            st.sampled_from(["kind", "path", "x", "[key]", "a b", ""]), below, max_size=2
        )
    ),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def junk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("junk")
    (folder / "bags").mkdir()
    (folder / "t.csv").write_text("case\n")
    return folder


@settings(max_examples=200)
@given(st.data())
def test_whatever_stands_where_a_value_was_is_read_or_one_line(
    junk: Path, data: st.DataObject
) -> None:
    content: dict[str, Any] = tomllib.loads(GOOD)
    table = content
    while True:
        key = data.draw(st.sampled_from([*table, "new", "a b"]))
        if not isinstance(table.get(key), dict) or data.draw(st.booleans()):
            break
        table = table[key]
    table[key] = data.draw(VALUES)
    (junk / "cohort.toml").write_text(tomlkit.dumps(content))
    try:
        read_manifest(junk)
    except InputError as error:
        line = str(error)
        assert line.startswith(f"{junk / 'cohort.toml'}: ")
        assert ": expected " in line
        assert ", found " in line
        assert "\n" not in line
        assert "(other)" not in line
        assert "(this)" not in line
