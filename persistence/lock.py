"""The lock file beside the database: one engine at a time, and a second one is told which process holds it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from persistence.interface import StoreRefused


class EngineLock:
    """An exclusive `flock`, which the system lets go when the process ends, however it ends. The file stays: removing
    it would let two processes lock two files of one name."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".lock")
        self._fd: int | None = None

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
        self._fd = fd

    def release(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
