"""What values mean: null, numbers that arrive as text, comparison, truth."""

from __future__ import annotations

from typing import Any

import pytest

from actors.model.assignment import assign, choose, share
from actors.model.program import Variant
from actors.model.state import Actor
from actors.values import values

ORDERINGS = (values.less, values.less_or_equal, values.greater, values.greater_or_equal)


@pytest.mark.parametrize("other", [None, 0, "", "a", False, [], {}])
def test_a_comparison_with_null_is_false(other: Any) -> None:
    for compare in (values.equal, values.unequal, *ORDERINGS):
        assert not compare(None, other)
        assert not compare(other, None)


@pytest.mark.parametrize("compute", [values.add, values.subtract, values.multiply, values.divide, values.remainder])
def test_arithmetic_with_null_and_by_zero_is_null(compute: Any) -> None:
    assert compute(None, 1) is None
    assert compute(1, None) is None
    assert compute("word", 1) is None
    if compute in (values.divide, values.remainder):
        assert compute(1, 0) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [("19.00", 19.0), ("-3", -3.0), (".5", 0.5), ("7.", 7.0), ("1e3", 1000.0)]
    + [(text, None) for text in ("", "nan", "inf", "Infinity", "1e999", "0x10", "12 apples", "1_000", "٣", "9" * 41)],
)
def test_text_is_a_number_if_it_spells_one(text: str, number: float | None) -> None:
    assert values.number(text) == number


def test_true_is_no_number_and_no_text_that_spells_it() -> None:
    assert values.number(True) is None
    assert not values.equal(True, 1)
    assert not values.equal("true", True)
    assert values.equal(True, True)


def test_a_shop_that_tells_its_prices_as_text_compares_them_as_numbers() -> None:
    assert values.equal("19.00", 19)
    assert values.less("9", 10)
    assert values.less("9.99", "10.00")
    assert not values.less("10", "9")
    assert values.less("9a", "a"), "words are ordered as words"
    assert not values.equal("007", "7"), "two ids that are written differently are two"
    assert values.unequal("a", 1)
    assert not any(compare("a", 1) for compare in ORDERINGS)


def test_plus_joins_words_and_adds_what_spells_numbers() -> None:
    assert values.add("a", "b") == "ab"
    assert values.add("1", 2) == 3
    assert values.add("1", "2") == 3
    assert values.add("a", 1) is None


def test_in_looks_into_lists_and_texts() -> None:
    assert values.contained("2", [1, 2, 3]), "text that spells a number is one beside a number"
    assert values.contained("b", "abc")
    assert not values.contained(None, [None])
    assert not values.contained("a", {"a": 1})
    assert values.contains("abc", "c")


@pytest.mark.parametrize("value", [None, False, 0, 0.0, "", []])
def test_nothing_is_false(value: Any) -> None:
    assert not values.truth(value)


@pytest.mark.parametrize("value", [True, 1, -0.1, "0", "false", [None]])
def test_something_is_true(value: Any) -> None:
    assert values.truth(value)


def test_what_is_no_number_is_passed_over_by_min_and_max() -> None:
    assert values.least("3", None, 2, "word") == 2
    assert values.greatest(None, "word") is None
    assert values.rounded("2.567", 2) == 2.57
    assert values.length(5) is None
    assert values.coalesce(None, 0, 1) == 0


def test_fields_are_those_of_objects() -> None:
    assert values.field({"a": 1}, "a") == 1
    assert values.field({"a": 1}, "b") is None
    assert values.field("text", "a") is None


def test_chance_is_even_and_sticks() -> None:

    users = [f"user-{number}" for number in range(20_000)]
    shares = [share("subject", user) for user in users]
    tenths = [sum(part / 10 <= one < (part + 1) / 10 for one in shares) for part in range(10)]
    assert max(tenths) - min(tenths) < 250, tenths  # five standard deviations
    three = (Variant(name="a", weight=50), Variant(name="b", weight=25), Variant(name="c", weight=25))
    counts = [sum(choose("x", user, three) == name for user in users) for name in "abc"]
    assert abs(counts[0] - 10_000) < 400, counts
    assert abs(counts[1] - 5_000) < 350, counts
    both = sum(share("one", user) < 0.5 and share("two", user) < 0.5 for user in users)
    assert abs(both - 5_000) < 350, "experiments are independent of each other"
    actor = Actor("ann")
    first = assign(actor, "x", three)
    turned = tuple(Variant(name=one.name, weight=0 if one.name == first else 100) for one in three)
    assert assign(actor, "x", turned) == first
    assert assign(actor, "x", tuple(one for one in turned if one.name != first)) != first, "it exists no more"


def test_raising_a_part_keeps_who_is_in() -> None:

    users = [f"user-{number}" for number in range(1000)]
    small, large = ({user for user in users if share("c/canary", user) < part} for part in (0.05, 0.2))
    assert small
    assert small < large
