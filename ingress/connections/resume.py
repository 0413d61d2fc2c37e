"""Sessions that outlive their connection for two minutes, so that a client need not send again what is stored."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import msgspec

from ingress.messages.clocks import ClientClock


class ResumeRecord(msgspec.Struct):
    """What is known of a session."""

    id: str
    key: str
    """Only a holder of the same key, and vouched for as the same user, may go on with it."""
    acked: int = 0
    """Every `ev` up to this id is stored."""
    unreadable: int = 0
    """How often its connection was ended because a frame's id could not be told."""
    left: int | None = None
    """When its connection ended; None: it is open."""
    replace: Callable[[], None] | None = None
    """Ends the connection that holds it."""
    clock: ClientClock = msgspec.field(default_factory=ClientClock)
    """What is known of its client's."""


class Sessions:
    def __init__(self, new_id: Callable[[], str], *, keep_ms: int = 120_000, sessions_max: int = 50_000) -> None:
        self._new_id = new_id
        self._keep_ms = keep_ms
        self._sessions_max = sessions_max
        self._records: OrderedDict[str, ResumeRecord] = OrderedDict()

    def open(self, told: str, key: str, replace: Callable[[], None], now: int) -> ResumeRecord:
        """The session of that id if it may be resumed, else a new one. A connection that still holds it is replaced."""
        record = self._records.get(told)
        if record is None or record.key != key or (record.left is not None and record.left + self._keep_ms < now):
            record = ResumeRecord(id=self._new_id(), key=key)
            self._records[record.id] = record
            if len(self._records) > self._sessions_max:
                self._records.popitem(last=False)
        elif record.replace is not None:
            record.replace()
        self._records.move_to_end(record.id)
        record.left = None
        record.replace = replace
        return record

    def leave(self, record: ResumeRecord, replace: Callable[[], None], now: int) -> None:
        """Its connection has ended; nothing happens if another has taken it over."""
        if record.replace == replace:
            record.left = now
            record.replace = None

    def forget(self, now: int) -> None:
        """Drop those that can no longer be resumed."""
        gone = [r.id for r in self._records.values() if r.left is not None and r.left + self._keep_ms < now]
        for told in gone:
            del self._records[told]

    def __len__(self) -> int:
        return len(self._records)
