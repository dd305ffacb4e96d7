"""Expression of a fold: ranks, selection by a label, gene sets; declared, fitted, never leaking."""

import gzip
import itertools
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import norm, rankdata
from sklearn.feature_selection import RFECV
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import LinearSVC

from benchmark.cli.embed import embed_to_file
from benchmark.engine.fitting import fit_method
from benchmark.engine.folds import outer_folds
from benchmark.engine.plan import Request, make_plan
from benchmark.engine.trial import run_trial
from benchmark.records.protocol import Control
from methods.base import Budget, Context, Role, UnableError
from methods.registry import all_methods
from tasks.base import Protocol
from tasks.data import elimination
from tasks.data.cohort import Cohort, Label, Selection, VectorModality
from tasks.data.elimination import TooFewError, eliminate
from tasks.data.fold_expression import Expression
from tasks.data.formats.genes import read_gene_list, read_gene_sets
from tasks.data.load import load_cohort
from tasks.data.preprocess import RankScaler, VectorScaler
from tasks.data.splits import Split, make_splits
from tasks.data.union import together
from tasks.errors import InputError
from tasks.registry import select_tasks
from tasks.seeds import derive_seed
from tests.helpers.planted import planted, planted_folder

CELL = st.floats(-1e6, 1e6, width=32)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A selection kept by another run would hide that this one's was never computed."""
    monkeypatch.setenv("MIRROR_BENCH_CACHE", str(cache))


# Ranks


@given(arrays(np.float32, (15, 3), elements=CELL | st.just(np.nan)))
def test_ranks_of_the_training_patients_are_scipys(values: np.ndarray) -> None:
    out = RankScaler.fit(values).transform(values)
    np.testing.assert_array_equal(np.isnan(out), np.isnan(values))
    for column, found in zip(values.T, out.T, strict=True):
        known = column[~np.isnan(column)]
        if len(known):
            expected = norm.ppf((rankdata(known) - 0.5) / len(known))
            np.testing.assert_allclose(found[~np.isnan(column)], expected, atol=1e-6)


@given(arrays(np.float32, (12, 2), elements=CELL), arrays(np.float32, (9, 2), elements=CELL))
def test_ranks_rise_with_the_values_and_stay_within_the_training_ends(
    train: np.ndarray, others: np.ndarray
) -> None:
    scaler = RankScaler.fit(train)
    out = scaler.transform(others)
    assert np.abs(out).max() <= norm.ppf(1 - 0.5 / 12) + 1e-6
    for column, found in zip(others.T, out.T, strict=True):
        order = np.argsort(column, kind="stable")
        assert (np.diff(found[order]) >= 0).all()
    # whatever rises with the values gives the same: here, exact in floating point
    again = RankScaler.fit(train * np.float32(4)).transform(others * np.float32(4))
    np.testing.assert_array_equal(out, again)


# Selection


def labelled(n: int = 60, width: int = 80, seed: int = 0) -> tuple[VectorModality, Label]:
    """Ten genes say the class, the others nothing; a missing cell and a constant gene beside."""
    rng = np.random.default_rng(seed)
    patients = tuple(f"P{i:03}" for i in range(n))
    y = np.arange(n) % 2
    values = rng.normal(size=(n, width)).astype(np.float32)
    values[:, :10] += 1.5 * y[:, None]
    values[3, 11], values[:, 12] = np.nan, 5.0
    classes = dict(zip(patients, ("AB"[k] for k in y), strict=True))
    return (
        VectorModality(patients, values, tuple(f"G{i}" for i in range(width))),
        Label(classes, ("A", "B")),
    )


def test_the_selection_is_scikit_learns() -> None:
    modality, label = labelled()
    scaler = VectorScaler.fit(modality.values)
    X = scaler.transform(modality.values).astype(np.float64) / np.sqrt(scaler.width)
    y = [label.classes.index(label.values[p]) for p in modality.patients]
    svm = LinearSVC(max_iter=5000, dual="auto", random_state=derive_seed("elimination") % 2**32)
    theirs = RFECV(svm, step=0.05, cv=StratifiedKFold(5), scoring="accuracy").fit(X, y)
    expected = scaler.kept[theirs.support_]
    np.testing.assert_array_equal(eliminate(modality, label), expected)
    np.testing.assert_array_equal(eliminate(modality, label), expected)  # from the cache
    assert len(set(expected) & set(range(10))) >= 5
    assert 12 not in expected


def test_a_kept_selection_is_believed_only_under_its_key_and_checksum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIRROR_BENCH_CACHE", str(tmp_path))
    modality, label = labelled()
    others = replace(modality, values=np.roll(modality.values, 3, axis=1))
    first, second = eliminate(modality, label), eliminate(others, label)
    assert first.tolist() != second.tolist()
    fitted = []

    def counting() -> RFECV:
        fitted.append(1)
        return recipe()

    recipe = elimination.recipe
    monkeypatch.setattr(elimination, "recipe", counting)
    asked = len(fitted)
    eliminate(modality, label)
    by_cache = len(fitted) - asked  # the recipe is named in the key
    files = sorted((tmp_path / "elimination").iterdir())
    contents = [file.read_bytes() for file in files]
    broken = [contents[::-1], [b"", b""], [c[: len(c) // 2] for c in contents], [b"[1]", b"null"]]
    bits = 8 * min(map(len, contents))
    for bit in range(0, bits, bits // 5 + 1):
        turned = [bytearray(c) for c in contents]
        for c in turned:
            c[bit // 8] ^= 1 << bit % 8
        broken.append([bytes(c) for c in turned])
    for pair in broken:
        for file, damage in zip(files, pair, strict=True):
            file.write_bytes(damage)
        fitted.clear()
        np.testing.assert_array_equal(eliminate(modality, label), first)
        assert len(fitted) > by_cache
        assert sorted(path.name for path in files[0].parent.iterdir()) == [f.name for f in files]


def test_patients_without_a_class_and_rare_classes_do_not_count() -> None:
    modality, label = labelled()
    known = dict(list(label.values.items())[:50])
    rare = Label(known | {"P050": "C", "P051": "C"}, ("A", "B", "C"))
    np.testing.assert_array_equal(
        eliminate(modality, rare), eliminate(modality.subset(known), Label(known, ("A", "B")))
    )
    with pytest.raises(TooFewError, match="fewer than two with 5"):
        eliminate(modality.subset(list(known)[:8]), label)


def declaring(cohort: Cohort, **declared: object) -> Cohort:
    rna = cohort.modalities["rna"]
    return replace(cohort, modalities={**cohort.modalities, "rna": replace(rna, **declared)})  # type: ignore[arg-type]


BOTH = {"ranked": True, "selection": Selection("subtype", ("GENE299", "GENE007"))}


def test_nothing_is_fitted_where_nothing_is_declared() -> None:
    cohort = planted(False)
    assert Expression.fit(cohort, cohort.patients) is None
    assert declaring(cohort, ranked=True).fingerprint() != cohort.fingerprint()


def test_what_is_fitted_keeps_the_genes_names_and_the_listed_ones() -> None:
    cohort = declaring(planted(False), **BOTH)
    found = Expression.fit(cohort, make_splits(cohort, 5)[0].train)
    assert found is not None
    assert {"GENE299", "GENE007"} <= set(found.genes)
    assert len(found.genes) < 300
    assert list(found.state()["genes"]) == list(found.genes)
    rna, raw = found.of(cohort).modalities["rna"], cohort.modalities["rna"]
    assert isinstance(rna, VectorModality)
    assert isinstance(raw, VectorModality)
    assert rna.features == found.genes
    assert [raw.features[j] for j in found.columns] == list(found.genes)
    assert not rna.ranked
    assert rna.selection is None


def poisoned(cohort: Cohort, split: Split) -> Cohort:
    """Other expression and other outcomes of the test patients."""
    test = set(split.test)
    modalities = dict(cohort.modalities)
    for name, modality in cohort.modalities.items():
        assert isinstance(modality, VectorModality)
        values = modality.values.copy()
        values[[p in test for p in modality.patients]] = 1e6
        modalities[name] = replace(modality, values=values)
    label = cohort.labels["subtype"]
    turned = dict(zip(label.classes, (*label.classes[1:], label.classes[0]), strict=True))
    classes = {p: turned[c] if p in test else c for p, c in label.values.items()}
    return replace(
        cohort, modalities=modalities, labels={"subtype": replace(label, values=classes)}
    )


@pytest.mark.parametrize("method", ["pca", "cca", "mean-concat", "mirror", "clip", "late-fusion"])
def test_no_test_patient_touches_anything_that_is_fitted(method: str) -> None:
    cohort = declaring(planted(False), **BOTH)
    split = make_splits(cohort, 5)[1]
    spec = all_methods()[method]
    config = asdict(spec.config_for(Budget.SMOKE))
    if "epochs" in config:
        config["epochs"] = 1
    target = planted(False).endpoints["os"].subset(split.train)
    target_or_none = target if spec.role is Role.SUPERVISED else None
    clean, poison = (
        (
            Expression.fit(one, split.train),
            fit_method(spec, config, one, split, target_or_none, 3, "cpu")[0],
        )
        for one in (cohort, poisoned(cohort, split))
    )
    assert clean[0] is not None
    assert poison[0] is not None
    for before, after in zip(clean, poison, strict=True):
        assert before is not None
        assert after is not None
        assert before.state().keys() == after.state().keys()
        for name, values in before.state().items():
            np.testing.assert_array_equal(values, after.state()[name], err_msg=name)


def test_everybody_would_have_chosen_other_genes() -> None:
    """The test above can fail: the leak that it looks for changes what is fitted."""
    cohort = declaring(planted(False), **BOTH)
    split = make_splits(cohort, 5)[1]
    found = [Expression.fit(one, one.patients) for one in (cohort, poisoned(cohort, split))]
    assert found[0] is not None
    assert found[1] is not None
    assert found[0].genes != found[1].genes


def request(cohort: Cohort, folder: Path, control: Control | None = None) -> Request:
    return Request(
        methods=[all_methods()["pca"], all_methods()["wsi-only"]],
        tasks=select_tasks("subtyping", [cohort]),
        cohorts=[(folder, cohort)],
        folds=outer_folds("patient", 3, [cohort]),
        seeds=(0,),
        budget=Budget.SMOKE,
        control=control,
        protocol=Protocol.STRICT,
    )


def declared_folder(tmp_path: Path, text: str) -> Path:
    """The planted cohort of vectors with more said of its expression."""
    folder = tmp_path / "cohort"
    folder.mkdir()
    for file in planted_folder(False).iterdir():
        if file.name != "cohort.toml":
            (folder / file.name).symlink_to(file)
    manifest = (planted_folder(False) / "cohort.toml").read_text()
    (folder / "cohort.toml").write_text(
        manifest.replace("[modalities.rna]", f"[modalities.rna]\n{text}")
    )
    return folder


def test_who_was_told_labels_is_not_recorded_as_self_supervised(tmp_path: Path) -> None:
    folder = declared_folder(tmp_path, 'selection = { label = "subtype" }')
    cohort = load_cohort(folder)
    assert any("no method that sees them is self-supervised" in note for note in cohort.notes)
    plan = make_plan(request(cohort, folder), {}, overwrite=False, retry_failed=False)
    broken = make_plan(
        request(cohort, folder, Control.PERMUTED_LABELS), {}, overwrite=False, retry_failed=False
    )
    # permuted labels choose other genes: the honest fit must not stand in for it
    assert not {t.fit for t in plan.trials} & {t.fit for t in broken.trials}
    trials = {t.method: t for t in plan.trials}
    records = {name: run_trial(trial, tmp_path, "cpu")[0] for name, trial in trials.items()}
    assert records["pca"].role == "supervised"
    assert records["wsi-only"].role == "control"
    assert 0 < len(records["pca"].genes) < 300
    assert set(records["pca"].genes) <= {f"GENE{i:03}" for i in range(300)}
    again = make_plan(
        request(planted(False), planted_folder(False)), {}, overwrite=False, retry_failed=False
    )
    assert run_trial(again.trials[0], tmp_path, "cpu")[0].genes == ()


def test_too_few_of_a_class_is_said(tmp_path: Path) -> None:
    cohort = declaring(planted(False), **BOTH)
    label = cohort.labels["subtype"]
    few = {p: c for i, (p, c) in enumerate(label.values.items()) if i < 6}
    cohort = replace(cohort, labels={"subtype": replace(label, values=few)})
    split = make_splits(planted(False), 5)[0]
    spec = all_methods()["pca"]
    with pytest.raises(UnableError, match="selected by classes"):
        fit_method(spec, asdict(spec.config), cohort, split, None, 0, "cpu")


# What a manifest declares


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ("tpm", lambda x: np.log2(x + 1)),
        ("counts", lambda x: np.log2(1e6 * x / x.sum(axis=1, keepdims=True) + 1)),
        ("log2", lambda x: x),
    ],
)
def test_scales_become_logarithms(
    tmp_path: Path, declared: str, expected: Callable[[np.ndarray], np.ndarray]
) -> None:
    folder = small(tmp_path, f'scale = "{declared}"')
    found = load_cohort(folder).modalities["rna"]
    assert isinstance(found, VectorModality)
    np.testing.assert_allclose(found.values, expected(TABLE), rtol=1e-6)


@pytest.mark.parametrize("summary", ["N_noFeature", "N_multimapping", "__alignment_not_unique"])
@pytest.mark.parametrize("orientation", ["samples", "genes"])
def test_an_aligners_summary_is_of_no_genes(tmp_path: Path, summary: str, orientation: str) -> None:
    folder = small(tmp_path, f'scale = "counts"\norientation = "{orientation}"')
    lines = (folder / "rna.csv").read_text().splitlines()
    rows = [
        [*line.split(","), more] for line, more in zip(lines, (summary, 900, 80, 7), strict=True)
    ]
    written = zip(*rows, strict=True) if orientation == "genes" else rows
    (folder / "rna.csv").write_text("\n".join(",".join(map(str, row)) for row in written))
    cohort = load_cohort(folder)
    found = cohort.modalities["rna"]
    assert isinstance(found, VectorModality)
    per_million = 1e6 * TABLE / TABLE.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.values, np.log2(per_million + 1), rtol=1e-6)
    note = "rna: 1 features left out: rows of an aligner's summary, which are no genes"
    assert note in cohort.notes


TABLE = np.array([[0.0, 3.0, 10.0], [7.0, 0.0, 1.0], [1.0, 1.0, 2.0]])


def small(tmp_path: Path, text: str, cells: np.ndarray = TABLE) -> Path:
    """Three patients, three genes named as Ensembl does."""
    rows = [f"TCGA-AA-000{i},{','.join(map(str, row))}" for i, row in enumerate(cells.tolist())]
    header = "id,ENSG00000000003.14,ENSG00000000005.6,TP53"
    (tmp_path / "rna.csv").write_text("\n".join([header, *rows]))
    (tmp_path / "probemap.tsv").write_text(
        "id\tgene\tchrom\nENSG00000000003.14\tTSPAN6\tX\nENSG00000000005\tTNMD\tX\n"
    )
    (tmp_path / "labels.csv").write_text(
        "id,type\nTCGA-AA-0000,A\nTCGA-AA-0001,B\nTCGA-AA-0002,A\n"
    )
    (tmp_path / "cohort.toml").write_text(
        'name = "X"\n[modalities.rna]\nkind = "vector"\npath = "rna.csv"\nid = "id"\n'
        f'{text}\n[labels.type]\npath = "labels.csv"\nid = "id"\ncolumn = "type"\n'
        'classes = ["A", "B"]\n'
    )
    return tmp_path


NAMES = ("ENSG00000000003.14", "ENSG00000000005.6", "TP53", "G4", "G5", "G6", "G7")
SETS = {
    "TWO": ("TP53", "TSPAN6", "G7", "G6", "G5", "NOBODY"),
    "ONE": ("TSPAN6", "TNMD", "TP53", "G4", "G5"),
    "FEW": ("G4", "G5", "G6", "G7"),
    "GONE": ("NOBODY",),
}


def with_sets(folder: Path, file: str, declared: str = 'probemap = "probemap.tsv"') -> Path:
    """A cohort of the genes `NAMES` and the sets `SETS`."""
    small(folder, f'gene_sets = "{file}"\n{declared}')
    cells = np.random.default_rng(0).random((3, 7)).round(3).tolist()
    rows = [f"TCGA-AA-000{i},{','.join(map(str, row))}" for i, row in enumerate(cells)]
    (folder / "rna.csv").write_text("\n".join([f"id,{','.join(NAMES)}", *rows]))
    lines = ["\t".join([name, "http://x", *genes]) for name, genes in SETS.items()]
    (folder / "sets.gmt").write_text("\n".join(lines) + "\n\n")
    (folder / "sets.gmt.gz").write_bytes(gzip.compress((folder / "sets.gmt").read_bytes()))
    table = [",".join(row) for row in itertools.zip_longest(*SETS.values(), fillvalue="")]
    (folder / "sets.csv").write_text("\n".join([",".join(SETS), *table]))
    # as MCAT's table has it: rows of fewer cells, not filled up
    short = [",".join(SETS), *(row.rstrip(",") for row in table)]
    (folder / "short.csv").write_text("\n".join(short) + "\n")
    return folder


@pytest.mark.parametrize("file", ["sets.gmt", "sets.gmt.gz", "sets.csv", "short.csv"])
def test_gene_sets_name_columns_and_what_is_left_out_is_counted(tmp_path: Path, file: str) -> None:
    cohort = load_cohort(with_sets(tmp_path, file))
    rna = cohort.modalities["rna"]
    assert isinstance(rna, VectorModality)
    assert list(rna.gene_sets) == ["ONE", "TWO"]  # by name, whatever the order of the file
    assert rna.gene_sets["ONE"] == (*NAMES[:5],)
    assert rna.gene_sets["TWO"] == ("TP53", NAMES[0], "G7", "G6", "G5")
    assert (
        "rna: 2 gene sets of 4 have at least 5 genes here (2 left out: FEW, GONE); 0 genes of 7 "
        "are in none of them, and 1 of the sets' 8 genes are not here"
    ) in cohort.notes


def test_gene_sets_are_part_of_what_a_cohort_is(tmp_path: Path) -> None:
    folder = with_sets(tmp_path, "sets.gmt")
    manifest = (folder / "cohort.toml").read_text()
    fingerprints = {}
    for declared in ('"sets.gmt"', '"sets.csv"', "none"):
        lines = manifest.replace('"sets.gmt"', declared).splitlines()
        kept = [line for line in lines if "none" not in line]
        (folder / "cohort.toml").write_text("\n".join(kept))
        fingerprints[declared] = load_cohort(folder).fingerprint()
    assert fingerprints['"sets.gmt"'] == fingerprints['"sets.csv"'] != fingerprints["none"]


def test_sets_of_few_genes_are_refused(tmp_path: Path) -> None:
    folder = with_sets(tmp_path, "sets.gmt", "")  # without what translates identifiers
    message = "sets.gmt: expected sets of at least 5 genes of rna.csv, found at most 4, in FEW"
    with pytest.raises(InputError, match=message):
        load_cohort(folder)


@pytest.mark.parametrize(("lacking", "kept"), [(["G5"], 5), (["G5", "G6"], 0)])
def test_unions_have_the_sets_that_they_have_genes_enough_of(
    tmp_path: Path, lacking: list[str], kept: int
) -> None:
    members = []
    for name, drop in (("A", ["G4"]), ("B", lacking)):
        (tmp_path / name).mkdir()
        folder = with_sets(tmp_path / name, "sets.gmt", f"drop = {drop}")
        (folder / "sets.gmt").write_text("\t".join(["ALL", "", *NAMES]))
        for file in ("rna.csv", "labels.csv"):
            text = (folder / file).read_text().replace("TCGA-AA", f"TCGA-{2 * name}")
            (folder / file).write_text(text)
        text = (folder / "cohort.toml").read_text().replace('"X"', f'"{name}"')
        (folder / "cohort.toml").write_text(text)
        members.append(load_cohort(folder))
        assert list(members[-1].modalities["rna"].gene_sets) == ["ALL"]  # type: ignore[union-attr]
    rna = together("BOTH", "BOTH", members).modalities["rna"]
    assert isinstance(rna, VectorModality)
    sizes = {name: len(genes) for name, genes in rna.gene_sets.items()}
    assert sizes == dict([("ALL", kept)][:kept])


def test_a_census_table_or_a_list_is_kept_whatever_is_selected(tmp_path: Path) -> None:
    (tmp_path / "census.csv").write_text('Gene Symbol,Tier\nTSPAN6,1\n"NOBODY",2\n')
    text = 'probemap = "probemap.tsv"\nselection = { label = "type", always = "census.csv" }'
    cohort = load_cohort(small(tmp_path, text))
    rna = cohort.modalities["rna"]
    assert isinstance(rna, VectorModality)
    assert rna.selection == Selection("type", ("ENSG00000000003.14",))
    assert any("1 of the 2 genes in census.csv are not here" in note for note in cohort.notes)
    (tmp_path / "census.csv").write_text("# mine, 2021\nENSG00000000005\nTP53\n")
    rna = load_cohort(tmp_path).modalities["rna"]
    assert isinstance(rna, VectorModality)
    assert rna.selection == Selection("type", ("ENSG00000000005.6", "TP53"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('scale = "tmp"', "rna.scale: expected one of counts, tpm, log2, zscore, found 'tmp' .did"),
        ('transform = "ranks"', "rna.transform: expected one of clip, rank"),
        ('selection = { label = "kind" }', "rna.selection.label: expected one of the declared"),
        ("selection = { }", "rna.selection.label: expected a text, found no such key"),
        ('gene_sets = "no.gmt"', "rna.gene_sets: expected a file"),
        ('gene_sets = "labels.csv"', "labels.csv: expected genes of rna.csv, found none of them"),
        ('probemap = "labels.csv"', "expected a column 'gene'"),
        ('gene_sets = "other.gmt"', "other.gmt: expected genes of rna.csv, found none of them"),
        ('scale = "log2"', "TCGA-AA-0000, TP53: expected at most 64 on the declared scale"),
        ('scale = "counts"', "TCGA-AA-0001, ENSG00000000005.6: expected no negative value"),
    ],
)
def test_what_is_wrong_is_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "other.gmt").write_text("ONE\t\tXYZ\n")
    cells = TABLE.copy()
    cells[0, 2], cells[1, 1] = 1e4, -1.0
    folder = small(tmp_path, text, cells)
    with pytest.raises(InputError, match=message) as raised:
        load_cohort(folder)
    assert "\n" not in str(raised.value)


def test_slides_have_no_genes(tmp_path: Path) -> None:
    folder = small(tmp_path, 'scale = "tpm"')
    manifest = (folder / "cohort.toml").read_text().replace("modalities.rna]", "modalities.wsi]")
    (folder / "cohort.toml").write_text(manifest)
    with pytest.raises(InputError, match="found the unknown key 'scale'"):
        load_cohort(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected gene sets, found an empty file"),
        (b"ONE\tx\tA\nONE\tx\tB\n", "line 2: expected a new name, found 'ONE' again"),
        (b"ONE\tx\tA\nTWO\tx\n", "line 2: expected a name, a description and genes"),
        (b"ONE A B\n", "line 1: expected a name, a description and genes"),
        (b"\xff\xfe\x00", "expected a gmt file of gene sets"),
        (b"\x1f\x8b\x08broken", "expected a gmt file of gene sets"),
    ],
)
def test_a_broken_gmt_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "sets.gmt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_gene_sets(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("A,B\nx,\ny,\n", "column 2: expected a name and genes below it, found 'B' and 0 genes"),
        ("A,,C\nx,y,z\n", "column 2: expected a name and genes below it, found '' and 1 genes"),
        ("A,A\nx,y\n", "column 2: expected a new name, found 'A' again"),
        ("", "expected a header line, found an empty file"),
    ],
)
def test_a_broken_table_of_gene_sets_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "sets.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_gene_sets(path)


def test_a_list_without_genes_or_of_other_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "genes.txt"
    for content, message in (("# none\n", "expected genes"), ("Gene,Tier\nA,1\n", "'Gene Symbol'")):
        path.write_text(content)
        with pytest.raises(InputError, match=message):
            read_gene_list(path)


# Gene sets in a method


def test_mcat_groups_by_gene_set_and_without_by_coexpression() -> None:
    cohort = planted(True)
    patients = cohort.complete()[:40]
    target = cohort.endpoints["os"].subset(patients)
    spec = all_methods()["mcat"]
    sets = {"A": ("GENE001", "GENE002", "GENE003"), "B": ("GENE003", "GENE004")}

    def fitted(cohort: Cohort) -> dict[str, np.ndarray]:
        method = spec.build(replace(spec.config_for(Budget.SMOKE), epochs=1))  # type: ignore[call-arg]
        method.fit(cohort.subset(patients), Context(seed=0, target=target))
        restored = spec.build(method.config)
        restored.restore(method.state())
        one = cohort.subset(patients[:3])
        np.testing.assert_array_equal(restored.embed(one).joint, method.embed(one).joint)
        return method.state()

    state = fitted(declaring(cohort, gene_sets=sets))
    kept = np.array(cohort.modalities["rna"].features)[state["rna.scaler.kept"]]  # type: ignore[union-attr]
    assert state["network.encoder.genes.sizes"].tolist() == [3, 2]
    named = kept[state["network.encoder.genes.members"]].tolist()
    assert named == [*sets["A"], *sets["B"]]
    plain = fitted(cohort)
    assert sorted(plain["network.encoder.genes.members"]) == list(range(300))
    with pytest.raises(UnableError, match="no gene of any gene set"):
        fitted(declaring(cohort, gene_sets={"A": ("OTHER",)}))


def test_embeddings_in_a_file_say_which_genes_they_are_of(tmp_path: Path) -> None:
    folder = declared_folder(tmp_path, 'transform = "rank"\nselection = { label = "subtype" }')
    out = tmp_path / "out.h5"
    embed_to_file("pca", folder, out, None, ("pca.genes=9",), Budget.SMOKE, "cpu")
    cohort = load_cohort(folder)
    everybody = Expression.fit(cohort, cohort.patients)
    assert everybody is not None
    with h5py.File(out) as file:
        genes = file["genes"].asstr()[:].tolist()
    assert len(genes) == 9
    assert set(genes) <= set(everybody.genes)
