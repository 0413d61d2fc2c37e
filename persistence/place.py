"""Where a database lives: a small file beside it by which a copy is told from the original.

A copy knows what its original knew, and not what the original has sent since. So it is not to send before an operator has
looked at it. `NAME.place` holds an id that the database holds too, the inode of `NAME.place` itself, and the machine:

| | id | inode | machine | |
|---|---|---|---|---|
| the directory or the file is renamed, the volume is mounted again | same | same | same | the original |
| the database is copied without the file beside it | none, or another | | | a copy |
| the directory is copied, or moved to another file system | same | another | | a copy: the two look alike |
| the volume, or a snapshot of it, is mounted on another machine | same | same | another | a copy |

In a container the machine is not known: its id is the image's, or made anew at each start. What is rolled back in its place
together with the file (a snapshot of the volume) cannot be noticed at all.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path
from typing import Final

import msgspec

_MACHINE_ID: Final = Path("/etc/machine-id")
_OF_CONTAINERS: Final = (Path("/.dockerenv"), Path("/run/.containerenv"), Path("/run/secrets/kubernetes.io"))


class _Written(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    inode: int
    machine: str


class DatabasePlace:
    """Of a database. `machine`: what the machine is called, "" if nobody knows."""

    def __init__(self, database: Path, machine: str | None = None) -> None:
        self._path = database.with_name(database.name + ".place")
        self._machine = _machine() if machine is None else machine

    def difference(self, known: str) -> str:
        """Why this is not where the database `known` was, in one line; "" if it is, or the database knows no place."""
        if not known:
            return ""
        try:
            written = msgspec.json.decode(self._path.read_bytes(), type=_Written)
        except (FileNotFoundError, msgspec.MsgspecError):
            return f"the database was copied here: {self._path.name}, which tells it from a copy, is not beside it"
        if written.id != known:
            return "another database was here before: this one was copied into its place"
        if written.inode != self._path.stat().st_ino:
            return "its directory was copied, or moved to another file system"
        if written.machine and self._machine and written.machine != self._machine:
            return "it was on another machine before"
        return ""

    def write(self, identity: str) -> None:
        """It is here from now on. On disk when this returns."""
        half = self._path.with_name(self._path.name + ".new")
        half.unlink(missing_ok=True)
        descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            inode = os.fstat(descriptor).st_ino
            file.write(msgspec.json.encode(_Written(id=identity, inode=inode, machine=self._machine)))
            file.flush()
            os.fsync(descriptor)
        half.replace(self._path)
        sync_directory(self._path.parent)


def new_place() -> str:
    return secrets.token_hex(16)


def sync_directory(directory: Path) -> None:
    """Names that were made, changed or removed in it are on disk."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _machine() -> str:
    """Not the id itself, which is nobody's business (machine-id(5))."""
    if any(path.exists() for path in _OF_CONTAINERS):
        return ""
    try:
        found = _MACHINE_ID.read_text().strip()
    except OSError:
        return ""
    return hashlib.sha256(f"cuebird {found}".encode()).hexdigest()[:32] if found else ""
