"""Compiled patterns: what happens over time (language.md §3). `patterns.py` runs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from actors.model.scope import Evaluate, Horizon, Scope

ANY_TIME: Final = 1 << 52
"""Milliseconds that no two events are apart: the `within` of what a session ends and no time does."""


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """An event pattern: that event, if `where` holds."""

    event: str
    where: Evaluate | None
    text: str

    @property
    def events(self) -> tuple[str, ...]:
        return (self.event,)


class SequencePattern(msgspec.Struct, frozen=True, kw_only=True):
    """`a then b then c within T`: in this order, the whole chain within T ms; exactly T is within."""

    key: int
    steps: tuple[Match, ...]
    within: int
    text: str
    in_session: bool = False
    """`a then b in session`: all of it in one session, however long that is."""

    @property
    def events(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(step.event for step in self.steps))


class Absence(msgspec.Struct, frozen=True, kw_only=True):
    """`a then no b within T`: T ms after a (after a chain: after its last), if no b came since; at the very deadline still cancels."""

    key: int
    steps: tuple[Match, ...]
    absent: Match
    last_absent: int
    """Key of the log that keeps the newest events of `absent`, so that an `a` told late is not taken for unanswered."""
    within: int
    text: str

    @property
    def events(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*(step.event for step in self.steps), self.absent.event)))


class AllOf(msgspec.Struct, frozen=True, kw_only=True):
    """`all(a, b) within T`: each of them in any order, the first and the last at most T ms apart."""

    key: int
    matches: tuple[Match, ...]
    within: int
    text: str
    in_session: bool = False
    """`all(a, b) in session`"""

    @property
    def events(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(match.event for match in self.matches))


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """`no E for T`: T ms after the last E (without one: after first sight), once until there is another."""

    key: int
    last: int | None
    """Key of the log with the newest E; None: any activity."""
    event: str
    heard: Match | None = None
    """E, if its condition looks at more than the event: it is asked when it comes, of this run and user."""
    span: int
    text: str

    @property
    def events(self) -> tuple[str, ...]:
        return () if self.heard is None else self.heard.events


class Unmatched(msgspec.Struct, frozen=True, kw_only=True):
    """The user entered no campaign for T: how the policy's default campaign is entered."""

    key: int
    span: int
    text: str


Timed = Absence | Silence | Unmatched
"""What time alone may complete."""


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """`entered segment("x")` or `left segment("x")`."""

    segment: str
    entered: bool
    text: str

    @property
    def events(self) -> tuple[str, ...]:
        return ()


EventPattern = Match | SequencePattern | Absence | AllOf | Silence
"""What an event may start, advance or complete."""

Pattern = EventPattern | Membership


class ArrivedEarly(msgspec.Struct, frozen=True, kw_only=True):
    """An exit or a goal whose event may have been told before the entry that it comes after: of a run that is told late."""

    pattern: Match
    rows: Callable[[Scope], list[list[Any]]]
    """What is remembered of it since the entry of `scope.run`, oldest first: `[occurred, ordinal, the goal's value]`."""


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """A segment that some pattern watches."""

    name: str
    member: Evaluate
    horizon: Horizon
    any_turn: bool
    """Whether every turn may change it (it looks at the session or the last activity), or only those that concern its memory."""
