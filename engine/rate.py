"""How often one user may speak: so that a page gone wild costs its own user, not the others.

Only what browsers say is counted. Each user has a second's worth in hand and earns it back evenly (GCRA); a batch goes
as a whole if anything is in hand, so a buffer sent after an hour without network is never too large to be taken, and
what follows waits until it is earned.
"""

from __future__ import annotations

from collections.abc import Sequence

from actors.model.event import Event
from actors.model.speech import PAGES

FORGET_PAST = 65_536
"""Users remembered before those who have earned all back are forgotten."""


class UserRate:
    def __init__(self, per_second: int) -> None:
        self._interval_ms = 1000 / per_second
        self._busy_until: dict[str, float] = {}
        """When all that the user said has been earned back."""

    def wait_ms(self, events: Sequence[Event], now: int) -> int:
        """0: they may pass, and count. Else none of them counts, and in so many milliseconds they may."""
        users = [event.user for event in events if event.source in PAGES]
        if not users:
            return 0
        counts: dict[str, int] = {}
        for user in users:
            counts[user] = counts.get(user, 0) + 1
        busy_until = self._busy_until
        for user in counts:
            until = busy_until.get(user)
            if until is not None and until - now >= 1000:
                return int(until - now - 1000) + 1
        for user, count in counts.items():
            busy_until[user] = max(busy_until.get(user, 0), now) + count * self._interval_ms
        if len(busy_until) > FORGET_PAST:
            self._busy_until = {user: until for user, until in busy_until.items() if until > now}
        return 0
