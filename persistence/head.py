"""The head mark: a small file beside the database that says how far the journal and the outbox had come.

It is written after a commit and never synced: it survives the process's end, and after a power cut it may be older
than the database, which says nothing, or half of two marks, which its checksum shows. Newer than the database it is only if
something of the database was lost: its WAL, or all of it, for an older copy.
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

    def open(self, seq: int, moves: int, *, accept_loss: bool) -> str:
        """Of a database whose journal ends at `seq` and whose outbox has moved so often. Returns why it is older than what
        was here, "" if it is not. Raises StoreRefused if the journal went further, unless that is accepted."""
        marked, marked_moves = self._marked()
        if marked > seq and not accept_loss:
            raise StoreRefused(
                f"the journal ends at entry {seq}, and it was at {marked}: the last {marked - seq} entries are lost. Put {self._wal} "
                "back if it was removed; if this is a backup that was copied here, or it cannot be helped, "
                "`cuebird serve --accept-loss` goes on without them, with nothing sent before `cuebird outbox release`"
            )
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        self.write(seq, moves)
        if marked > seq:
            return f"it is older than what was here: the last {marked - seq} entries of the journal are lost"
        return "it is older than what was here: messages had gone out since" if marked_moves > moves else ""

    def write(self, seq: int, moves: int) -> None:
        """Where both end, on the disk as far as the database is concerned."""
        assert self._fd is not None
        os.pwrite(self._fd, mark_of(seq, moves), 0)

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _marked(self) -> tuple[int, int]:
        """0 if there is no mark, or none that can be read: it was never synced. An older version wrote the first alone."""
        try:
            text = self._path.read_bytes()
        except FileNotFoundError:
            return 0, 0
        numbers, _, _ = text.rpartition(b" ")
        found = numbers.split(b" ")
        if text != _sealed(numbers) or len(found) > 2 or not all(number.isdigit() for number in found):
            return 0, 0
        return int(found[0]), int(found[1]) if len(found) == 2 else 0


def mark_of(seq: int, moves: int) -> bytes:
    """Of one length for every position, so that a mark is written over the one before it."""
    return _sealed(b"%0*d %0*d" % (DIGITS, seq, DIGITS, moves))


def _sealed(numbers: bytes) -> bytes:
    return b"%s %08x\n" % (numbers, crc32(numbers))
