"""A metric has a function, of the evidence of its own kind: the types and the import hold it."""

import os
import re
import subprocess
import sys
from importlib import import_module
from math import inf, nan
from pathlib import Path

import pytest

from tasks.base import Metric, Status
from tasks.metrics.undefined import Undefined
from tasks.scoring import UNIT, concordance
from tests.test_architecture import ROOT

KIND = """
from tasks.base import Metric, Task
from tasks.kinds.diagnosis import Diagnosis
from tasks.kinds.survival import Prognosis
from tasks.metrics.classification import auroc_macro


def of_classes(d: Diagnosis) -> float:
    return auroc_macro(d.y, d.probability)


class Kind(Task[{evidence}]):
    kind = "kind"
    version = 1
    metrics = ({metric},)
"""
WHOLE = 'Metric("m", True, 0.5, (0.0, 1.0), of_classes)'
WITHOUT = 'Metric("m", True, 0.5, (0.0, 1.0))'
OF_OTHERS = 'Metric("m", True, 0.5, (0.0, 1.0), lambda d: d.risk)'


def text(evidence: str, metric: str) -> str:
    return KIND.format(evidence=evidence, metric=metric)


def test_types_refuse_a_metric_without_a_function_or_with_that_of_another_kind(
    tmp_path: Path,
) -> None:
    programs = {
        "whole": text("Diagnosis", WHOLE),
        "without": text("Diagnosis", WITHOUT),
        "of_another_kind": text("Prognosis", WHOLE),
        "of_what_is_not_there": text("Diagnosis", OF_OTHERS),
    }
    for name, program in programs.items():
        (tmp_path / f"{name}.py").write_text(program)
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml")]
    done = subprocess.run(
        [*command, *(str(tmp_path / f"{name}.py") for name in programs)],
        cwd=ROOT,
        env={**os.environ, "MYPY_FORCE_COLOR": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    errors = re.findall(r"(\w+)\.py:\d+: error: (.*)", done.stdout)
    found = dict(errors)
    assert len(errors) == len(found) == 3, done.stdout + done.stderr
    assert 'Missing positional argument "function"' in found["without"]
    assert 'expected "Callable[[Prognosis], float]"' in found["of_another_kind"]
    assert '"Diagnosis" has no attribute "risk"' in found["of_what_is_not_there"]


def test_an_import_refuses_a_metric_without_a_function(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    programs = {"kind_whole": WHOLE, "kind_without": WITHOUT, "kind_twice": f"{WHOLE}, {WHOLE}"}
    for name, metric in programs.items():
        (tmp_path / f"{name}.py").write_text(text("Diagnosis", metric))
    assert import_module("kind_whole").Kind.metrics[0].name == "m"
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'function'"):
        import_module("kind_without")
    with pytest.raises(TypeError, match="Kind: two metrics of one name in m, m"):
        import_module("kind_twice")


def test_a_metric_without_sense_is_refused() -> None:
    with pytest.raises(TypeError, match="no function"):
        Metric("m", True, 0.5, UNIT, None)  # type: ignore[arg-type]
    for chance, bounds in ((2.0, UNIT), (0.5, (1.0, 0.0)), (nan, UNIT), (None, (nan, 1.0))):
        with pytest.raises(ValueError, match="in bounds"):
            Metric("m", True, chance, bounds, float)
    assert Metric("m", True, None, (-inf, inf), float).bounds == (-inf, inf)


def test_a_metric_scores_or_says_why_not() -> None:
    def half(evidence: int) -> float:
        if not evidence:
            raise Undefined("nobody")
        return evidence / 2

    metric = concordance("m", half)
    assert metric.score(1).value == 0.5
    nobody = metric.score(0)
    assert (nobody.value, nobody.status, nobody.reason) == (None, Status.SKIPPED, "nobody")
