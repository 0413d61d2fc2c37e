"""The database's files while they are open: whether they are still those that were opened.

A file that was removed or replaced still takes writes, and nobody finds them again. Nothing may be acknowledged then.
"""

from __future__ import annotations

import os
from pathlib import Path

from persistence.interface import StorageLost

Place = tuple[int, int]
"""Device and inode."""


class OpenFiles:
    """Of a database that is open: its file and its WAL."""

    def __init__(self, path: Path) -> None:
        self._paths = (str(path), f"{path}-wal")
        self._places = [_place(each) for each in self._paths]

    def check(self) -> None:
        """Raises StorageLost. Two calls of stat, so that it may be asked at every commit."""
        for number, path in enumerate(self._paths):
            found, known = _place(path), self._places[number]
            if known is None:
                self._places[number] = found  # the WAL comes with the first commit
            elif found != known:
                raise StorageLost(
                    f"{path} was removed or replaced while it was open: what was acknowledged until then is in the file that "
                    "was taken away, and nothing was since. Put it back, or restore a backup"
                )


def _place(path: str) -> Place | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
