"""Supervised references: what they are told, what they learn, and what must never reach them."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score, log_loss, roc_auc_score
from sklearn.utils.class_weight import compute_class_weight
from sksurv.metrics import concordance_index_censored
from statsmodels.duration.hazard_regression import PHReg

from methods.base import Budget, Context, Method, Role, UnableError
from methods.encoders.abmil import GatedAttention
from methods.encoders.co_attention import CoAttention, GeneGroups
from methods.encoders.self_normalising import self_normalising
from methods.gene_groups import coexpressed
from methods.objectives.cox import CoxLoss
from methods.registry import all_methods
from methods.supervised.late_fusion import LateFusion, LateFusionConfig
from methods.supervised.means import FLOOR
from methods.supervised.target import Target
from methods.supervised.training import HELD_OUT, AttentionConfig, SupervisedConfig
from tasks.data.cohort import SIDES, BagModality, Cohort, Endpoint, Label, Slide, VectorModality
from tasks.data.preprocess import VectorScaler
from tasks.data.splits import inner_folds
from tasks.errors import InputError
from tasks.heads.cox import fit_ridge_cox
from tasks.heads.logistic import fit_ridge_logistic
from tests.helpers.planted import planted

SUPERVISED = {n: spec for n, spec in all_methods().items() if spec.role is Role.SUPERVISED}
TRAINED = [n for n, spec in SUPERVISED.items() if isinstance(spec.config, SupervisedConfig)]
N_FEW, N_MANY = 40, 100


def few() -> tuple[Cohort, Endpoint]:
    """Some training patients with bags, and their outcome."""
    patients = planted(True).complete()[:N_FEW]
    return planted(True).subset(patients), planted(True).endpoints["os"].subset(patients)


def fit(name: str, train: Cohort, target: Endpoint | Label | None, **changes: Any) -> Method:
    """A reference of the smoke budget, fitted."""
    spec = SUPERVISED[name]
    config = replace(spec.config_for(Budget.SMOKE), **changes)
    method = spec.build(config)
    method.fit(train, Context(seed=3, target=target))
    return method


def assert_same_state(one: Method, other: Method) -> None:
    state = other.state()
    assert one.state().keys() == state.keys()
    for name, values in one.state().items():
        np.testing.assert_array_equal(values, state[name], err_msg=name)


# --- losses against other people's arithmetic


@st.composite
def batches(draw: st.DrawFn) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Log risks and (time, event), with ties and at least one event."""
    n = draw(st.integers(2, 12))
    risk = draw(st.lists(st.floats(-4, 4), min_size=n, max_size=n))
    time = draw(st.lists(st.integers(1, 6), min_size=n, max_size=n))
    event = draw(st.lists(st.booleans(), min_size=n, max_size=n).filter(any))
    return np.array(risk), np.column_stack([time, event]).astype(np.float64)


@settings(max_examples=60, deadline=None)
@given(batches())
def test_cox_loss_and_gradient_are_those_of_statsmodels(
    batch: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    risk, outcome = batch
    time, event = outcome.T
    # One coefficient a patient: the log likelihood is then a function of the log risks.
    model = PHReg(time, np.eye(len(risk)), status=event, ties="breslow")
    eta = torch.tensor(risk[:, None], requires_grad=True)
    loss = CoxLoss()(eta, torch.from_numpy(outcome))
    loss.backward()
    assert eta.grad is not None
    assert loss.item() == pytest.approx(-model.loglike(risk) / len(risk), abs=1e-6)
    np.testing.assert_allclose(eta.grad[:, 0].numpy(), -model.score(risk) / len(risk), atol=1e-6)


def test_cox_loss_by_hand() -> None:
    # times 1, 2, 2, 3; the deaths at 2 are tied, the patient of time 3 is censored
    risk = torch.tensor([[0.3], [-0.2], [1.0], [0.5]], dtype=torch.float64)
    outcome = torch.tensor([[1.0, 1], [2, 1], [2, 1], [3, 0]], dtype=torch.float64)
    e = np.exp([0.3, -0.2, 1.0, 0.5])
    expected = -(0.3 - 0.2 + 1.0) + np.log(e.sum()) + 2 * np.log(e[1:].sum())
    assert CoxLoss()(risk, outcome).item() == pytest.approx(expected / 4, abs=1e-12)


def test_cox_loss_of_a_batch_without_events_is_zero_with_zero_gradient() -> None:
    risk = torch.randn(5, 1, requires_grad=True)
    outcome = torch.tensor([[float(t), 0.0] for t in range(5)], dtype=torch.float64)
    loss = CoxLoss()(risk, outcome)
    loss.backward()
    assert risk.grad is not None
    assert loss.item() == 0
    assert not risk.grad.any()


def test_classes_weigh_the_same_however_many_patients_they_have() -> None:
    names = {f"p{i:02}": "abc"[min(i // 9, 1)] for i in range(20)}  # 9 of a, 11 of b, none of c
    outcomes = Target.of(Label(names, ("a", "b", "c")), list(names))
    y = np.asarray(outcomes.values)
    assert np.bincount(y).tolist() == [9, 11]
    weights = compute_class_weight("balanced", classes=np.array([0, 1]), y=y)
    objective = outcomes.objective()
    np.testing.assert_allclose(objective.weight, [*weights, 0], rtol=1e-6)  # type: ignore[arg-type]
    logits = torch.randn(20, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    loss = objective.double()(logits, torch.from_numpy(y)).item()
    probability = logits.softmax(1).numpy()
    expected = log_loss(y, probability, labels=[0, 1, 2], sample_weight=weights[y])
    assert loss == pytest.approx(expected, abs=1e-6)


# --- what they are told


def test_a_class_too_rare_for_the_inner_folds_is_not_learnt() -> None:
    names = {f"p{i:02}": "a" for i in range(8)} | {f"q{i}": "b" for i in range(5)} | {"r": "c"}
    outcomes = Target.of(Label(names, ("a", "b", "c")), [*names, "stranger"])
    assert set(names) - set(outcomes.patients) == {"r"}
    assert outcomes.n_outputs == 3
    for fold in range(5):
        assert set(np.asarray(outcomes.values)[outcomes.folds != fold]) == {0, 1}


def test_every_inner_fold_has_an_event() -> None:
    train, target = few()
    outcomes = Target.of(target, train.patients)
    assert outcomes.patients == target.patients
    events = np.asarray(outcomes.values)[:, 1]
    assert all(events[outcomes.folds == fold].any() for fold in range(5))


@pytest.mark.parametrize("name", SUPERVISED)
def test_what_cannot_be_learnt_from_is_refused_in_words(name: str) -> None:
    train, target = few()
    with pytest.raises(UnableError, match="needs a label"):
        fit(name, train, None)
    censored = replace(target, event=np.zeros(len(target.event), dtype=bool))
    with pytest.raises(UnableError, match="0 events among the training patients, 5 needed"):
        fit(name, train, censored)
    alone = Label(dict.fromkeys(train.patients, "a"), ("a", "b"))
    with pytest.raises(UnableError, match="fewer than two classes with 5 training patients"):
        fit(name, train, alone)


@pytest.mark.parametrize(
    "name", ["abmil", "transmil", "clam", "dsmil", "mcat", "porpoise", "survpath", "motcat"]
)
def test_networks_of_patches_refuse_slide_vectors(name: str) -> None:
    cohort = planted(False)
    with pytest.raises(UnableError, match=f"{name} needs patches, and these slides are vectors"):
        fit(name, cohort.subset(cohort.complete()[:60]), cohort.endpoints["os"])


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(InputError, match="width: a multiple of heads 8 expected, 20 found"):
        AttentionConfig(width=20)


# --- what they learn


def many() -> Cohort:
    """Enough patients with bags to learn something from."""
    return planted(True).subset(planted(True).complete()[:N_MANY])


@cache
def taught(name: str) -> dict[str, Method]:
    """The reference fitted to each kind of outcome."""
    label = next(iter(planted(True).labels.values()))
    return {
        "os": fit(name, many(), planted(True).endpoints["os"]),
        "label": fit(name, many(), label),
    }


@pytest.mark.parametrize("name", SUPERVISED)
def test_it_learns_what_it_was_trained_on(name: str) -> None:
    train = many()
    known = planted(True).endpoints["os"].subset(train.patients)
    embeddings = taught(name)["os"].embed(train)
    risk = embeddings.joint[embeddings.rows(known.patients)]
    assert risk.shape == (len(known.patients), 1)
    assert concordance_index_censored(known.event, known.time, risk[:, 0])[0] > 0.62

    label = next(iter(planted(True).labels.values()))
    logits = taught(name)["label"].embed(train).joint.astype(np.float64)
    truth = [label.values[patient] for patient in train.patients]
    probability = torch.from_numpy(logits).softmax(1).numpy()
    assert roc_auc_score(truth, probability, multi_class="ovr", labels=label.classes) > 0.7


@pytest.mark.parametrize("name", SUPERVISED)
def test_a_reference_of_classes_is_saved_and_loaded(name: str) -> None:
    method = taught(name)["label"]
    restored = SUPERVISED[name].build(method.config)
    restored.restore(method.state())
    others = planted(True).subset(planted(True).patients[:12])
    np.testing.assert_array_equal(restored.embed(others).joint, method.embed(others).joint)


@pytest.mark.parametrize("name", TRAINED)
def test_its_size_is_known_before_it_is_fitted(name: str) -> None:
    method = taught(name)["os"]
    widths = {side: planted(True).modalities[side].width for side in SIDES}
    unfitted = SUPERVISED[name].build(method.config)
    assert unfitted.parameters_on(widths["wsi"], widths["rna"]) == method.n_parameters


# --- what must not reach them


def held_out(train: Cohort, target: Endpoint) -> set[str]:
    """Those that choose the epoch, by the public rule."""
    known = target.subset(train.patients)
    folds = inner_folds(known.patients, known.event.astype(int).tolist(), 5)
    return {known.patients[row] for row in np.flatnonzero(folds == HELD_OUT)}


def mirrored(cohort: Cohort, patients: set[str]) -> Cohort:
    """The cohort with the features of `patients` turned around and doubled."""
    wsi, rna = cohort.modalities["wsi"], cohort.modalities["rna"]
    assert isinstance(wsi, BagModality)
    assert isinstance(rna, VectorModality)
    slides = {
        p: tuple(map(_mirrored, found)) if p in patients else found
        for p, found in wsi.slides.items()
    }
    values = rna.values.copy()
    values[[p in patients for p in rna.patients]] *= -2
    return replace(
        cohort,
        modalities={"wsi": BagModality(slides, wsi.width), "rna": replace(rna, values=values)},
    )


def _mirrored(slide: Slide) -> Slide:
    return replace(slide, read=lambda: -2 * slide.read())


@pytest.mark.parametrize("name", TRAINED)
def test_those_held_out_choose_the_epoch_and_nothing_else(name: str) -> None:
    train, target = few()
    logs: list[list[tuple[float, float]]] = []
    methods = []
    for cohort in (train, mirrored(train, held_out(train, target))):
        spec, log = SUPERVISED[name], list[tuple[float, float]]()
        method = spec.build(replace(spec.config_for(Budget.SMOKE), epochs=3))  # type: ignore[call-arg]

        def keep(_: int, losses: Any, log: list[tuple[float, float]] = log) -> None:
            log.append((losses["total"], losses["validation"]))

        method.fit(cohort, Context(seed=3, target=target, log=keep))
        logs.append(log)
        methods.append(method)
        if len(methods) == 2:
            # One epoch leaves no choice, so that every weight has to be the same.
            assert_same_state(
                fit(name, cohort, target, epochs=1), fit(name, train, target, epochs=1)
            )
    there, poisoned = (np.array(log) for log in logs)
    np.testing.assert_array_equal(there[:, 0], poisoned[:, 0])
    assert (there[:, 1] != poisoned[:, 1]).all()


def test_the_weights_of_the_best_epoch_are_kept() -> None:
    train, target = many(), planted(True).endpoints["os"]
    seen: list[float] = []
    spec = SUPERVISED["snn"]
    config = replace(spec.config_for(Budget.SMOKE), epochs=12, learning_rate=4e-3)  # type: ignore[call-arg]
    method = spec.build(config)
    method.fit(train, Context(3, target=target, log=lambda _, x: seen.append(x["validation"])))
    best = int(np.argmin(seen))
    assert 0 < best < 11, seen
    shorter = fit("snn", train, target, epochs=best + 1, learning_rate=4e-3)
    assert_same_state(method, shorter)
    longer = fit("snn", train, target, epochs=1, learning_rate=4e-3)
    name = "network.head.weight"
    assert (method.state()[name] != longer.state()[name]).any()


@pytest.mark.parametrize("name", ["snn", "late-fusion"])
def test_outcomes_of_others_and_patients_without_outcome_change_nothing(name: str) -> None:
    train, target = few()
    method = fit(name, train, target)
    # the outcome of everybody, test patients among them: only the training patients' is read
    assert_same_state(method, fit(name, train, planted(True).endpoints["os"]))
    unknown = set(train.patients[3:7])
    told = target.subset(set(target.patients) - unknown)
    without = train.subset(set(train.patients) - unknown)
    assert_same_state(fit(name, train, told), fit(name, without, told))


# --- the parts


def test_late_fusion_is_the_mean_of_each_sides_standardised_risk() -> None:
    cohort = planted(False)
    patients = cohort.complete()[:90]
    known = cohort.endpoints["os"].subset(patients)
    others = cohort.complete()[90:]
    method = LateFusion(LateFusionConfig())
    method.fit(cohort.subset(patients), Context(1, target=known))
    folds = inner_folds(known.patients, known.event.astype(int).tolist(), 5)
    expected = []
    for side in SIDES:
        modality = cohort.modalities[side]
        assert isinstance(modality, VectorModality)
        scaler = VectorScaler.fit(modality.rows(known.patients))
        X, X_others = (
            scaler.transform(modality.rows(p)).astype(np.float64) for p in (known.patients, others)
        )
        model = fit_ridge_cox(X, known.time, known.event, folds)
        risk = model.risk(X)
        assert risk.std() > 0
        expected.append((model.risk(X_others) - risk.mean()) / risk.std())
    found = method.embed(cohort.subset(others)).joint[:, 0]
    np.testing.assert_allclose(found, np.mean(expected, axis=0), rtol=1e-5, atol=1e-6)


def test_late_fusion_of_classes_is_the_mean_log_probability() -> None:
    cohort = planted(False)
    patients, others = cohort.complete()[:90], cohort.complete()[90:]
    values = next(iter(cohort.labels.values())).values
    label = Label(values, ("nobody", *sorted(set(values.values()))))
    method = LateFusion(LateFusionConfig())
    method.fit(cohort.subset(patients), Context(1, target=label))
    y = np.array([label.classes.index(values[p]) for p in patients], dtype=np.intp)
    folds = inner_folds(patients, y.tolist(), 5)
    expected = []
    for side in SIDES:
        modality = cohort.modalities[side]
        assert isinstance(modality, VectorModality)
        scaler = VectorScaler.fit(modality.rows(patients))
        X, X_others = (
            scaler.transform(modality.rows(p)).astype(np.float64) for p in (patients, others)
        )
        model = fit_ridge_logistic(X, y, len(label.classes), folds)
        expected.append(np.log(np.maximum(model.probability(X_others), np.exp(FLOOR))))
    found = method.embed(cohort.subset(others)).joint
    np.testing.assert_allclose(found, np.mean(expected, axis=0), rtol=1e-5, atol=1e-5)
    assert (found[:, 0] == np.float32(FLOOR)).all()


def test_gated_attention_is_equation_9() -> None:
    torch.manual_seed(0)
    pool = GatedAttention(6, 4).eval()
    bag = torch.randn(2, 5, 6)
    w = {name: values.detach().double().numpy() for name, values in pool.state_dict().items()}
    for tokens, pooled in zip(bag.double().numpy(), pool(bag).detach().numpy(), strict=True):
        content = np.tanh(tokens @ w["content.weight"].T + w["content.bias"])
        gate = 1 / (1 + np.exp(-(tokens @ w["gate.weight"].T + w["gate.bias"])))
        weight = np.exp(content * gate @ w["score.weight"][0])
        np.testing.assert_allclose(pooled, weight @ tokens / weight.sum(), atol=1e-6)


def test_selu_layers_keep_mean_and_variance() -> None:
    torch.manual_seed(0)
    layers = self_normalising(300, 256, 12, dropout=0.2)
    for mode in (True, False):  # alpha dropout keeps them too
        out = layers.train(mode)(torch.randn(500, 300))
        assert abs(out.mean().item()) < 0.15
        assert abs(out.var().item() - 1) < 0.25


def test_coexpressed_genes_make_a_group() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 6, 120)
    profiles = rng.normal(size=(50, 6))[:, truth] + 0.4 * rng.normal(size=(50, 120))
    profiles = ((profiles - profiles.mean(0)) / profiles.std(0)).astype(np.float32)
    groups = coexpressed(profiles, 6)
    assert adjusted_rand_score(truth, groups) > 0.95
    assert set(groups) == set(range(6))
    np.testing.assert_array_equal(groups, coexpressed(profiles, 6))


def test_a_group_of_genes_is_its_own_token() -> None:
    torch.manual_seed(0)
    groups = [np.array([0, 3]), np.array([2, 6]), np.array([1, 4, 5])]
    tokens = GeneGroups(groups, 8, 0.25).eval()
    profile = torch.randn(3, 7)
    changed = profile.clone()
    changed[:, 2] += 1  # a gene of group 1
    same = (tokens(profile) == tokens(changed)).all(dim=2)
    assert same.tolist() == [[True, False, True]] * 3


def test_co_attention_sees_the_slide_with_each_groups_eyes() -> None:
    torch.manual_seed(0)
    network = CoAttention(5, [np.arange(g, 12, 6) for g in range(6)], 16).eval()
    wsi, rna = torch.randn(2, 9, 5), torch.randn(2, 12)
    found = network(wsi, rna)
    assert found.shape == (2, 16)
    torch.testing.assert_close(network(wsi[:, torch.randperm(9)], rna), found)
    # the attention's result, from its weights: one head of softmax over patches
    genes, patches = network.genes(rna), network.patches(wsi)
    attention = network.attention
    width = 16
    q, k, v = (
        x @ attention.in_proj_weight[i * width : (i + 1) * width].T
        + attention.in_proj_bias[i * width : (i + 1) * width]
        for i, x in enumerate((genes, patches, patches))
    )
    weights = (q @ k.mT / width**0.5).softmax(-1)
    expected = attention.out_proj(weights @ v)
    torch.testing.assert_close(attention(genes, patches, patches)[0], expected)
