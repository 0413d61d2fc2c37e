"""Who is to be told what by the two rules of `tests/sites/cart_and_views`, counted in plain Python with nothing of the product.

Cart: half an hour after the last add, if no order came since and more than 50 was added since the last order. Views: the
third within ten minutes, the one that is exactly ten minutes old not counted. Each once in a day at most, from decision to decision.
"""

from __future__ import annotations

from collections.abc import Iterable

MINUTE = 60_000
PAUSE = 30 * MINUTE
WINDOW = 10 * MINUTE
DAY = 24 * 60 * MINUTE

Told = tuple[int, str, str, float]
"""When in ms, who, what, its value; in the order of time."""


class Counter:
    """One user."""

    def __init__(self) -> None:
        self.decided: list[tuple[int, str]] = []
        self._cart = 0.0
        self._deadline: int | None = None
        self._views: list[int] = []
        self._last = {"cart": -DAY, "views": -DAY}

    def pass_time(self, now: int) -> None:
        """Up to just before `now`: what comes at the very deadline comes first."""
        if self._deadline is not None and self._deadline < now:
            if self._cart > 50:
                self._decide(self._deadline, "cart")
            self._deadline = None

    def tell(self, now: int, what: str, value: float) -> None:
        self.pass_time(now)
        if what == "product_added":
            self._cart += value
            self._deadline = now + PAUSE
        elif what == "order_completed":
            self._cart, self._deadline = 0.0, None
        elif what == "product_viewed":
            self._views = [at for at in self._views if now - at < WINDOW] + [now]
            if len(self._views) >= 3:
                self._decide(now, "views")

    def _decide(self, now: int, rule: str) -> None:
        if now - self._last[rule] >= DAY:
            self._last[rule] = now
            self.decided.append((now, rule))


def decisions(events: Iterable[Told], end: int) -> list[tuple[int, str, str]]:
    """(when, who, which rule), sorted."""
    users: dict[str, Counter] = {}
    for at, user, what, value in events:
        users.setdefault(user, Counter()).tell(at, what, value)
    for counter in users.values():
        counter.pass_time(end)
    return sorted((at, user, rule) for user, counter in users.items() for at, rule in counter.decided)
