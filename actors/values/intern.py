"""One copy of what many users have: a shop's product ids, the same product's properties in a thousand carts.

Only memory is at stake, never meaning: values are immutable and equal ones may or may not be the same object.
"""

from __future__ import annotations

from sys import getsizeof
from typing import Any, Final, TypeVar

Shareable = TypeVar("Shareable", bound=str | bytes | int)

SHARED_MAX: Final = 65_536
"""Values held; past it the table starts anew (actors keep what they have)."""

SHARED_BYTES_MAX: Final = 16_000_000
"""Of all of them; past it likewise."""

SHARED_VALUE_BYTES_MAX: Final = 2_048
"""A larger value is nobody's but its user's, or what somebody sends to fill the table."""


class _Table:
    __slots__ = ("bytes", "values")

    def __init__(self) -> None:
        self.values: dict[Any, Any] = {}
        self.bytes = 0

    def hold(self, value: Shareable) -> Shareable:
        size = getsizeof(value)
        if size > SHARED_VALUE_BYTES_MAX:
            return value
        self.bytes += size
        if len(self.values) >= SHARED_MAX or self.bytes > SHARED_BYTES_MAX:
            self.values.clear()
            self.bytes = size
        self.values[value] = value
        return value


_table = _Table()
_find = _table.values.get


def shared(value: Shareable) -> Shareable:
    """An equal value, the same object as before if it was seen lately."""
    found = _find(value)
    if found is not None:
        return found  # type: ignore[no-any-return]
    return _table.hold(value)


def shared_parts(state: Any) -> Any:
    """A flat list with its texts and bytes shared, in place; everything else as it is."""
    if isinstance(state, list):
        for place, value in enumerate(state):
            if isinstance(value, str | bytes):
                state[place] = shared(value)
    return state
