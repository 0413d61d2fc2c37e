"""What an error of SQLite means to the engine (design §4.3)."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Final, TypeVar

from persistence.holders import holder_of
from persistence.interface import StorageBusy, StorageDamaged, StorageFailed, StorageFull, StorageLost, StoreError

log = logging.getLogger(__name__)

TOLD_AFTER_S: Final = 1.0
"""A lock that is held for longer is told in the log."""
TOLD_EVERY_S: Final = 60.0

T = TypeVar("T")

_BUSY = 5  # SQLITE_BUSY: another connection holds the lock
_FULL = 13  # SQLITE_FULL: no room on the disk, at max_page_count, or over a quota
_OURS = {
    1,  # SQLITE_ERROR: SQL or JSON that SQLite does not understand
    18,  # SQLITE_TOOBIG: over a gigabyte in one value
    19,  # SQLITE_CONSTRAINT: a row that the schema refuses
}
"""Mistakes of our own code, with nothing stored."""
_GAP: Final = "a gap in the journal"
"""The schema's trigger says it, of entries that are in their place as far as this process knows."""
_NO_TEXT: Final = "Could not decode to UTF-8"
"""Python's module says it, of a damaged column."""


class Health:
    """Whether the store may still be used. After an I/O error nothing of it is believed any more, reads included."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._failure: StorageFailed | None = None
        self.is_open = False

    @property
    def failed(self) -> bool:
        return self._failure is not None

    def check(self) -> None:
        """Raises StorageFailed if it failed before, StoreError if it is not open."""
        if self._failure is not None:
            raise StorageFailed(f"the store failed before: {self._failure.what}") from self._failure
        if not self.is_open:
            raise StoreError("the store is not open")

    @contextmanager
    def watch(self, what: str) -> Iterator[None]:
        """Turns SQLite's errors into the contract's, and remembers a failure. `what` says which step.

        A refused row is a mistake of ours and not the disk's: AssertionError, with nothing stored.
        """
        try:
            yield
        except sqlite3.Error as error:
            raise self._judge(what, error) from error

    async def patiently(self, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        """As `watch`, over and over while another program holds the lock: the disk is sound, and it comes back. Who it is
        stands in the log; whoever asks next waits behind this."""
        began = told = 0.0
        while True:
            try:
                found = await ask()
            except sqlite3.Error as error:
                judged = self._judge(what, error)
                if not isinstance(judged, StorageBusy):
                    raise judged from error
                now = monotonic()
                began = began or now
                if now - (told or began) >= (TOLD_EVERY_S if told else TOLD_AFTER_S):
                    told = now
                    log.warning("%s; waiting for it since %.0f s", judged, now - began)
                continue
            if told:
                log.warning("the database is free again, after %.0f s", monotonic() - began)
            return found

    def fail(self, failure: StorageFailed) -> StorageFailed:
        """Remembers it: from here on everything raises it."""
        self._failure = failure
        return failure

    def _judge(self, what: str, error: sqlite3.Error) -> Exception:
        text = f"{what}: {error}"
        code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
        if code == _FULL:
            return StorageFull(text)
        if code == _BUSY:
            return StorageBusy(f"another program holds the database: {self._holder()}")
        if _GAP in text:
            return self.fail(StorageLost(f"another engine wrote to this file ({text}): see that only one has it open"))
        if code in _OURS:
            return AssertionError(text)
        if _NO_TEXT in text:
            return StorageDamaged(f"{text}. The disk or its memory is faulty: restore a backup")
        return self.fail(StorageFailed(f"{text} ({getattr(error, 'sqlite_errorname', type(error).__name__)})"))

    def _holder(self) -> str:
        # The WAL's index is what readers and writers lock; the file itself is locked while a journal mode is set.
        return holder_of([self._path.with_name(self._path.name + "-shm"), self._path])
