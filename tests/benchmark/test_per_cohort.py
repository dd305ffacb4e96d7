"""What the records answer of a cohort and of a method, as numbers and as sentences."""

import math

import numpy as np
import pandas as pd
import pytest

from benchmark.analysis.board import Board
from benchmark.analysis.findings import Findings, Verdict
from benchmark.analysis.per_cohort import BEST, by_cohort
from benchmark.analysis.per_method import first_of, standing_of, told_apart
from benchmark.analysis.stats import nadeau_bengio
from benchmark.show.answers import cohort_title, duels, in_short, places, scale, sentences, why
from benchmark.show.tables import Text
from tests.helpers.frames import fake, records


@pytest.fixture(scope="module")
def board() -> Board:
    return Board(fake())


def words(text: Text) -> str:
    return "".join(text)


def test_real_cohorts_come_first_and_those_of_most_patients(board: Board) -> None:
    found = by_cohort(board)
    assert [one.tables[0].planted for one in found] == [False, False, True, True]
    assert found[0].n_patients >= found[1].n_patients
    assert sum(len(one.tables) for one in found) == len(board.standings)


def test_a_circular_label_answers_nothing(board: Board) -> None:
    (brca,) = (one for one in by_cohort(board) if one.cohort == "TCGA-BRCA")
    assert {answer.table.kind for answer in brca.answers} <= {"survival"}


def test_what_stands_beside_is_paired_with_the_one_to_use() -> None:
    frame = records(
        {"mean-concat": [[0.6, 0.7, 0.65]], "mirror": [[0.5, 0.62, 0.6]],
         "clinical": [[0.55, 0.7, 0.7]]},
        task="survival/TCGA-LUAD/os", n_folds=3,
    )  # fmt: skip
    frame.loc[frame["method"] != "mirror", "role"] = "control"
    (cohort,) = by_cohort(Board(frame))
    (answer,) = cohort.answers
    assert answer.over is None
    assert answer.use.method == "mean-concat"
    assert [one.what for one in answer.beside] == ["mean-concat", "clinical", BEST]
    assert answer.beside[0].against is None
    mirror = answer.of("mirror")
    assert mirror is not None
    paired = np.subtract([0.5, 0.62, 0.6], [0.6, 0.7, 0.65])
    assert mirror.against == nadeau_bengio(paired, 1 / 2, 2)
    assert mirror.verdict is Verdict.OPEN
    said = [words(line) for line in sentences(answer)]
    assert "1 split" not in said[0]
    assert any("Both together were not fitted" in line for line in said)
    assert words(in_short(answer)).startswith("Use mean-concat: C-index 0.650")


def test_a_clear_loss_is_called_one() -> None:
    frame = records(
        {"mean-concat": [[0.7, 0.71, 0.72]], "mirror": [[0.5, 0.511, 0.52]]},
        task="survival/TCGA-LUAD/os",
    )
    frame.loc[frame["method"] == "mean-concat", "role"] = "control"
    (answer,) = by_cohort(Board(frame))[0].answers
    mirror = answer.of("mirror")
    assert mirror is not None
    assert mirror.verdict is Verdict.WORSE


def test_where_a_method_stands() -> None:
    values = {"pca": [[0.7, 0.72]], "mirror": [[0.6, 0.59]], "random-init": [[0.5, 0.52]]}
    frame = pd.concat([records(values, task=f"survival/C{i}/os") for i in range(3)])
    frame.loc[frame["method"] == "random-init", "role"] = "control"
    board = Board(frame)
    found = standing_of("mirror", "self-supervised", board)
    assert found is not None
    (place,) = found.places
    assert (place.place, place.among, place.first) == (2, 2, "pca")
    assert first_of(place.of) == "pca"
    level = Findings(board.main[0].kinds).level
    assert place.to_first == place.of.pair("mirror", "pca", level)
    (claim,) = [c for c in Findings(board.main[0].kinds).kinds[0].claims if c.method == "pca"]
    turned = (-place.to_first.high, -place.to_first.low)
    assert (claim.found.low, claim.found.high) == pytest.approx(turned, abs=1e-9)
    assert (place.ahead, place.cohorts) == (0, 3)
    assert place.to_untrained.n == 3
    text = " ".join(words(line) for line in places(found))
    assert "Survival: place 2 of 2 that learn without labels" in text
    assert "scores higher in 0 of 3 cohorts" in text
    assert "to the same encoders untrained" in text
    assert why(found) == "Why is mirror not first?"
    assert told_apart(found.parts) == ()
    best = standing_of("pca", "self-supervised", board)
    assert best is not None
    assert why(best) == "Is pca shown to be the best?"
    control = standing_of("random-init", "control", board)
    assert control is not None
    assert why(control) == "Where it stands"


def test_wins_and_losses_are_counted() -> None:
    frame = records({"pca": [[0.7, 0.71, 0.72]], "mirror": [[0.5, 0.511, 0.52]]})
    found = standing_of("pca", "self-supervised", Board(frame))
    assert found is not None
    assert found.held_against == "mean-concat"
    assert list(duels(found)) == []
    frame = records({"pca": [[0.7, 0.71, 0.72]], "mean-concat": [[0.5, 0.511, 0.52]]})
    found = standing_of("pca", "self-supervised", Board(frame))
    assert found is not None
    assert [duel.verdict for duel in found.duels] == [Verdict.BETTER]
    assert "better on 1, worse on 0" in words(next(iter(duels(found))))


def test_a_method_of_no_comparison_stands_nowhere(board: Board) -> None:
    assert standing_of("nobody", "control", board) is None


def test_titles_and_scales(board: Board) -> None:
    assert cohort_title("TCGA-KIRC") == "Clear cell kidney cancer (TCGA-KIRC)"
    assert cohort_title("MINE") == "MINE"
    (table, *_) = board.standings
    said = scale(table.primary)
    assert said.startswith("higher is better")
    assert math.isfinite(table.primary.bounds[1]) == ("perfect" in said)
