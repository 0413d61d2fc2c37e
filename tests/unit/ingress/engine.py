"""A small engine in memory, for tests of the ways in: keeps the contract of engine/submit.py, dedupes by user."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from actors.model.event import Event
from engine.submit import Receipt, RefusalCode


class MemoryEngine:
    """`hold`: its word comes only with `commit`. `refuse`: it takes nothing."""

    def __init__(self, *, hold: bool = False) -> None:
        self.hold = hold
        self.reset()

    def reset(self) -> None:
        self.refuse: RefusalCode | None = None
        self.events: list[Event] = []
        self.forgotten: set[str] = set()
        """Message ids of which it cannot say whether it has seen them."""
        self.owners: dict[str, str] = {}
        self.thinks = False
        """Whose a name is, it says only with `answer`."""
        self.asked: list[tuple[str, Callable[[str], None]]] = []
        self._seen: set[tuple[str, str]] = set()
        self._waiting: list[tuple[Receipt, Callable[[Receipt], None]]] = []

    def submit(self, events: Sequence[Event], done: Callable[[Receipt], None]) -> None:
        assert events, "nobody submits nothing"
        if self.refuse is not None:
            done(Receipt(refused=self.refuse, retry_ms=1_500))
            return
        fresh = []
        known = [event for event in events if event.message_id not in self.forgotten]
        for event in known:
            if (event.user, event.message_id) not in self._seen:
                self._seen.add((event.user, event.message_id))
                fresh.append(event)
        self.events += fresh
        for event in fresh:
            if event.kind == "alias":
                self.owners.setdefault(msgspec.json.decode(event.body)["from"], event.user)
        receipt = Receipt(len(fresh), len(known) - len(fresh), len(events) - len(known))
        if self.hold:
            self._waiting.append((receipt, done))
        else:
            done(receipt)

    def owner(self, name: str, then: Callable[[str], None]) -> None:
        if self.thinks:
            self.asked.append((name, then))
        else:
            then(self.owners.get(name, name))

    def answer(self) -> None:
        """Who each name that was asked for belongs to."""
        asked, self.asked = self.asked, []
        for name, then in asked:
            then(self.owners.get(name, name))

    def commit(self, *which: int) -> None:
        """The word on the waiting batches of these indexes, on all if none is named."""
        chosen = list(which or range(len(self._waiting)))
        waiting = [self._waiting[i] for i in chosen]
        self._waiting = [w for i, w in enumerate(self._waiting) if i not in chosen]
        for receipt, done in waiting:
            done(receipt)

    @property
    def names(self) -> list[str]:
        return [event.name or event.kind for event in self.events]
