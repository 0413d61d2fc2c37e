"""The disk: what a flush takes, what a commit of one row takes, and how to make it slower than it is.

`python -m bench.disk DIRECTORY SECONDS` measures, in a process of its own so that it can be slowed down as a server is.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter

import msgspec

from bench.processes import lines_of

SOURCE = Path(__file__).with_name("slow_fsync.c")

_PRAGMAS = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;"
_TABLE = "CREATE TABLE journal (seq INTEGER PRIMARY KEY, at INTEGER, user TEXT, name TEXT, body TEXT) STRICT"
_ROW = (1_767_600_000_000, "u01234", "product_viewed", '{"product_id":"lamp","price":89,"category":"desk"}' * 3)


class NoCompiler(Exception):
    """There is no C compiler here, so no flush can be made slower."""


class Disk(msgspec.Struct, frozen=True, kw_only=True):
    fdatasync_us: float
    """p50 of writing 4 kB to a file and flushing it."""
    commit_us: float
    """p50 of BEGIN, INSERT of one row, COMMIT by plain sqlite3, WAL and synchronous=FULL: no thread, no loop."""


def slow_library(folder: Path) -> Path:
    """Builds the library that is preloaded. Raises NoCompiler."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise NoCompiler("no C compiler (`cc`): install one (Debian: apt-get install gcc), or set CC")
    library = folder / "slow_fsync.so"
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
    return library


def slowed(library: Path, ms: float) -> dict[str, str]:
    """The environment of a process whose flushes take so much longer."""
    return {"LD_PRELOAD": str(library), "SLOW_FSYNC_MS": str(ms)} if ms else {}


def measure(folder: Path, seconds: float, environment: Mapping[str, str]) -> Disk:
    (said,) = lines_of("bench.disk", str(folder), str(seconds), environment=environment)
    return msgspec.json.decode(said, type=Disk)


def _p50_us(work: Callable[[], object], seconds: float) -> float:
    times: list[float] = []
    end = perf_counter() + seconds
    while (started := perf_counter()) < end or len(times) < 20:
        work()
        times.append(perf_counter() - started)
    return sorted(times)[len(times) // 2] * 1e6


def _flushes(path: Path, seconds: float) -> float:
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def flush() -> None:
        os.pwrite(fd, b"\0" * 4096, 0)
        os.fdatasync(fd)

    try:
        return _p50_us(flush, seconds)
    finally:
        os.close(fd)
        path.unlink()


def _commits(path: Path, seconds: float) -> float:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(_PRAGMAS)
    connection.execute(_TABLE)

    def commit() -> None:
        connection.execute("BEGIN")
        connection.execute("INSERT INTO journal (at, user, name, body) VALUES (?, ?, ?, ?)", _ROW)
        connection.execute("COMMIT")

    try:
        return _p50_us(commit, seconds)
    finally:
        connection.close()
        for left in path.parent.glob(path.name + "*"):
            left.unlink()


def main() -> None:
    folder, seconds = Path(sys.argv[1]), float(sys.argv[2])
    disk = Disk(
        fdatasync_us=_flushes(folder / f"flush-{os.getpid()}", seconds / 3),
        commit_us=_commits(folder / f"commit-{os.getpid()}.db", seconds),
    )
    print(msgspec.json.encode(disk).decode(), flush=True)


if __name__ == "__main__":
    main()
