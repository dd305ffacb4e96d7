"""Fitted on one cohort and tested on another, or fitted on several: what is asked, and no leak."""

import io
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from rich.console import Console

from benchmark.analysis.board import Board
from benchmark.engine.batches import Batches
from benchmark.engine.cohorts import pool_members, pretraining
from benchmark.engine.fitting import fit_method
from benchmark.engine.folds import outer_folds
from benchmark.engine.plan import Plan, Request, longest_first, make_plan
from benchmark.engine.rerun import rerun
from benchmark.engine.runner import Listener, RunOptions, resolve
from benchmark.engine.search import training_cohort
from benchmark.engine.trial import run_trial
from benchmark.records.merge import merge
from benchmark.records.protocol import DealtFolds, HeldOutCohort, TrialProtocol
from benchmark.records.store import Store
from benchmark.show.html import write_report
from benchmark.show.leaderboard import render
from methods.base import Budget, MethodSpec, Role
from methods.registry import all_methods
from tasks.base import Protocol, Status
from tasks.data.cohort import Cohort, Endpoint, VectorModality
from tasks.data.load import find_cohorts, load_cohort
from tasks.data.planted import PlantedConfig
from tasks.data.sources import Transfer, load_source, pooled, transferred
from tasks.data.splits import held_out_split
from tasks.data.synthetic import write_planted
from tasks.errors import InputError
from tasks.registry import all_tasks
from tests.helpers.planted import planted, poisoned

METHODS = all_methods()
FITTED = [s for s in METHODS.values() if s.needs is None and s.role is not Role.ABLATION]


def halves(bags: bool, first: int, second: int) -> tuple[Cohort, Cohort]:
    """Two cohorts of one planted world, of so many patients with both modalities."""
    whole = planted(bags)
    pairs = whole.complete()
    a = training_cohort(whole, pairs[:first])
    b = training_cohort(whole, pairs[first : first + second])
    return replace(a, name="A"), replace(b, name="B")


def absurd(cohort: Cohort) -> Cohort:
    """Other features, times, events and classes of everybody."""
    cohort = poisoned(cohort, set(cohort.patients))
    endpoints = {
        name: Endpoint(of.patients, of.time[::-1] + 100, ~of.event)
        for name, of in cohort.endpoints.items()
    }
    labels = {
        name: replace(
            of,
            values={
                patient: of.classes[(of.classes.index(value) + 1) % len(of.classes)]
                for patient, value in of.values.items()
            },
        )
        for name, of in cohort.labels.items()
    }
    return replace(cohort, endpoints=endpoints, labels=labels)


def smallest(spec: MethodSpec) -> dict[str, object]:
    config = asdict(spec.config_for(Budget.SMOKE))
    return config | {"epochs": 1} if "epochs" in config else config


@pytest.mark.parametrize("spec", FITTED, ids=lambda spec: spec.name)
def test_no_patient_of_the_tested_cohort_touches_a_fit(spec: MethodSpec) -> None:
    a, b = halves(True, 20, 6)
    both, poison = transferred(a, b), transferred(a, absurd(b))
    split = held_out_split(both)
    assert (split.train, split.test) == (a.patients, b.patients)
    target = both.endpoints["os"].subset(split.train) if spec.role is Role.SUPERVISED else None
    clean, again = (
        fit_method(spec, smallest(spec), cohort, split, target, 3, "cpu")
        for cohort in (both, poison)
    )
    state = again[0].state()
    assert clean[0].state().keys() == state.keys()
    for name, values in clean[0].state().items():
        assert_array_equal(values, state[name], err_msg=name)
    rows = clean[1].embeddings.rows(split.train)
    assert_array_equal(clean[1].embeddings.joint[rows], again[1].embeddings.joint[rows])


def test_no_patient_of_the_tested_cohort_touches_a_head() -> None:
    a, b = halves(False, 130, 40)
    both, poison = transferred(a, b), transferred(a, absurd(b))
    split = held_out_split(both)
    spec = METHODS["pca"]
    clean, again = (
        fit_method(spec, smallest(spec), cohort, split, None, 3, "cpu")[1].embeddings
        for cohort in (both, poison)
    )
    differ = 0
    for task in all_tasks((both,)):
        before = task.evaluate(clean, both, split)
        after = task.evaluate(again, poison, split)
        assert before.head.keys() == after.head.keys()
        for name, values in before.head.items():
            assert_array_equal(values, after.head[name], err_msg=f"{task.name} {name}")
        if before.scores[0].status is Status.OK:
            assert set(before.predictions["patient"]) <= set(b.patients)
            differ += before.scores[0].value != after.scores[0].value
    assert differ > 5  # the poison is one


def test_a_transfer_finds_what_both_cohorts_have() -> None:
    a, b = halves(False, 130, 40)
    rna = b.modalities["rna"]
    assert isinstance(rna, VectorModality)
    fewer = replace(rna, values=rna.values[:, 5:], features=rna.features[5:])
    b = replace(b, modalities={**b.modalities, "rna": fewer}, endpoints={"os": b.endpoints["os"]})
    both = transferred(a, b)
    assert (both.name, both.held_out, both.members) == ("A->B", b.patients, ())
    assert both.modalities["rna"].width == rna.width - 5
    assert list(both.endpoints) == ["os"]
    assert "project" not in both.labels
    split = held_out_split(both)
    found = fit_method(METHODS["pca"], smallest(METHODS["pca"]), both, split, None, 3, "cpu")
    tasks = {task.name: task for task in all_tasks((both,))}
    scores = tasks["subtyping/A->B/subtype"].evaluate(found[1].embeddings, both, split).scores
    assert scores[0].value is not None
    assert scores[0].value > 0.7  # one world: it carries over


def zscored(cohort: Cohort) -> Cohort:
    rna = cohort.modalities["rna"]
    assert isinstance(rna, VectorModality)
    return replace(cohort, modalities={**cohort.modalities, "rna": replace(rna, zscores=True)})


def test_zscores_of_a_transfer_stay_as_they_are() -> None:
    a, b = halves(False, 30, 30)
    scored = [zscored(cohort) for cohort in (a, b)]
    for whole, ranked in ((transferred(*scored), False), (pooled(scored), True)):
        rna = whole.modalities["rna"]
        assert isinstance(rna, VectorModality)
        assert bool(rna.members) is ranked


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three planted cohorts and the union of two of them."""
    folder = tmp_path_factory.mktemp("cohorts")
    for name, seed in (("ONE", 11), ("TWO", 12), ("THREE", 13)):
        config = PlantedConfig(
            name=name, seed=seed, bags=False, width=8, patients=60, genes=40, sites=6,
            patches=(4, 8),
        )  # fmt: skip
        write_planted(config, folder / name)
    (folder / "PAIR").mkdir()
    (folder / "PAIR" / "cohort.toml").write_text('name = "PAIR"\nunion = ["../ONE", "../TWO"]\n')
    return folder


def asked(data: Path, methods: str = "pca", tasks: str = "survival", **options: object) -> Request:
    usual = {"data": data, "budget": Budget.SMOKE, "folds": 3, "seeds": (0,)}
    return resolve(RunOptions(methods, tasks, **(usual | options)), Listener())  # type: ignore[arg-type]


def planned(request: Request) -> Plan:
    return make_plan(request, {}, overwrite=False, retry_failed=False)


def test_a_test_cohort_is_tested_once_for_every_cohort_that_is_fitted_on(data: Path) -> None:
    request = asked(data, tasks="survival,subtyping", test_cohort="TWO")
    assert [cohort.name for _, cohort in request.cohorts] == ["ONE->TWO", "THREE->TWO"]
    assert request.protocols == ("strict+test-cohort",)
    trials = planned(request).trials
    assert [(t.cohort, t.split.fold, t.n_folds) for t in trials] == [
        ("ONE->TWO", 0, 1),
        ("THREE->TWO", 0, 1),
    ]
    assert trials[0].tasks == ("subtyping/ONE->TWO/subtype", "survival/ONE->TWO/os")
    assert trials[0].source == Transfer((data / "ONE").resolve(), (data / "TWO").resolve())
    assert load_source(trials[0].source).fingerprint() == trials[0].data
    # genes or not, a union's members are not tested on it, nor it on them
    assert [c.name for _, c in asked(data, test_cohort="PAIR").cohorts] == ["THREE->PAIR"]


def test_tasks_can_name_the_transfer(data: Path) -> None:
    request = asked(data, tasks="transfer/ONE->T*/os,survival", cohorts="ONE")
    assert [cohort.name for _, cohort in request.cohorts] == ["ONE", "ONE->THREE", "ONE->TWO"]
    kinds = {task.kind for task in request.tasks if task.cohort == "ONE->TWO"}
    assert {"survival", "survival-discrete", "few-shot-survival"} <= kinds
    assert {task.label for task in request.tasks} == {"os"}
    assert {str(origin) for origin in request.folds.origins.values()} == {
        "patient-folds-x3",
        "test-cohort",
    }
    every = asked(data, tasks="transfer", cohorts="ONE", test_cohort="TWO")
    assert {task.cohort for task in every.tasks} == {"ONE->TWO"}
    assert "retrieval" in {task.kind for task in every.tasks}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test_cohort": "FOUR"}, "--test-cohort: unknown cohort 'FOUR'; found: ONE, PAIR, THREE"),
        ({"test_cohort": "ONE", "cohorts": "ONE"}, "--test-cohort ONE: expected another cohort"),
        ({"test_cohort": "ONE", "split": "site"}, "--split: expected none with a test cohort"),
        ({"test_cohort": "ONE", "repeats": 2}, "--repeats: expected none .* found 2"),
        (
            {"test_cohort": "ONE", "protocol": Protocol.PAPER},
            "--test-cohort: expected --protocol strict, found paper",
        ),
        (
            {"test_cohort": "ONE", "pretrain_on": "all"},
            "--test-cohort: expected none with --pretrain-on, found ONE",
        ),
        (
            {"pretrain_on": "all", "tasks": "transfer/ONE->TWO/os"},
            "--pretrain-on: expected tasks of single cohorts, found ONE->TWO",
        ),
        ({"pretrain_on": "all", "split": "folds.csv"}, "--split: expected patient or site with"),
        ({"pretrain_on": "ONE"}, "--pretrain-on: expected two cohorts or more, found 1"),
        ({"pretrain_on": "ONE,NONE"}, "--pretrain-on: unknown cohort 'NONE'"),
        ({"pretrain_on": "PAIR,THREE"}, "--pretrain-on: expected the members of a union, found"),
        (
            {"pretrain_on": "ONE,TWO", "cohorts": "THREE"},
            "--cohorts: expected some of those that methods are fitted on, ONE, TWO, found THREE",
        ),
    ],
)
def test_what_does_not_go_together_is_one_line(
    data: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message) as error:
        asked(data, **options)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)


def test_one_fit_is_shared_by_the_cohorts_that_it_was_made_on(data: Path) -> None:
    trials = planned(asked(data, pretrain_on="all", seeds=(0, 1), repeats=1)).trials
    assert {trial.cohort for trial in trials} == {"ONE", "TWO", "THREE"}
    assert len({trial.key for trial in trials}) == len(trials) == 3 * 3 * 2
    places = {(trial.split.fold, trial.seed, trial.fit) for trial in trials}
    fits = {trial.fit for trial in trials}
    assert len(places) == len(fits) == 3 * 2
    assert {str(t.protocol) for t in trials} == {"strict+pretrained-on(ONE&THREE&TWO)"}
    # the fit is the same whichever of them is asked, and another one of another pool
    alone = planned(asked(data, pretrain_on="all", cohorts="TWO", repeats=1)).trials
    assert {trial.fit for trial in alone} < fits
    two = planned(asked(data, pretrain_on="TWO,ONE", repeats=1)).trials
    assert not {trial.fit for trial in two} & fits
    # a worker has all that share a fit, and so computes it once
    batches = Batches(longest_first(trials, {}), [0.0] * len(trials), 2)
    ordered = longest_first(trials, {})
    while batch := batches.take():
        assert len(batch) == 3
        assert len({ordered[place].fit for place in batch}) == 1


def test_nobody_who_is_tested_in_a_fold_touches_its_fit_on_all(data: Path) -> None:
    members = pool_members("all", [(folder, load_cohort(folder)) for folder in find_cohorts(data)])
    cohorts = [cohort for _, cohort in members]
    folds = outer_folds(None, 3, cohorts)
    fits = pretraining(members, folds)
    assert sorted(fits) == [0, 1, 2]
    fold = fits[1]
    tested = {p for cohort in cohorts for p in folds.splits[cohort.name][1].test}
    assert set(fold.split.test) == tested
    assert not tested & set(fold.split.train)
    assert set(fold.split.train) | tested == {p for cohort in cohorts for p in cohort.patients}
    poison = [poisoned(cohort, set(folds.splits[cohort.name][1].test)) for cohort in cohorts]
    for name in ("pca", "mirror"):
        spec = METHODS[name]
        clean, again = (
            fit_method(spec, smallest(spec), pooled(of), fold.split, None, 3, "cpu")[0].state()
            for of in ([zscored(cohort) for cohort in those] for those in (cohorts, poison))
        )
        for part, values in clean.items():
            assert_array_equal(values, again[part], err_msg=part)


def test_records_of_both_are_read_merged_shown_and_computed_again(
    data: Path, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    store = Store(results)
    keys = []
    with store.locked(lambda: None):
        writer = store.writer()
        for request in (
            asked(data, "pca,snn", "survival,subtyping", test_cohort="TWO", cohorts="ONE"),
            asked(data, "pca,snn", "survival", pretrain_on="all", cohorts="ONE,TWO", repeats=1),
        ):
            for trial in planned(request).trials:
                record, predictions = run_trial(trial, results / "cache", "cpu")
                writer.append(record, predictions)
                keys.append(record.trial)
    n_fits = {"pca": 1 + 3, "snn": 2}  # a transfer and three folds; of the transfer, two labels
    assert len(list((results / "cache").glob("*.fit"))) == sum(n_fits.values())
    board = Board.of(store)
    of = {(t.task, t.protocol): t for t in board.standings}
    transfer = of["survival/ONE->TWO/os", "strict+test-cohort"]
    assert transfer.layout == "1 split x 1 seed"
    row = next(row for row in transfer.rows if row.method == "pca")
    assert np.isnan(row.score.low)
    assert row.patients[0] < row.score.mean < row.patients[1]
    assert any("ONE alone" in note for note in transfer.notes)
    together = of["survival/ONE/os", "strict+pretrained-on(ONE&THREE&TWO)"]
    rows = {row.method: row for row in together.rows}
    assert rows["pca"].cells == 3
    assert rows["snn"].cells == 0
    assert any("one cohort, not on several" in one.reason for one in board.missing)
    assert len({one.protocol for one in board.comparisons}) == 2
    pages = render(board).whole
    assert "fitted and probed on cohort A alone" in pages
    assert "Methods are fitted on the training patients of `ONE`, `THREE`, `TWO` together" in pages
    write_report(store, tmp_path / "report")

    quiet = Console(file=io.StringIO())
    assert merge([results], tmp_path / "merged", quiet) == 0
    merged = Store(tmp_path / "merged")
    assert merged.records().equals(store.records())
    assert len(merged.predictions()) == len(store.predictions())
    assert (tmp_path / "merged" / "records" / "ONE~TWO" / "pca.jsonl.xz").is_file()
    for key in (keys[0], keys[-2]):
        assert rerun(key, tmp_path / "merged", data, None, quiet) == 0


def test_other_runs_have_the_protocols_that_they_had() -> None:
    assert str(TrialProtocol()) == "strict"
    assert TrialProtocol(folds=HeldOutCohort()).n_splits(1) == 1
    assert TrialProtocol(folds=DealtFolds(), pool=("A", "B")).n_splits(5) == 5
