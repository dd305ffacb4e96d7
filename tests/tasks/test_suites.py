"""The primary tasks: whom they cover, and what stands in for a cohort that is not named."""

import tomllib
from importlib.resources import files

import pytest

from tasks.data.fetch.questions import Labels
from tasks.data.fetch.tcga_hif import TCGA_HIF
from tasks.data.fetch.tcga_hipt import TCGA_HIPT
from tasks.registry import KINDS
from tasks.suites import apart, in_words, primary_task, useful_kinds

SUITES = tomllib.loads((files("tasks") / "suites.toml").read_text())
FETCHED = {recipe.cohort for catalogue in (TCGA_HIPT, TCGA_HIF) for recipe in catalogue.recipes}
EMBEDDED = {"PLANTED-BAGS", "PLANTED-VECTORS"}


def test_every_fetched_and_embedded_cohort_has_an_endpoint() -> None:
    assert len(TCGA_HIPT.recipes) == 13
    assert (FETCHED | EMBEDDED | set(TCGA_HIPT.unions)) <= set(SUITES["survival"])


def test_unions_are_those_of_the_catalogue() -> None:
    assert {name: tuple(parts) for name, parts in SUITES["unions"].items()} == TCGA_HIPT.unions


def test_only_kinds_that_say_what_a_method_is_worth_are_declared() -> None:
    assert set(useful_kinds()) == {"survival", "subtyping", "mutation"}
    assert set(useful_kinds()) < {kind.kind for kind in KINDS}


def test_a_cohort_is_asked_for_its_primary_gene_and_label() -> None:
    asked = {
        recipe.cohort: label
        for recipe in TCGA_HIPT.recipes
        for label in recipe.parts
        if isinstance(label, Labels)
    }
    for cohort, gene in SUITES["mutation"].items():
        assert gene in asked[cohort].genes, cohort
    for cohort, label in SUITES["subtyping"].items():
        if label in {"histology", "grade"}:
            (question,) = (q for q in asked[cohort].questions if q.name == label)
            assert "slides" in question.called_from, cohort


def test_labels_have_plain_words_where_they_do_not_speak_for_themselves() -> None:
    asked = {f"{cohort}/{label}" for cohort, label in SUITES["subtyping"].items() if label}
    assert set(SUITES["words"]) == {of for of in asked if not of.startswith("PLANTED")}
    assert in_words("subtyping/TCGA-KIRP/papillary") == "type 1 or type 2"
    assert in_words("mutation/TCGA-LUAD/KRAS") == "KRAS mutated or not"
    assert in_words("subtyping/MINE/ward") == "ward"


@pytest.mark.parametrize(
    ("kind", "cohort", "labels", "expected"),
    [
        ("survival", "TCGA-BRCA", {"os", "pfi"}, "pfi"),
        ("survival", "TCGA-BRCA", {"os"}, None),  # another endpoint is another question
        ("survival", "MINE", {"os", "dss"}, "os"),
        ("survival", "MINE", {"relapse"}, "relapse"),
        ("survival", "MINE", {"pfi", "dss"}, None),
        ("subtyping", "TCGA-BRCA", {"histology"}, "histology"),
        ("subtyping", "TCGA-LUAD", set(), None),
        ("subtyping", "RCC", {"project"}, None),
        ("mutation", "MINE", {"KRAS"}, "KRAS"),
        ("mutation", "MINE", {"KRAS", "TP53"}, None),
        ("retention", "TCGA-BRCA", {"content"}, None),
        ("survival", "TCGA-LUAD->TCGA-PAAD", {"os"}, None),
    ],
)
def test_primary_task(kind: str, cohort: str, labels: set[str], expected: str | None) -> None:
    assert primary_task(kind, cohort, labels) == expected


def test_a_union_is_no_evidence_beside_a_member() -> None:
    assert apart(["RCC", "TCGA-KIRP", "TCGA-BRCA"]) == {"TCGA-KIRP", "TCGA-BRCA"}
    assert apart(["RCC", "TCGA-BRCA"]) == {"RCC", "TCGA-BRCA"}
