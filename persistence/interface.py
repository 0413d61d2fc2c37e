"""The contract of the store, on one page. Keepers: `sqlite.py`, `memory.py`; the suite: `tests/conformance/`.

Rules every keeper keeps:

* `commit` is all or nothing, and durable when it returns (SQLite: WAL, synchronous=FULL).
* Commits are applied in the order in which they were called; only one runs at a time (the caller awaits each).
* Writing the same decision or send again changes nothing: their ids are functions of (user, turn, index).
* Reads see every commit that has returned.
* What may be long is read in batches, by an iterator whose cursor is the keeper's own affair. Each batch is as of the
  moment when it is read, so whoever reads may commit in between; nothing is yielded twice, and no batch is empty.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated, Final, Literal, NamedTuple, Protocol

import msgspec

from actors.model.event import Event
from actors.model.turn import Decision, Send

SendState = Literal["pending", "claimed", "at_dot", "sent", "retry", "failed", "unknown"]
"""pending -> claimed -> at_dot -> sent | retry | failed | unknown (design §4.9); `retry` is due again at `due`."""

UNSETTLED: Final[tuple[SendState, ...]] = ("pending", "claimed", "at_dot", "retry", "unknown")
"""Of a send that waits, is under way, or is in doubt."""


class StoreError(Exception):
    """The store could not do what was asked. `what` says which step; the cause is chained."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class StorageFull(StoreError):
    """No room on the disk. Nothing of the commit is stored; it may be tried again when there is room."""


class StorageFailed(StoreError):
    """An I/O error. The commit is neither stored nor not stored: stop, and let recovery read the disk."""


class StorageLost(StorageFailed):
    """What was written is not there any more, or is another's: no fault of the disk, and no start by itself mends it."""


class StorageBusy(StoreError):
    """Another program holds the database's lock. Nothing was stored; `what` names the program."""


class RowsRefused(StoreError):
    """Rows that the store can never hold: the mistake is in them, not in the disk, and nothing of the commit is stored.

    `users`: whose rows they are -> why, in one line."""

    def __init__(self, users: Mapping[str, str]) -> None:
        super().__init__("commit: " + "; ".join(f"{user!r}: {why}" for user, why in users.items()))
        self.users = users


class StoreRefused(StoreError):
    """The file is not ours, is of a newer version, or another engine holds it. Nothing was changed."""


class StorageDamaged(StoreError):
    """What is read is not what was written. `what` names the rows and what to do."""


INT_MAX: Final = 2**63 - 1

STATE_BYTES_MAX: Final = 64_000_000
"""Of one snapshot; past it RowsRefused. SQLite holds a thousand million bytes in one statement, and a commit writes several."""


class JournalEntry(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One entry of the journal: an event, stamped. `seq` starts at 1 and has no gaps; `at` does not go back within a
    commit. A change by an operator (kind `program`, user "") is an entry too, and then `body` is its JSON.

    The fields' order is how the journal keeps them.
    """

    seq: int
    at: Annotated[int, msgspec.Meta(ge=0, le=INT_MAX)]
    event: Event


class Snapshot(msgspec.Struct, frozen=True, gc=False):
    """One actor as of a journal position. `state` is opaque bytes; `due` is its next due time in ms, or None."""

    user: str
    position: int
    due: int | None
    state: bytes


class Position(NamedTuple):
    """How far in the journal a user's snapshot is."""

    user: str
    seq: int


class Due(NamedTuple):
    """When a user's next timer is due, in ms since the epoch."""

    user: str
    at: int


class JoinedName(NamedTuple):
    """An anonymous actor's name, and the user it belongs to."""

    name: str
    user: str


class StoredProgram(NamedTuple):
    """What a program was compiled from, as JSON bytes, and when it came, in ms since the epoch."""

    hash: str
    source: bytes
    at: int


class EventId(NamedTuple):
    """What tells an event from all others."""

    user: str
    message_id: str


class Held(msgspec.Struct, frozen=True, gc=False):
    """A user whose actor takes no turns until an operator says so. It is its snapshot and the journal after `position`."""

    user: str
    at: int
    reason: str
    """One line."""
    position: int


class Hold(msgspec.Struct, frozen=True, gc=False):
    """The outbox is on hold: what waits there goes out only once an operator has released it."""

    at: int
    """The journal's last stamp when it was put on hold. Of a copy: what was decided after it, the original may have sent."""
    reason: str
    """One line."""


class Quarantined(msgspec.Struct, frozen=True, gc=False):
    """An event that is stored and in no journal: its actor failed on it, or is held. Once for a user and message id."""

    user: str
    at: int
    event: Event
    reason: str


class Mark(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One step of a send through its states. Applied only if the row is in one of the states that may lead there."""

    id: str
    state: SendState
    at: int
    boot: str = ""
    """Who claims it: the id of this process's start. Only of `claimed`."""
    due: int | None = None
    """When a `retry` is due."""
    reply: str = ""
    """What the other side said, or why it failed; at most 500 characters are kept."""


class Suppression(msgspec.Struct, frozen=True, gc=False):
    """An address that gets nothing more (a hard bounce, a complaint). `topic` "" is everything."""

    address: str
    reason: str
    at: int
    topic: str = ""


class Link(msgspec.Struct, frozen=True, gc=False):
    """Target of a tracked link: stored here, so that no link can lead where its sender did not write."""

    send: str
    index: int
    url: str
    name: str = ""
    """What a campaign calls it: `email_clicked where link = "offer"`."""


class Commit(msgspec.Struct, kw_only=True):
    """One transaction. Every list may be empty. Order within a list is kept."""

    entries: list[JournalEntry] = []
    decisions: list[Decision] = []
    sends: list[Send] = []
    names: list[JoinedName] = []
    snapshots: list[Snapshot] = []
    gone: list[str] = []
    """Actors whose row is removed (joined into another, erased). Removed after `snapshots` are written."""
    replayed_from: int | None = None
    """Recovery needs the journal only after this position (every actor is snapshotted up to it)."""
    marks: list[Mark] = []
    suppressions: list[Suppression] = []
    links: list[Link] = []
    programs: list[StoredProgram] = []
    held: list[Held] = []
    freed: list[str] = []
    """Users who are held no more. Before `held`."""
    quarantined: list[Quarantined] = []
    dismissed: list[EventId] = []
    """What leaves the quarantine. Before `quarantined`."""


class Outboxed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A send and how it stands."""

    send: Send
    state: SendState
    attempts: int
    due: int
    boot: str
    reply: str


class JournalHead(msgspec.Struct, frozen=True, kw_only=True):
    """Where the journal stands when the store is opened."""

    seq: int
    """Last entry, 0 if none."""
    at: int
    """Its stamp, 0 if none."""
    replay_from: int
    """Entries after this one have to be taken again."""
    begins: int = 1
    """First entry that is still there."""


class Journal(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the journal there is."""

    begins_at: int = 0
    """Stamp of its first entry, 0 if there is none."""
    entries: int = 0
    bytes: int = 0
    """Of the entries as they are stored."""


class StoreReader(Protocol):
    """What can be read: of the engine's own store, and of a database beside its engine (`reader.py`)."""

    async def head(self) -> JournalHead: ...

    async def load(self, users: Sequence[str]) -> dict[str, Snapshot]:
        """The snapshots of those of `users` that have one."""

    async def resolve(self, names: Sequence[str]) -> dict[str, str]:
        """The users that those of the anonymous `names` belong to which were joined to one."""

    def tail(self, after: int, until: int | None = None) -> AsyncIterator[list[JournalEntry]]:
        """The journal after (not including) `after`, up to and including `until`, in order; from where it begins, if that
        is later.

        Raises StorageDamaged where it is; what was yielded before is sound."""

    def history(self, user: str) -> AsyncIterator[list[JournalEntry]]:
        """The journal of one user, in order. That of "" are the changes by operators, and fast to read."""

    async def ledger(self, *, user: str | None = None, campaign: str | None = None, limit: int = 100) -> list[Decision]:
        """The newest rows, newest first."""

    def whole_ledger(self, campaign: str | None = None) -> AsyncIterator[list[Decision]]:
        """Every row, of a campaign if one is given, newest first."""

    def waiting(self) -> AsyncIterator[list[Outboxed]]:
        """Sends in `pending` or `retry`, by (due, id), on hold or not."""

    async def hold(self) -> Hold | None:
        """None: what is due may go out."""

    async def sends(self, ids: Sequence[str]) -> dict[str, Outboxed]: ...

    async def unsettled(self) -> dict[SendState, int]:
        """How many sends are in each state of UNSETTLED. Cheap however many have been settled."""

    async def programs(self, hashes: Sequence[str]) -> dict[str, bytes]: ...

    async def held(self) -> list[Held]:
        """Those held longest first."""

    async def quarantined(self, user: str | None = None) -> list[Quarantined]:
        """In the order in which they came; of everybody, if no user is given. The engine bounds how much it is."""


class Store(StoreReader, Protocol):
    """The engine's own: it alone writes, and asks what only it needs to know."""

    async def open(self) -> JournalHead: ...
    async def close(self) -> None: ...

    async def commit(self, commit: Commit) -> None:
        """Raises StorageFull or RowsRefused (nothing stored), or StorageFailed (unknown: stop)."""

    async def check(self) -> None:
        """Raises StorageFailed if what was committed is no longer where it was."""

    async def journal(self) -> Journal:
        """Counted once for as long as the store is open, and kept up to date then."""

    async def cut(self, seq: int, at: int) -> int:
        """Remove the oldest entries, those up to `seq` and stamped before `at`, some milliseconds' worth of them, and never
        the newest. What operators changed stays in `history("")`. Returns the bytes removed, 0 if nothing was to be."""

    def positions(self) -> AsyncIterator[list[Position]]:
        """Of every actor that has a snapshot, in the order of the names. No state is read."""

    async def named(self, words: Sequence[str]) -> set[str]:
        """Those of `words` whose UTF-8 occurs in the state of any actor, all looked at as of one moment. Every state is read,
        some seconds for a million actors, while others read and write: for a question that is seldom asked."""

    def dues(self) -> AsyncIterator[list[Due]]:
        """Of every actor with a timer. No state is read."""

    async def due_sends(self, now: int, limit: int) -> list[Outboxed]:
        """Sends in `pending` or `retry` with due <= now, oldest due first. While the outbox is on hold, those released."""

    async def next_send_due(self) -> int | None:
        """Due time of the next send that waits, None if none does. While the outbox is on hold, of those released."""

    async def put_on_hold(self, hold: Hold) -> None:
        """Between two commits. Changes nothing if the outbox is on hold already."""

    async def release(self, sends: Sequence[str] | None) -> None:
        """Between two commits: those ids may go out although the outbox is on hold; None: it is on hold no more."""

    async def in_state(self, state: SendState, limit: int = 1000) -> list[Outboxed]:
        """Sends in that state, oldest first."""

    async def suppressed(self, addresses: Sequence[str]) -> dict[str, list[Suppression]]: ...

    async def link(self, send: str, index: int) -> Link | None: ...

    async def users(self) -> int:
        """How many are stored. Their states are not read."""

    async def counts(self) -> dict[str, int]:
        """Rows by table, and sends by state as `outbox.<state>`: for tests, for every row is counted."""
