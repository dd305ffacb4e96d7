"""Sealed lines: what was written comes back, and whatever else is there is a miss."""

from hypothesis import given
from hypothesis import strategies as st

from tasks.sealed import seal, unseal
from tests.helpers.damage import damaged

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(), below, max_size=3),
)


@given(JSON, JSON)
def test_what_was_sealed_comes_back(key: object, value: object) -> None:
    line = seal(key, value)
    assert line.count(b"\n") == 1
    assert unseal(line) == (key, value)
    assert unseal(line.rstrip(b"\n")) == (key, value)


@given(st.binary())
def test_what_was_not_sealed_is_a_miss(line: bytes) -> None:
    assert unseal(line) is None


def test_whatever_is_damaged_is_a_miss() -> None:
    line = seal(["scan", "a.h5", 3], [1, 2, "x"])
    for other in damaged(line):
        assert unseal(other) in (None, unseal(line))
        assert unseal(other) is None or other.rstrip(b"\n") == line.rstrip(b"\n")
