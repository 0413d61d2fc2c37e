"""What one rendering may use: loop turns, characters, and work, which is counted where it is done.

A unit of work is one thing looked at: a node of the template, an item of a list, sixteen characters of a text. It costs
a tenth of a microsecond to one and a half, so that all of them are a fraction of a second of the event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, Final

OUTPUT_CHARACTERS_MAX: Final = 512 * 1024
LOOP_TURNS_MAX: Final = 20_000
WORK_MAX: Final = 200_000
NUMBER_MAX: Final = 10**30

_CONTAINERS: Final = (list, tuple, dict)
_NUMBERS: Final = frozenset({int, float})


class BudgetSpent(Exception):
    """The rendering would take more loop turns, characters or work than it may."""


class Budget:
    __slots__ = ("characters", "turns", "work")

    def __init__(self) -> None:
        self.turns = LOOP_TURNS_MAX
        self.work = WORK_MAX
        # Intermediate texts count too, hence the factor.
        self.characters = 4 * OUTPUT_CHARACTERS_MAX

    def spend_turns(self, count: int) -> None:
        self.turns -= count
        if self.turns < 0:
            raise BudgetSpent(f"more than {LOOP_TURNS_MAX} loop turns")

    def spend_characters(self, count: int) -> None:
        self.characters -= count
        if self.characters < 0:
            raise BudgetSpent("more text than a message may have")

    def spend_work(self, units: int) -> None:
        self.work -= units
        if self.work < 0:
            raise BudgetSpent("more work than a message may take")

    def look_at(self, value: Any) -> int:
        """Pay for a walk through all of a value; return its units."""
        if isinstance(value, str):
            units = 1 + (len(value) >> 4)
        elif isinstance(value, _CONTAINERS):
            return self._walk(value)
        else:
            units = 1
        self.spend_work(units)
        return units

    def _walk(self, value: Any) -> int:
        before = self.work
        waiting = [value]
        while waiting:
            item = waiting.pop()
            if isinstance(item, str):
                self.work -= 1 + (len(item) >> 4)
                continue
            self.spend_work(1)
            if isinstance(item, dict):
                self.spend_work(len(item))
                waiting += item
                waiting += item.values()
            elif isinstance(item, (list, tuple)):
                self.spend_work(len(item))
                waiting += item
        self.spend_work(0)
        return before - self.work


_budget: ContextVar[Budget] = ContextVar("budget")


@contextmanager
def budget() -> Iterator[None]:
    """Around one rendering: what it makes is counted, and BudgetSpent stops it."""
    token = _budget.set(Budget())
    try:
        yield
    finally:
        _budget.reset(token)


current: Final = _budget.get
"""The budget of the rendering that is under way. LookupError while a template is compiled: Jinja folds nothing then."""


def metered(function: Callable[..., Any], value_at: int, dear: int = 0) -> Callable[..., Any]:
    """Return a filter or test whose walk through its value, argument `value_at`, is paid for before it is done.

    Each item of a list may be asked for all of the arguments, so these are paid for each; a text is paid for `dear` times
    more. What it makes is a whole list and no generator, and no number larger than NUMBER_MAX."""

    alone = value_at + 1

    @wraps(function)
    def paid(*args: Any, **named: Any) -> Any:
        value = args[value_at]
        if len(args) == alone and not named and type(value) in _NUMBERS:
            current().spend_work(1)
        else:
            pay(current(), value, args[alone:], named)
            if dear and isinstance(value, str):
                current().spend_work(dear * (len(value) >> 4))
        made = function(*args, **named)
        return made if type(made) is str and len(made) < 16 else settled(made)

    return paid


def pay(budget: Budget, value: Any, args: tuple[Any, ...], named: Mapping[str, Any]) -> None:
    """Pay for what is done with a value and arguments."""
    budget.look_at(value)
    if not args and not named:
        return
    times = len(value) if isinstance(value, _CONTAINERS) else 1
    for argument in (*args, *named.values()):
        budget.spend_work((times - 1) * budget.look_at(argument))


def settled(made: Any) -> Any:
    """Return what a filter or method made, paid for, and whole."""
    if isinstance(made, str):
        current().spend_work(len(made) >> 4)
    elif isinstance(made, Iterator):
        return listed(made)
    elif isinstance(made, _CONTAINERS):
        current().spend_work(len(made))
    elif isinstance(made, int) and abs(made) > NUMBER_MAX:
        raise ValueError("a number is too large")
    return made


def listed(items: Iterator[Any]) -> list[Any]:
    """Return what the iterator gives, each item paid for as it comes."""
    spend, made = current().spend_work, []
    for item in items:
        spend(1)
        made.append(item)
    return made
