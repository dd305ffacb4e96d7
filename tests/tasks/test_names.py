"""Names that manifests and records may carry."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.names import (
    COHORT,
    LONGEST_NAME,
    TASK,
    covered_name,
    covered_parts,
    file_name,
    is_name,
    transfer_name,
    transfer_parts,
)

ALLOWED = string.ascii_letters + string.digits + "._+-"


@given(st.text(ALLOWED, min_size=1, max_size=LONGEST_NAME))
def test_names_of_allowed_characters_begin_with_a_letter_or_digit(name: str) -> None:
    assert is_name(name) is name[0].isalnum()


@given(st.text(min_size=1, max_size=LONGEST_NAME))
def test_no_other_character_is_allowed(name: str) -> None:
    assert not is_name(name) or set(name) <= set(ALLOWED)


@pytest.mark.parametrize(
    "name", ["", "a b", "a\n", "a/b", "../x", "-x", ".x", "=1+1", "é", "a" * 101, 3, None, b"a"]
)
def test_refused(name: object) -> None:
    assert not is_name(name)


def test_a_task_is_three_names_and_slashes() -> None:
    assert TASK.fullmatch("subtyping/TCGA-BRCA/histology")
    assert TASK.fullmatch("survival/TCGA-KIRC->TCGA-KIRP/os")
    for text in ("survival", "survival//os", "survival/A/os/", "survival/<b>/os", "a->b/A/os"):
        assert not TASK.fullmatch(text)


@given(st.from_regex(COHORT, fullmatch=True), st.from_regex(COHORT, fullmatch=True))
def test_a_transfer_is_two_names_and_its_file_is_its_own(one: str, other: str) -> None:
    parts = transfer_parts(one)
    assert (parts is None and covered_parts(one) is None) is is_name(one)
    assert parts is None or transfer_name(*parts) == one
    part = covered_parts(one)
    assert part is None or covered_name(*part) == one
    assert ">" not in file_name(one)
    assert (file_name(one) == file_name(other)) is (one == other)
