"""Splitting JSON by its brackets: as a decoder would where there is one, and where none takes it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingress.messages.parts import BRACKETS_MAX, members, split

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.text('"\\[]{},:\ud83d'),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('ab"\\]}{['), inner, max_size=4),
    max_leaves=8,
)


@settings(deadline=None, max_examples=50)
@given(st.lists(anything, max_size=5), st.sampled_from([None, 1]), st.booleans())
def test_an_array_is_split_where_a_decoder_would_split_it(
    values: list[object], indent: int | None, plain: bool
) -> None:
    dumped = [json.dumps(value, indent=indent, ensure_ascii=plain).encode("utf-8", "surrogatepass") for value in values]
    assert split(b"[" + b" , ".join(dumped) + b"\n] ") == (dumped, True)


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(st.text(), anything, max_size=5), st.booleans())
def test_an_object_is_split_into_its_keys_and_values(values: dict[str, object], plain: bool) -> None:
    data = json.dumps(values, ensure_ascii=plain).encode("utf-8", "surrogatepass")
    told, whole = members(data)
    assert whole
    assert {key: json.loads(value.decode("utf-8", "surrogatepass")) for key, value in told.items()} == json.loads(
        json.dumps(values)
    )


@pytest.mark.parametrize(
    "data",
    [b"", b"[", b"[1", b'["a', b'["a\\"]', b"[1}", b"[{]", b"[[}]", b"[1] 2", b"[1]]", b"{]", b"[" * 100_000, b'[{"a":"x}]'],
    ids=lambda data: repr(data[:20]),
)  # fmt: skip
def test_what_does_not_end_as_it_begins_is_not_whole(data: bytes) -> None:
    assert not split(data).whole


def test_what_was_complete_before_the_fault_is_told() -> None:
    assert members(b'{"t":"ev","id":7,"e":[{"a":"x}]}') == ({"t": b'"ev"', "id": b"7"}, False)
    assert split(b'[{"a":1},{"b":[2,3]},{"c":') == ([b'{"a":1}', b'{"b":[2,3]}'], False)


def test_of_two_equal_keys_the_last_counts() -> None:
    assert members(b'{"id":1,"\\u0069d":2}') == ({"id": b"2"}, True)


def test_splitting_stops_one_part_past_the_most_that_are_taken() -> None:
    assert len(split(b"[" + b"1," * 1_000 + b"1]", 10).parts) == 11


def test_what_has_too_many_brackets_is_not_split_at_all() -> None:
    assert split(b"[" + b"[]," * BRACKETS_MAX + b"[]]") == ([], False)
