"""Kinds of task and metrics in plain words: none is without, none is of nothing."""

import tomllib
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

import tasks
from tasks.registry import KINDS, METRICS, PUBLISHED
from tasks.words import of_kind, of_metric

EVERY = sorted(METRICS | {metric.name for kind in PUBLISHED for metric in kind.metrics})
FILE = tomllib.loads((Path(tasks.__file__).parent / "words.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", sorted({kind.kind for kind in (*KINDS, *PUBLISHED)}))
def test_every_registered_kind_has_words(kind: str) -> None:
    words = of_kind(kind)
    assert words is not None
    assert words.text.endswith(".")


@pytest.mark.parametrize("metric", EVERY)
def test_every_registered_metric_has_words(metric: str) -> None:
    words = of_metric(metric)
    assert words is not None
    assert not words.text.endswith(".")


def test_no_words_are_of_nothing() -> None:
    kinds = {kind.kind for kind in (*KINDS, *PUBLISHED)}
    assert set(FILE["kinds"]) == kinds
    for key in FILE["metrics"]:
        assert any(fnmatchcase(metric, key) for metric in EVERY), key


def test_a_name_in_full_comes_before_what_matches_it() -> None:
    plain, drawn, honest = (
        of_metric(name) for name in ("harrell_c", "harrell_c_k10", "auroc_macro_k10_honest")
    )
    assert plain is not None
    assert drawn is not None
    assert honest is not None
    assert plain.name == "C-index"
    assert drawn.name == "C-index from k patients a quarter"
    assert honest.name == "The published probe, evaluated honestly"
    truth = of_metric("truth_private_r2")
    assert truth is not None
    assert "planted" in truth.text


def test_what_others_declared_has_none() -> None:
    assert of_kind("somebody's") is None
    assert of_metric("somebodys_own") is None
