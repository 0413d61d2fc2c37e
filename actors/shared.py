"""One copy of what many users have: a shop's product ids, the same product's properties in a thousand carts.

Only memory is at stake, never meaning: values are immutable and equal ones may or may not be the same object.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

Shareable = TypeVar("Shareable", bound=str | bytes | int)

SHARED_MAX: Final = 65_536
"""Values held; past it the table starts anew (actors keep what they have)."""

_SHARED: dict[Any, Any] = {}


def shared(value: Shareable) -> Shareable:
    """An equal value, the same object as before if it was seen lately."""
    found = _SHARED.get(value)
    if found is not None:
        return found  # type: ignore[no-any-return]
    if len(_SHARED) >= SHARED_MAX:
        _SHARED.clear()
    _SHARED[value] = value
    return value


def shared_parts(state: Any) -> Any:
    """A flat list with its texts and bytes shared, in place; everything else as it is."""
    if isinstance(state, list):
        for place, value in enumerate(state):
            if isinstance(value, str | bytes):
                state[place] = shared(value)
    return state
