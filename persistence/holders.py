"""Which process holds a lock on a file: for the operator, who has to end it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

UNKNOWN: Final = "a process that cannot be seen from here"

_LOCKS: Final = Path("/proc/locks")


def holder_of(paths: Iterable[Path]) -> str:
    """`process 123 (sqlite3)`: the first other process that has one of the files locked for writing, as Linux tells it.

    No file is opened: closing it would let go of SQLite's own locks.
    """
    inodes = {str(path.stat().st_ino) for path in paths if path.exists()}
    try:
        lines = _LOCKS.read_text().splitlines()
    except OSError:
        return UNKNOWN
    for line in lines:
        # 1: POSIX  ADVISORY  WRITE 3568 fd:00:2531452 120 120
        parts = line.split()
        if len(parts) < 6 or parts[3] != "WRITE" or parts[5].rpartition(":")[2] not in inodes:
            continue
        if parts[4].isdigit() and int(parts[4]) not in (0, os.getpid()):
            return f"process {parts[4]}{_name_of(parts[4])}"
    return UNKNOWN


def _name_of(pid: str) -> str:
    try:
        return f" ({Path('/proc', pid, 'comm').read_text().strip()})"
    except OSError:
        return ""
