"""What became of a push, as an event: said by the page that showed it."""

from __future__ import annotations

from typing import Final

import msgspec

from actors.model.event import Event
from ingress.connections.streams import Push

KEPT_MAX: Final = 1_000


class PushFeedback:
    """Of one connection. A page that repeats itself is not passed on: the engine would find out, but at a price."""

    def __init__(self) -> None:
        self._said: set[tuple[int, str]] = set()

    def event(self, user: str, push: Push, offset: int, status: str) -> Event | None:
        """`push_seen` and its like, or None if this was said before. The same push and status make the same event."""
        if (offset, status) in self._said:
            return None
        if len(self._said) >= KEPT_MAX:
            self._said.clear()
        self._said.add((offset, status))
        return Event(
            user=user,
            name=f"push_{status}",
            message_id=f"{push.id}:{status}",
            body=msgspec.json.encode({"message": push.id, "channel": "push"} | push.about),
            source="engine",
        )
