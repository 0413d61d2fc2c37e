"""Conditions that can never hold: which are found, why, and that none is called so that can."""

from __future__ import annotations

import itertools
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.values import values
from language.check.possible import never_parts, why_never
from language.syntax import ast
from language.syntax.expressions import parse_expression


@pytest.mark.parametrize(
    ("text", "column", "why"),
    [
        ("x > 5 and x < 3", 1, "`> 5` and `< 3` exclude each other"),
        ("x >= 5 and 5 > x", 1, "`>= 5` and `< 5` exclude each other"),
        ('x = "a" and x = "b"', 1, '`= "a"` and `= "b"` exclude each other'),
        ('x = "gold" and x != "gold"', 1, '`= "gold"` and `!= "gold"` exclude each other'),
        ("x = null and x > 3", 1, "`= null` and `> 3` exclude each other"),
        ("x in [1, 2] and x = 3", 1, "`in [1,2]` and `= 3` exclude each other"),
        ("x in [1, 2] and x != 1 and x != 2", 1, "its parts exclude each other"),
        ("not (x > 5) and x > 7", 1, "not `> 5` and `> 7` exclude each other"),
        ("x > 2 and (x < 1 or x = 2)", 1, "`> 2` and `< 1` exclude each other"),
        ("y or (z and x > 5 and x < 3)", 7, "`> 5` and `< 3` exclude each other"),
        ("count(e where x > 5 and x < 3) > 2", 15, "`> 5` and `< 3` exclude each other"),
        ("did a and no a", 1, "it would have to be true and false at once"),
        ("came and not came", 1, "it would have to be true and false at once"),
        ("hour(now) = 24", 1, "it is a whole number from 0 to 23, never `= 24`"),
        ("weekday(now) in [0, 8]", 1, "it is a whole number from 1 to 7, never `in [0,8]`"),
        ("count(a) < 0", 1, "it is a whole number from 0 on, never `< 0`"),
        ("count(a, last 30d) > 5000", 1, "it is a whole number from 0 to 4096, never `> 5000`"),
        ("distinct(a.p, last 30d) > 300", 1, "it is a whole number from 0 to 256, never `> 300`"),
        ("count(a, last 3d) > 2 and count(a, last 3d) < 3", 1, "`> 2` and `< 3` exclude each other"),
        ("5 < 3", 1, ""),
        ("false", 1, ""),
    ],
)
def test_a_condition_that_can_never_hold(text: str, column: int, why: str) -> None:
    ((part, reason),) = never_parts(parse_expression(text))
    assert (part.at + 1, reason) == (column, why)


@pytest.mark.parametrize(
    "text",
    [
        "x > 5 or x < 3",
        'x = "5" and x = 5',
        'x = "19.00" and x = "19"',
        "x != 1 and x != 2",
        "not x and x = 0",
        'not x and x != null and x != false and x != "" and x != []',
        "not (x > 5) and not (x <= 5)",
        "count(a) > 2 and count(a, last 3d) < 3",
        "count(a) > 2 and count(b) < 3",
        "price > 2.4 and price < 2.5",
        "count(a where x = 1) > 0 and count(a where x = 2) = 0",
        'x > "5" and x < 5',
        "hour(user.born) = null",
        "last(a).p = 1 and first(a).p = 2",
    ],
)
def test_what_can_hold_is_left_alone(text: str) -> None:
    assert list(never_parts(parse_expression(text))) == []


CONSTANTS: Final = [0, 1, 2, 2.5, -1, "", "a", "b", "2", "2.50", True, False, None]
OPERATORS: Final = ["=", "!=", "<", "<=", ">", ">="]

atoms = st.builds(
    lambda name, operator, constant: ast.Binary(
        operator=operator, left=ast.Name(parts=(name,)), right=ast.Constant(value=constant)
    ),
    st.sampled_from(["x", "y"]),
    st.sampled_from(OPERATORS),
    st.sampled_from(CONSTANTS),
)
conditions = st.recursive(
    atoms | st.sampled_from([ast.Name(parts=("x",)), ast.Constant(value=True), ast.Constant(value=False)]),
    lambda inner: (
        st.builds(lambda o, a, b: ast.Binary(operator=o, left=a, right=b), st.sampled_from(["and", "or"]), inner, inner)
        | st.builds(lambda a: ast.Unary(operator="not", operand=a), inner)
    ),
    max_leaves=7,
)
told = st.sampled_from([*CONSTANTS, 3, 1.5, "aa", "c", "3", []]) | st.integers(-3, 4) | st.floats(-3, 4)

COMPARE: Final[dict[str, Any]] = {
    "<": values.less,
    "<=": values.less_or_equal,
    ">": values.greater,
    ">=": values.greater_or_equal,
}


def evaluate(node: Any, scope: dict[str, Any]) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(parts=(name,)):
            return scope[name]
        case ast.Unary(operand=operand):
            return not values.truth(evaluate(operand, scope))
        case ast.Binary(operator="and", left=left, right=right):
            return values.truth(evaluate(left, scope)) and values.truth(evaluate(right, scope))
        case ast.Binary(operator="or", left=left, right=right):
            return values.truth(evaluate(left, scope)) or values.truth(evaluate(right, scope))
        case ast.Binary(operator=operator, left=left, right=right):
            a, b = evaluate(left, scope), evaluate(right, scope)
            if operator == "=":
                return a is None if b is None else values.equal(a, b)
            if operator == "!=":
                return a is not None if b is None else values.unequal(a, b)
            return COMPARE[operator](a, b)
    raise AssertionError(node)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(conditions, st.lists(st.tuples(told, told), min_size=1, max_size=40))
def test_nothing_is_called_impossible_that_some_value_makes_true(
    condition: ast.Expression, tried: list[tuple[Any, Any]]
) -> None:
    if why_never(condition) is not None:
        for x, y in tried:
            assert not values.truth(evaluate(condition, {"x": x, "y": y})), (x, y)


NUMBERS: Final = [-1.5, -1, 0, 0.5, 1, 5, 5.5, 6, 7, 22, 22.5, 23, 24]


@pytest.mark.parametrize("above", [">", ">="])
@pytest.mark.parametrize("below", ["<", "<="])
def test_hours_between_two_numbers_are_none_or_some(above: str, below: str) -> None:
    for low, high in itertools.product(NUMBERS, NUMBERS):
        condition = parse_expression(f"hour(now) {above} {low} and hour(now) {below} {high}")
        some = any(COMPARE[above](hour, low) and COMPARE[below](hour, high) for hour in range(24))
        assert (why_never(condition) is None) == some, (above, low, below, high)
