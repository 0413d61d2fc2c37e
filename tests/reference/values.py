"""What values mean: null, text that spells a number, comparison, truth."""

from __future__ import annotations

import re
from typing import Any

Value = Any

SPELLS_A_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def number(value: Value) -> float | int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    if isinstance(value, str) and SPELLS_A_NUMBER.fullmatch(value):
        return float(value)
    return None


def is_equal(left: Value, right: Value) -> bool:
    if left is None or right is None:
        return False
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    a, b = number(left), number(right)
    if a is not None and b is not None:
        return a == b
    return type(left) is type(right) and left == right


def compared(operator: str, left: Value, right: Value) -> bool:
    """`<`, `<=`, `>`, `>=`: what is or spells a number with another such, text with text; all else is false."""
    a, b = number(left), number(right)  # type: Value, Value
    if a is None or b is None:
        if not (isinstance(left, str) and isinstance(right, str)):
            return False
        a, b = left, right
    return bool({"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[operator])


def is_in(left: Value, right: Value) -> bool:
    if isinstance(right, list):
        return any(is_equal(left, one) for one in right)
    return isinstance(left, str) and isinstance(right, str) and left in right


def arithmetic(operator: str, left: Value, right: Value) -> Value:
    a, b = number(left), number(right)
    if operator == "+" and isinstance(left, str) and isinstance(right, str) and (a is None or b is None):
        return left + right
    if a is None or b is None:
        return None
    if operator in "/%" and b == 0:
        return None
    return {"+": a + b, "-": a - b, "*": a * b, "/": a / b if b else None, "%": a % b if b else None}[operator]


def operate(operator: str, left: Value, right: Value) -> Value:
    match operator:
        case "=":
            return is_equal(left, right)
        case "!=":
            return left is not None and right is not None and not is_equal(left, right)
        case "<" | "<=" | ">" | ">=":
            return compared(operator, left, right)
        case "in":
            return is_in(left, right)
        case "contains":
            return is_in(right, left)
        case "starts_with":
            return isinstance(left, str) and isinstance(right, str) and left.startswith(right)
        case "matches":
            return isinstance(left, str) and re.search(right, left[:300]) is not None
        case _:
            return arithmetic(operator, left, right)
