"""The head mark: a small file beside the database that says how far the journal had come.

It is written after every commit and never synced: it survives the process's end, and after a power cut it may be older
than the database, which says nothing, or half of two marks, which its checksum shows. Newer than the database it is only
if something of the database was lost: its WAL, or all of it, for an older copy.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final
from zlib import crc32

from persistence.interface import StoreRefused

DIGITS: Final = 20


class HeadMark:
    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".head")
        self._wal = database.with_name(database.name + "-wal")
        self._fd: int | None = None

    def open(self, seq: int, *, accept_loss: bool) -> None:
        """Of a database whose journal ends at `seq`. Raises StoreRefused if it went further, unless that is accepted."""
        marked = self._marked()
        if marked > seq and not accept_loss:
            raise StoreRefused(
                f"the journal ends at entry {seq}, and it was at {marked}: the last {marked - seq} entries are lost. Put {self._wal} "
                "back if it was removed; if this is a backup that was restored, or it cannot be helped, "
                "`cuebird serve --accept-loss` goes on without them"
            )
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        self.write(seq)

    def write(self, seq: int) -> None:
        """The journal's end, on the disk as far as the database is concerned."""
        assert self._fd is not None
        os.pwrite(self._fd, mark_of(seq), 0)

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _marked(self) -> int:
        """0 if there is no mark, or none that can be read: it was never synced."""
        try:
            text = self._path.read_bytes()
        except FileNotFoundError:
            return 0
        digits = text[:DIGITS]
        return int(digits) if digits.isdigit() and text == mark_of(int(digits)) else 0


def mark_of(seq: int) -> bytes:
    """Of one length for every position, so that a mark is written over the one before it."""
    digits = b"%0*d" % (DIGITS, seq)
    return b"%s %08x\n" % (digits, crc32(digits))
