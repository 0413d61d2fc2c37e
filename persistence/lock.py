"""The locks of an engine on its database: one engine at a time, and a second one is told which process runs."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from persistence.holders import holder_of
from persistence.interface import StoreRefused

_OPEN: Final[set[tuple[int, int]]] = set()
"""Databases that this process has open, by device and inode. To open and close one of them once more would let go of
SQLite's own locks on it."""


class EngineLock:
    """An exclusive `flock` on a file beside the database, and one on the database itself, which is the same under every name
    and cannot be removed from under it. The system lets go of both when the process ends, however it ends. The file beside it
    stays: removing it would let two processes lock two files of one name."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._path = database.with_name(database.name + ".lock")
        self._fds: list[int] = []
        self._place: tuple[int, int] | None = None

    def take(self) -> None:
        """Raises StoreRefused, naming the process, if another holds it."""
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(fd, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(fd)
            raise StoreRefused(
                f"already running, pid {holder}: it holds {self._path}. Stop it first, or give this one another database"
            ) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fds.append(fd)

    def take_file(self) -> None:
        """The database itself, which is there. SQLite's locks are of another kind and know nothing of it. Raises StoreRefused."""
        found = self._database.stat()
        place = found.st_dev, found.st_ino
        if place not in _OPEN:
            fd = os.open(self._database, os.O_RDONLY)
            self._fds.append(fd)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pass
            else:
                _OPEN.add(place)
                self._place = place
                return
        raise StoreRefused(
            f"another engine has this file open, {holder_of([self._database])}: {self._database} is a second name of its "
            f"database, or its file {self._path.name} was removed. Stop it first"
        )

    def release(self) -> None:
        """Only when SQLite has closed its connections."""
        while self._fds:
            os.close(self._fds.pop())
        if self._place is not None:
            _OPEN.discard(self._place)
            self._place = None
