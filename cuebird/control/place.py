"""Where the socket is: a file beside the database, made by the engine that holds the database's lock."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

MODE: Final = 0o600
"""As the database: who may write it may talk to its engine."""

ADDRESS_BYTES_MAX: Final = 107
"""A socket's address has room for so many bytes of a path (`sun_path` of unix(7), less the zero at its end)."""

BACKLOG: Final = 64


def socket_of(database: Path) -> Path:
    return database.with_name(database.name + ".sock")


@contextmanager
def address_of(database: Path) -> Iterator[str]:
    """Give the name under which the socket is bound or connected to. Where its path is too long for an address, it is named
    by way of its open directory. Raises OSError if it cannot be named that way either."""
    path = socket_of(database)
    if len(os.fsencode(path)) <= ADDRESS_BYTES_MAX:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        short = f"/proc/self/fd/{folder}/{path.name}"
        if len(os.fsencode(short)) > ADDRESS_BYTES_MAX or not os.path.isdir("/proc/self/fd"):
            raise OSError(
                errno.ENAMETOOLONG,
                f"a socket's path has at most {ADDRESS_BYTES_MAX} bytes: give the database a shorter name, with `path` under "
                "[store]",
                str(path),
            )
        yield short
    finally:
        os.close(folder)


def listen(database: Path) -> socket.socket:
    """Make the socket, in the place of one that a killed process left. Whoever calls it holds the database's lock, so nobody
    listens on the one before. Raises OSError."""
    path = socket_of(database)
    _remove_stale(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with address_of(database) as address:
            listening.bind(address)
        path.chmod(MODE)  # nobody can have connected: it does not listen yet
        listening.listen(BACKLOG)
    except BaseException:
        listening.close()
        raise
    return listening


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(errno.EEXIST, "there is something else, which is no socket: move it away", str(path))
    path.unlink()


def inode_of(path: Path) -> tuple[int, int] | None:
    """Return which file is there, None if there is none."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
