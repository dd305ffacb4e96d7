"""Names that manifests and records may carry."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.names import LONGEST_NAME, is_name, is_task_name

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


def test_a_task_is_names_and_slashes() -> None:
    assert is_task_name("subtyping/TCGA-BRCA/histology")
    assert is_task_name("survival")
    assert not is_task_name("survival//os")
    assert not is_task_name("survival/os/")
    assert not is_task_name("survival/<b>")
    assert not is_task_name(None)
