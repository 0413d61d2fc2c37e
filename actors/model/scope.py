"""What an expression can see: one user at one moment, and the event and run at hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from actors.model.state import Actor, Run

if TYPE_CHECKING:
    from actors.model.program import Program

SESSION_MS: Final = 30 * 60 * 1000
"""A session ends after this long without activity (language.md §4)."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Scope:
    """Mutable and reused within a turn: `run` and the event at hand are set to what is being looked at."""

    __slots__ = (
        "_at_hand",
        "_entries",
        "_properties",
        "actor",
        "body",
        "name",
        "now",
        "occurred",
        "ordinal",
        "program",
        "run",
    )

    def __init__(self, actor: Actor, program: Program, now: int) -> None:
        self.actor = actor
        self.program = program
        self.now = now
        self.run: Run | None = None
        self.name = ""
        """Canonical name of the event at hand; (occurred, ordinal) is its place in the user's history."""
        self.occurred = now
        self.ordinal = actor.turn
        self.body = b""
        self._properties: dict[str, Any] | None = None
        self._at_hand: dict[str, Any] | None = None
        self._entries: dict[str, dict[str, Any]] | None = None

    def take_up(self, body: bytes) -> None:
        """The event at hand is another one now: the raw JSON of its properties."""
        self.body = body
        self._properties = self._at_hand = None

    def reach(self, limit: str) -> None:
        """A limit was reached and something is not kept, or only a part of it: a turn counts it (`work.py`)."""

    @property
    def properties(self) -> dict[str, Any]:
        """Of the event at hand, decoded when first asked for; empty if there is none."""
        found = self._properties
        if found is None:
            found = self._properties = _decode(self.body) if self.body else {}
        return found

    def looking_at(self, properties: dict[str, Any] | None) -> dict[str, Any] | None:
        """Take another event's properties for the event at hand; returns those to put back."""
        previous, self._properties = self._properties, properties
        return previous

    @property
    def entry(self) -> dict[str, Any]:
        """Properties of the event that started the run; before a run has started, of the event at hand."""
        run = self.run
        if run is None:
            # Not `properties`: in a condition on the past, those are of the event that is being looked at.
            started = self._at_hand
            if started is None:
                started = self._at_hand = _decode(self.body) if self.body else {}
            return started
        entries = self._entries
        if entries is None:
            entries = self._entries = {}
        found = entries.get(run.id)
        if found is None:
            found = entries[run.id] = _decode(run.entry)
        return found


def session_open(scope: Scope) -> bool:
    """Return whether a session of the user is open now."""
    return bool(scope.actor.session_start) and scope.now - scope.actor.last_seen < SESSION_MS


Evaluate = Callable[[Scope], object]
"""A compiled expression."""

Horizon = Callable[[Scope], int]
"""The next instant (ms, after `scope.now`) at which a compiled expression may change without any event; 0: never."""
