"""The registry: a stranger's package takes part, and a broken one is seen but breaks nothing."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark.cli.new_method import write_method
from methods.base import Role
from methods.registry import all_methods, registry, select_methods, variants
from tasks.errors import InputError
from tests.helpers.strangers import write_site
from tests.helpers.sweeps import inside

OURS = all_methods()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Strangers' packages are installed, and the registry has not been asked before."""
    monkeypatch.syspath_prepend(write_site(tmp_path))
    registry.cache_clear()
    yield
    registry.cache_clear()
    sys.modules.pop("toy_method", None)


def test_nothing_of_this_repository_is_unavailable() -> None:
    assert registry().unavailable == {}


def test_a_strangers_method_is_listed_and_a_broken_one_says_why(site: None) -> None:
    listed = inside("list", "methods", "--json")
    assert listed.returncode == 0, listed.stderr
    rows = {row["name"]: row for row in json.loads(listed.stdout)}
    assert rows["toy-method"]["available"]
    assert rows["toy-method"]["parameters"] == (1536 + 1) * 192 + (4096 + 1) * 192
    assert not rows["broken"]["available"]
    assert "a_package_that_nobody_has" in rows["broken"]["reason"]
    assert set(OURS) < set(rows)


def test_naming_a_broken_one_is_one_clear_line(site: None) -> None:
    refused = inside("run", "--methods", "broken", "--tasks", "survival")
    assert refused.returncode == 2
    assert "unavailable: ModuleNotFoundError" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_all_leaves_out_ablations_and_what_needs_something() -> None:
    chosen = select_methods("all")
    assert all(spec.role is not Role.ABLATION for spec in chosen)
    assert "mirror-checkpoint" not in [spec.name for spec in chosen]
    assert "mirror-detached" in [spec.name for spec in select_methods("mirror*")]


def test_variants_are_one_method_with_a_delta() -> None:
    first, *others = variants("mirror")
    assert first.name == "mirror"
    assert "random-init" in {spec.name for spec in others}
    assert {spec.parent for spec in others} == {"mirror"}
    assert len(others) >= 13
    with pytest.raises(InputError, match="pca"):
        variants("pca")


@pytest.mark.parametrize("name", ["My Method", "x_y", "-a", ""])
def test_a_new_method_has_a_name_that_a_command_line_takes(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        write_method(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_new_method_never_overwrites(tmp_path: Path) -> None:
    write_method("mine", tmp_path)
    with pytest.raises(InputError, match=r"mine\.py"):
        write_method("mine", tmp_path)
