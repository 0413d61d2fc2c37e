"""What an actor is made of: one user's state, and the runs in it. Plain values, packed as one MessagePack array."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from actors.model.newest import Conflict
from actors.model.recent import OlderIds

ENDED: Final = -1
"""`Run.pc` of a run that has ended and is only kept while its goal may still be reached."""

USER_BYTES_MAX: Final = 1_040
"""Of a user's name: more than the ways in let through."""

RUNS_MAX: Final = 64
"""Active runs of one user; an entry beyond it is refused as `concurrency`."""

WATCHED_MAX: Final = 32
"""Ended runs of one user whose goal is still watched; the oldest is forgotten past it."""

ENTRIES_BYTES_MAX: Final = 65_536
"""Properties of the entry events of one user's runs; past it a further run keeps as much of its own as ENTRY_BYTES_MIN."""

ENTRY_BYTES_MIN: Final = 1_024


class Run(msgspec.Struct, array_like=True):
    """One user's way through one campaign, for one key. Pinned to the version that it entered with."""

    id: str
    campaign: str
    version: str
    entered: int
    """`at` of the entry."""
    occurred: int
    """When the entry event happened; with `ordinal` the place in the user's history that `since entry` means."""
    ordinal: int
    key: str = ""
    entry: bytes = b"{}"
    """Raw JSON of the entry event's properties."""
    pc: int = 0
    """Index of the instruction it waits at, or ENDED."""
    wake: int = 0
    """When the wait at `pc` has to be looked at again, in ms; 0 if no time ends it."""
    deadline: int = 0
    """When the wait is over whatever happens (`up_to`, `for`), 0 if never; of an idle wait: how long, in ms."""
    sent: int = 0
    goal: int = 0
    """Last moment (occurred) at which its goal counts, in ms; 0: while it lasts; -1: reached, or it has none."""
    names: dict[str, bool] | None = None
    """What `as:` named: true, it came; false, time was up."""
    partials: dict[int, Any] | None = None
    """Partial matches of its patterns (`patterns.py`)."""
    variant: str = ""
    """Its variant of the campaign's experiment, or `holdout`."""
    asked: int = 0
    """When the send at `pc` was first due, while it is held; 0 else."""
    unproven: bool = False
    """Whether nothing proved that the user did what began it."""


class Actor(msgspec.Struct, array_like=True):
    """One user's state. Only the verbs of `actor.py` change it, one turn at a time."""

    user: str
    position: int = 0
    """Journal position of the last input it took: set by the engine, stored with the snapshot."""
    due: int = 0
    """When its next timer has to be looked at, in ms; 0 if it has none. Never later than the truth."""
    moved_to: str = ""
    """The user that this anonymous visitor turned out to be."""
    turn: int = 0
    """Number of its last turn; the order of its history."""
    first_seen: int = 0
    last_seen: int = 0
    """When the user last did anything (occurred)."""
    session_start: int = 0
    session_events: int = 0
    signed_in: bool = False
    tracked: bool = True
    """Whether what the user does may be remembered at all (consent to tracking)."""
    zone: str = ""
    """IANA time zone that the user's device last told."""
    ids: bytes = b""
    """Hashes of the message ids of its newest events, as `digests.py` keeps them."""
    traits: dict[str, Any] = {}
    memory: dict[int, Any] = {}
    """What the memory plan asks for, by the key of its slot (`memory.py`)."""
    runs: list[Run] = []
    """In order of entry; ended ones last only while their goal is watched."""
    entries: tuple[Any, ...] = ()
    """Last entries, for campaigns with a re-entry rule: `(campaign, or campaign\x1fkey, at, …)`, oldest first."""
    suppressed: tuple[str, ...] = ()
    """Addresses that bounced for good or complained."""
    unsubscribed: tuple[str, ...] = ()
    """Topics the user does not want mail about."""
    partials: dict[int, Any] | None = None
    """Partial matches of entry patterns (`patterns.py`)."""
    segments: tuple[str, ...] = ()
    """Those of the watched segments that the user is in."""
    watch: int = 0
    """When a watched segment may change by time alone, in ms; 0 if it cannot."""
    sent: tuple[Any, ...] = ()
    """Marketing sends that caps and cooldown look at: `[at, channel, topic, campaign]`, oldest first."""
    ignored: int = 0
    """Marketing sends since the user last opened or clicked one."""
    assigned: dict[str, str] | None = None
    """experiment or split -> variant: changing weights keeps who was assigned."""
    last_entered: int = 0
    """`at` of the last entry into any campaign."""
    older_ids: OlderIds | None = None
    """Those before them, of who has done more than they hold (`recent.py`)."""
    claimed: tuple[str, ...] = ()
    """Of a visitor: the traits for which only an id that anybody may know vouches. They are not carried over to a user."""
    past_told: int = 0
    """`at` of the last historical event; a silence that was over before it does not come (`patterns.py`)."""
    told_at: int = 0
    """When the parts of its profile were told that have no time of their own in `told_times`, in ms (`newest.py`)."""
    told_times: dict[str, int] | None = None
    conflicts: tuple[Conflict, ...] = ()
    """The newest words on the profile that lost to others, oldest first."""
    decided: dict[str, tuple[int, ...]] | None = None
    """When messages were decided, oldest first, by what a cap of a campaign or a send counts (`send_caps.py`)."""
