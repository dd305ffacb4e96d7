"""The retention task: what is kept is seen to be kept, what is dropped to be dropped."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from tasks.base import Outcome, Status, Task
from tasks.data.cohort import BagModality, Cohort, Modality, Slide, VectorModality
from tasks.data.splits import Split, inner_folds, make_splits
from tasks.embeddings import Embeddings
from tasks.heads.inputs import standardise
from tasks.heads.ridge import fit_ridge
from tasks.kinds.content import Content
from tasks.kinds.retention import TARGETS, factors_of
from tasks.registry import select_tasks
from tests.helpers.planted import planted

N_METRICS = 11


def task_of(cohort: Cohort, label: str) -> Task:
    (task,) = select_tasks(f"retention/*/{label}", [cohort])
    return task


def evaluate(
    cohort: Cohort, embeddings: Embeddings, label: str = "content", fold: int = 0
) -> Outcome:
    split = make_splits(cohort, 5)[fold]
    return task_of(cohort, label).evaluate(embeddings, cohort, split)


def values(outcome: Outcome) -> dict[str, float]:
    return {s.metric.name: s.value for s in outcome.scores if s.value is not None}


def factors(cohort: Cohort, *names: str) -> np.ndarray:
    return np.stack([cohort.truth[name] for name in names], axis=1)


def embedded(cohort: Cohort, joint: np.ndarray) -> Embeddings:
    return Embeddings(cohort.patients, joint.astype(np.float32))


def raw_sides(cohort: Cohort) -> dict[str, np.ndarray]:
    """The raw values of a cohort of vectors, by its row of patients; zero where missing."""
    sides = {}
    for name, modality in cohort.modalities.items():
        assert isinstance(modality, VectorModality)
        sides[name] = np.zeros((len(cohort.patients), modality.width))
        rows = [cohort.patients.index(patient) for patient in modality.patients]
        sides[name][rows] = modality.values
    return sides


def unrelated(n: int = 160, width: int = 12, seed: int = 0) -> tuple[Cohort, dict[str, np.ndarray]]:
    """A cohort whose modalities are independent of each other."""
    rng = np.random.default_rng(seed)
    patients = tuple(f"P{i:03}" for i in range(n))
    raw = {side: rng.normal(size=(n, width)).astype(np.float32) for side in ("wsi", "rna")}
    names = tuple(f"f{i}" for i in range(width))
    modalities = {side: VectorModality(patients, values, names) for side, values in raw.items()}
    return Cohort("X", patients, modalities), {side: raw[side].astype(float) for side in raw}


def test_instances() -> None:
    cohort, _ = unrelated()
    found = [task.name for task in select_tasks("retention", [cohort, planted(bags=False)])]
    assert found == [
        "retention/X/content",
        "retention/PLANTED-VECTORS/content",
        "retention/PLANTED-VECTORS/truth",
    ]
    alone = replace(cohort, modalities={"wsi": cohort.modalities["wsi"]})
    assert not type(task_of(cohort, "content")).instances(alone)
    names = [metric.name for metric in task_of(cohort, "content").metrics]
    assert len(names) == N_METRICS
    assert names[0] == "private_r2"


def test_an_embedding_that_is_one_modality_keeps_it_and_nothing_of_the_other() -> None:
    cohort, raw = unrelated()
    found = values(evaluate(cohort, embedded(cohort, raw["wsi"])))
    # clipping at the 1st and 99th percentile is all that is not linear
    assert found["wsi_content_r2"] > 0.95
    assert found["wsi_private_r2"] > 0.95
    assert found["wsi_cka"] > 0.9
    for name in ("rna_content_r2", "rna_private_r2", "rna_cka"):
        assert abs(found[name]) < 0.1
    expected = (found["wsi_private_r2"] + found["rna_private_r2"]) / 2
    assert found["private_r2"] == pytest.approx(expected)


def test_what_the_other_modality_predicts_is_not_private() -> None:
    cohort, raw = unrelated()
    rna = np.column_stack([raw["wsi"][:, :6], raw["rna"][:, 6:]]).astype(np.float32)
    modality = cohort.modalities["rna"]
    assert isinstance(modality, VectorModality)
    shared = replace(cohort, modalities={**cohort.modalities, "rna": replace(modality, values=rna)})
    found = values(evaluate(shared, embedded(shared, raw["wsi"][:, :6])))
    assert found["wsi_content_r2"] > 0.4
    assert found["rna_content_r2"] > 0.4
    assert abs(found["private_r2"]) < 0.1
    private = values(evaluate(shared, embedded(shared, rna[:, 6:])))
    assert private["rna_private_r2"] > 0.85
    assert abs(private["wsi_private_r2"]) < 0.1


def test_a_collapsed_embedding_keeps_nothing() -> None:
    cohort = planted(bags=False)
    outcome = evaluate(cohort, embedded(cohort, np.full((len(cohort.patients), 5), 0.1)))
    found = values(outcome)
    for name in ("private_r2", "wsi_content_r2", "rna_content_r2"):
        assert -0.2 < found[name] <= 0
    assert found["effective_rank"] == pytest.approx(1)
    reasons = {score.metric.name: score.reason for score in outcome.scores}
    assert "does not vary" in reasons["wsi_cka"]
    assert "does not embed slides and expression apart" in reasons["uniformity"]
    truth = values(
        evaluate(cohort, embedded(cohort, np.full((len(cohort.patients), 5), 0.1)), "truth")
    )
    assert all(-0.2 < value <= 0 for value in truth.values())


def test_geometry_needs_two_sides_of_one_width() -> None:
    cohort, raw = unrelated()
    both = Embeddings(
        cohort.patients, *(raw[side].astype(np.float32) for side in ("wsi", "wsi", "wsi"))
    )
    found = values(evaluate(cohort, both))
    assert found["modality_gap"] == found["alignment"] == 0
    assert found["uniformity"] < -1
    assert len(found) == N_METRICS
    assert both.rna is not None
    outcome = evaluate(cohort, replace(both, rna=both.rna[:, :3]))
    assert {score.status for score in outcome.scores[:8]} == {Status.OK}
    for score in outcome.scores[8:]:
        assert score.reason == "slides and expression are embedded in widths 12 and 3"


def test_predictions_give_the_scores_back() -> None:
    cohort = planted(bags=False)
    joint = np.hstack([side[:, :8] for side in raw_sides(cohort).values()])
    outcome = evaluate(cohort, embedded(cohort, joint), fold=1)
    split = make_splits(cohort, 5)[1]
    complete = set(cohort.complete())
    assert outcome.predictions["patient"] == [p for p in split.test if p in complete]
    assert outcome.n_patients == len(outcome.predictions["patient"])
    found = values(outcome)
    for name in ("wsi_private", "rna_private", "wsi_content", "rna_content"):
        error, total = (
            np.array(outcome.predictions[f"{name}_{part}"], dtype=float)
            for part in ("error", "total")
        )
        assert found[f"{name}_r2"] == pytest.approx(1 - error.sum() / total.sum(), abs=1e-12)


def test_content_r2_is_that_of_the_axes_of_training_patients() -> None:
    cohort, raw = unrelated(width=40)
    split = make_splits(cohort, 5)[0]
    outcome = task_of(cohort, "content").evaluate(
        embedded(cohort, raw["wsi"][:, :20]), cohort, split
    )
    train, test = ([cohort.patients.index(p) for p in part] for part in (split.train, split.test))
    wsi = raw["wsi"].astype(np.float32)
    content = Content.fit(wsi[train])
    predicted = (
        raw["wsi"][test, :20] @ outcome.head["probe.coefficients"]
        + outcome.head["probe.intercepts"]
    )
    truth = content.components(wsi[test])[:, :TARGETS]
    expected = r2_score(truth, predicted[:, TARGETS : 2 * TARGETS], multioutput="variance_weighted")
    assert values(outcome)["wsi_content_r2"] == pytest.approx(expected, abs=1e-9)


def test_private_content_of_training_patients_is_cross_fitted() -> None:
    cohort, raw = unrelated()
    rng = np.random.default_rng(1)
    modality = cohort.modalities["wsi"]
    assert isinstance(modality, VectorModality)
    wsi = (raw["wsi"] + raw["rna"] @ rng.normal(size=(12, 12))).astype(np.float32)
    related = replace(
        cohort, modalities={**cohort.modalities, "wsi": replace(modality, values=wsi)}
    )
    joint = rng.normal(size=(len(cohort.patients), 5)) + wsi[:, :5]
    split = make_splits(related, 5)[0]
    outcome = task_of(related, "content").evaluate(embedded(related, joint), related, split)

    train = [cohort.patients.index(patient) for patient in split.train]
    folds = inner_folds(split.train, [0] * len(train), 5)
    rna = raw["rna"][train].astype(np.float32)
    Y = Content.fit(wsi[train]).components(wsi[train])
    Z, _, _ = standardise(Content.fit(rna).components(rna))
    held_out = np.empty_like(Y)
    penalties = outcome.head["rna_to_wsi.penalties"]
    assert np.isfinite(penalties).sum() > 6
    for target, penalty in enumerate(penalties):
        for fold in range(5):
            rest = folds != fold
            alpha = min(penalty * rest.sum() * Z.shape[1], 1e30)  # as good as infinity
            model = Ridge(alpha=alpha, solver="svd")
            model.fit(Z[rest], Y[rest, target])
            held_out[~rest, target] = model.predict(Z[~rest])
    X = joint[train].astype(np.float32).astype(np.float64)
    expected = fit_ridge(X, Y - held_out, folds).coefficients
    # the first targets of the probe are the slides' private content
    found = outcome.head["probe.coefficients"][:, : Y.shape[1]]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


def poisoned(cohort: Cohort, patients: tuple[str, ...]) -> Cohort:
    """The cohort with everything known of `patients` made absurd."""

    def absurd(slide: Slide, width: int) -> Slide:
        return replace(slide, read=lambda: np.full((slide.n_instances, width), 1e6, np.float32))

    modalities: dict[str, Modality] = {}
    for name, modality in cohort.modalities.items():
        if isinstance(modality, BagModality):
            slides = {
                patient: tuple(absurd(s, modality.width) for s in found)
                if patient in patients
                else found
                for patient, found in modality.slides.items()
            }
            modalities[name] = BagModality(slides, modality.width)
        else:
            changed = modality.values.copy()
            changed[[patient in patients for patient in modality.patients]] = 1e6
            modalities[name] = replace(modality, values=changed)
    rows = [patient in patients for patient in cohort.patients]
    truth = {name: np.where(rows, 1e6, factor) for name, factor in cohort.truth.items()}
    return replace(cohort, modalities=modalities, truth=truth)


@pytest.mark.parametrize("bags", [True, False], ids=["bags", "vectors"])
@pytest.mark.parametrize("label", ["content", "truth"])
def test_test_patients_touch_nothing_that_is_fitted(label: str, bags: bool) -> None:
    cohort = planted(bags)
    split = make_splits(cohort, 5)[0]
    joint = factors(cohort, *cohort.truth)
    clean = task_of(cohort, label).evaluate(embedded(cohort, joint), cohort, split)
    joint[[patient in split.test for patient in cohort.patients]] = 1e6
    other = poisoned(cohort, split.test)
    outcome = task_of(other, label).evaluate(embedded(other, joint), other, split)
    assert clean.head.keys() == outcome.head.keys()
    assert clean.head
    for name, fitted in clean.head.items():
        np.testing.assert_array_equal(fitted, outcome.head[name], err_msg=name)


def test_order_of_rows_does_not_matter() -> None:
    cohort = planted(bags=False)
    embeddings = embedded(cohort, factors(cohort, *cohort.truth))
    order = np.random.default_rng(1).permutation(len(cohort.patients))
    shuffled = Embeddings(tuple(embeddings.patients[i] for i in order), embeddings.joint[order])
    for label in ("content", "truth"):
        one, other = (evaluate(cohort, e, label) for e in (embeddings, shuffled))
        assert one.predictions == other.predictions
        assert one.scores == other.scores


def test_true_factors_are_found_where_they_are_and_nowhere_else() -> None:
    cohort = planted(bags=False)
    mixing = np.random.default_rng(0).normal(size=(3, 8))
    shared = factors(cohort, *factors_of(cohort, "shared"))
    # float32 is all that is lost
    found = values(evaluate(cohort, embedded(cohort, shared @ mixing), "truth"))
    assert found["truth_shared_r2"] > 0.999
    assert -0.15 < found["truth_private_r2"] < 0.1
    everything = values(evaluate(cohort, embedded(cohort, factors(cohort, *cohort.truth)), "truth"))
    assert min(everything.values()) > 0.999


def test_a_dropped_private_factor_is_seen_to_be_dropped() -> None:
    cohort = planted(bags=False)
    kept = [name for name in cohort.truth if name != "wsi_private_1"]
    outcome = evaluate(cohort, embedded(cohort, factors(cohort, *kept)), "truth")
    found = values(outcome)
    assert found["truth_wsi_private_r2"] == pytest.approx(0.5, abs=0.15)
    assert found["truth_rna_private_r2"] > 0.999
    assert found["truth_shared_r2"] > 0.999
    expected = (found["truth_wsi_private_r2"] + found["truth_rna_private_r2"]) / 2
    assert found["truth_private_r2"] == pytest.approx(expected)
    table = {name: np.array(column) for name, column in outcome.predictions.items()}
    recovered = {
        name: r2_score(table[name].astype(float), table[f"{name}_predicted"].astype(float))
        for name in cohort.truth
    }
    assert recovered.pop("wsi_private_1") < 0.1
    assert min(recovered.values()) > 0.999

    # the raw slides tell the same without being told the truth
    whole, dropped = (
        values(evaluate(cohort, embedded(cohort, factors(cohort, *names))))["wsi_private_r2"]
        for names in (list(cohort.truth), kept)
    )
    assert dropped < whole - 0.05


def test_too_few_pairs_are_skipped_with_a_reason() -> None:
    cohort = planted(bags=False)
    embeddings = embedded(cohort, factors(cohort, *cohort.truth))
    pairs = cohort.complete()
    for label in ("content", "truth"):
        outcome = task_of(cohort, label).evaluate(
            embeddings, cohort, Split(0, pairs[:5], pairs[5:])
        )
        assert {score.status for score in outcome.scores} == {Status.SKIPPED}
        assert outcome.scores[0].reason == "5 training patients with a pair, 10 needed"
        nobody = task_of(cohort, label).evaluate(embeddings, cohort, Split(0, pairs, ()))
        assert nobody.scores[0].reason == "no test patient has an embedded pair"


def test_a_modality_that_does_not_vary_has_no_score() -> None:
    cohort, raw = unrelated()
    modality = cohort.modalities["rna"]
    assert isinstance(modality, VectorModality)
    flat = replace(modality, values=np.full_like(modality.values, 0.1))
    still = replace(cohort, modalities={**cohort.modalities, "rna": flat})
    outcome = evaluate(still, embedded(still, raw["wsi"]))
    found = values(outcome)
    assert found["wsi_private_r2"] > 0.95
    for name in ("private_r2", "rna_private_r2", "rna_content_r2", "rna_cka"):
        assert name not in found
    assert "does not vary" in outcome.scores[0].reason


def test_factors_that_a_truth_does_not_have_are_skipped() -> None:
    cohort = planted(bags=False)
    fewer = {name: v for name, v in cohort.truth.items() if not name.startswith("rna")}
    outcome = evaluate(
        replace(cohort, truth=fewer), embedded(cohort, factors(cohort, *fewer)), "truth"
    )
    assert set(values(outcome)) == {"truth_shared_r2", "truth_wsi_private_r2"}
    assert outcome.scores[0].reason == "the truth has no factor named rna_private_*"
