"""The database's files while they are open: whether they are still those that were opened.

A file that was removed or replaced still takes writes, and nobody finds them again. Nothing may be acknowledged then.
"""

from __future__ import annotations

import os
from pathlib import Path
from time import monotonic
from typing import Final

from persistence.interface import StorageLost

AGAIN_S: Final = 0.05
"""What was looked at so recently is not looked at again by a commit: under load that is hundreds of them."""

Place = tuple[int, int]
"""Device and inode."""


class OpenFiles:
    """Of a database that is open: its file and its WAL."""

    def __init__(self, path: Path) -> None:
        self._paths = (str(path), f"{path}-wal")
        self._places = [_place(each) for each in self._paths]
        self._looked = 0.0

    def check(self) -> None:
        """Raises StorageLost. Cheap enough to be asked at every commit."""
        now = monotonic()
        if now - self._looked < AGAIN_S:
            return
        self._looked = now
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
