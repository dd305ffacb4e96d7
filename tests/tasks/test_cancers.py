"""Cancers in plain words: every cohort that can be fetched, and no word twice."""

from tasks.cancers import cancers, plain_name
from tasks.data.fetch.tcga_hif import TCGA_HIF
from tasks.data.fetch.tcga_hipt import TCGA_HIPT


def test_every_cohort_that_can_be_fetched_has_a_name_and_synonyms() -> None:
    fetched = {recipe.cohort for of in (TCGA_HIPT, TCGA_HIF) for recipe in of.recipes}
    for cohort in fetched | set(TCGA_HIPT.unions):
        assert cancers()[cohort].synonyms, cohort


def test_a_synonym_is_said_once_and_is_not_the_name() -> None:
    for cohort, cancer in cancers().items():
        said = [word.lower() for word in cancer.synonyms]
        assert len(set(said)) == len(said), cohort
        assert cancer.name.lower() not in said, cohort


def test_a_cohort_of_somebody_else_goes_by_its_own_name() -> None:
    assert plain_name("TCGA-KIRC") == "clear cell kidney cancer"
    assert plain_name("MINE") == "MINE"
