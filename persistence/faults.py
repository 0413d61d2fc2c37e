"""What an error of SQLite means to the engine (design §4.3)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from persistence.interface import StorageFailed, StorageFull, StoreError

_FULL = 13  # SQLITE_FULL: no room on the disk, at max_page_count, or over a quota
_OURS = {
    1,  # SQLITE_ERROR: SQL or JSON that SQLite does not understand
    18,  # SQLITE_TOOBIG: over a gigabyte in one value
    19,  # SQLITE_CONSTRAINT: a row that the schema refuses
}
"""Mistakes of our own code, with nothing stored."""


class Health:
    """Whether the store may still be used. After an I/O error nothing of it is believed any more, reads included."""

    def __init__(self) -> None:
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

    def _judge(self, what: str, error: sqlite3.Error) -> Exception:
        text = f"{what}: {error}"
        code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
        if code == _FULL:
            return StorageFull(text)
        if code in _OURS:
            return AssertionError(text)
        self._failure = StorageFailed(f"{text} ({getattr(error, 'sqlite_errorname', type(error).__name__)})")
        return self._failure
