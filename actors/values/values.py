"""What values mean in the language: null, numbers that arrive as text, comparison, truth (language.md §4).

A value is null, a boolean, a number, text, a list, or an object (a dict), as JSON has them.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, Final

from actors.values.automaton import finder

TEXT_MATCHED_MAX: Final = 300
"""Characters of a text that `matches` looks at."""


def number(value: object) -> int | float | None:
    """The number that `value` is or spells (`"19.00"`); None for everything else, booleans and NaN included."""
    kind = type(value)
    if kind is int:
        return bounded(value)  # type: ignore[arg-type]  # narrowed by identity, which is what makes it fast
    if kind is float:
        return value if math.isfinite(value) else None  # type: ignore[return-value, arg-type]
    if kind is str:
        text = value
        assert isinstance(text, str)
        if not text or len(text) > 40 or text[-1] not in "0123456789." or "_" in text:
            return None
        try:
            found = float(text)
        except ValueError:
            return None
        return found if math.isfinite(found) else None
    return None


INTEGER_MAX: Final = (1 << 63) - 1
"""Past it a number is kept as a float: what is remembered and packed has 64 bits."""


def bounded(value: int | float) -> int | float:
    """The same number, as a float if 64 bits do not hold it as an integer."""
    if type(value) is int and not -INTEGER_MAX <= value <= INTEGER_MAX:
        return float(value) if abs(value) < 10**300 else math.copysign(1e300, value)
    return value


def added(left: int | float, right: int | float) -> int | float:
    """A sum that can be remembered: never more than 64 bits, never infinite."""
    found = bounded(left + right)
    return found if math.isfinite(found) else math.copysign(1e300, found)


def truth(value: object) -> bool:
    """Null, false, 0, empty text and the empty list are false; all else is true."""
    return bool(value)


def equal(left: object, right: object) -> bool:
    """False if either is null (`= null` is another operator). Numbers equal the text that spells them."""
    if left is None or right is None:
        return False
    if type(left) is type(right):
        return left == right
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    a, b = number(left), number(right)
    if a is not None and b is not None:
        return a == b
    return isinstance(left, list) and isinstance(right, list) and left == right


def unequal(left: object, right: object) -> bool:
    """False if either is null."""
    return left is not None and right is not None and not equal(left, right)


def _ordering(compare: Callable[[Any, Any], bool]) -> Callable[[object, object], bool]:
    def ordered(left: object, right: object) -> bool:
        if left is None or right is None:
            return False
        a, b = number(left), number(right)
        if a is not None and b is not None:
            return compare(a, b)
        return type(left) is str and type(right) is str and compare(left, right)

    return ordered


less = _ordering(operator.lt)
less_or_equal = _ordering(operator.le)
greater = _ordering(operator.gt)
greater_or_equal = _ordering(operator.ge)


def contained(left: object, right: object) -> bool:
    """`left in right`: a value in a list, or text within text."""
    if isinstance(right, list):
        return any(equal(left, item) for item in right)
    return isinstance(left, str) and isinstance(right, str) and left in right


def contains(left: object, right: object) -> bool:
    return contained(right, left)


def starts_with(left: object, right: object) -> bool:
    return isinstance(left, str) and isinstance(right, str) and left.startswith(right)


def matcher(pattern: str) -> Callable[[object], bool]:
    """`matches "…"`: whether the expression is found anywhere in the text's first characters."""
    finds = finder(pattern)
    return lambda value: isinstance(value, str) and finds(value[:TEXT_MATCHED_MAX])


def _arithmetic(
    compute: Callable[[int | float, int | float], int | float],
) -> Callable[[object, object], object]:
    def computed(left: object, right: object) -> object:
        a, b = number(left), number(right)
        if a is None or b is None:
            return None
        try:
            found = compute(a, b)
        except (ZeroDivisionError, OverflowError):
            return None
        found = bounded(found)
        return found if math.isfinite(found) else None

    return computed


_add_numbers = _arithmetic(operator.add)
subtract = _arithmetic(operator.sub)
multiply = _arithmetic(operator.mul)
divide = _arithmetic(operator.truediv)
remainder = _arithmetic(operator.mod)


def add(left: object, right: object) -> object:
    """Sum of numbers, or text joined to text."""
    if type(left) is str and type(right) is str and (number(left) is None or number(right) is None):
        return left + right
    return _add_numbers(left, right)


def negate(value: object) -> object:
    found = number(value)
    return None if found is None else -found


def length(value: object) -> object:
    return len(value) if isinstance(value, str | list | dict) else None


def lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else None


def upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else None


def rounded(value: object, digits: object = 0) -> object:
    found, places = number(value), number(digits)
    if found is None or places is None:
        return None
    return bounded(round(found, int(places)) if places else round(found))


def least(*values: object) -> object:
    """The smallest number among the values; what is not a number is passed over."""
    return min((found for value in values if (found := number(value)) is not None), default=None)


def greatest(*values: object) -> object:
    return max((found for value in values if (found := number(value)) is not None), default=None)


def coalesce(*values: object) -> object:
    """The first that is not null."""
    return next((value for value in values if value is not None), None)


def field(value: object, name: str) -> object:
    """`value.name` of an object; null of everything else."""
    return value.get(name) if isinstance(value, dict) else None
