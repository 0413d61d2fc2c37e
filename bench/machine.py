"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import sqlite3
from importlib.metadata import version
from pathlib import Path

import msgspec


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    processor: str
    cores: int
    load: float
    """Average of the last minute when it was asked: the bench itself makes it two or so."""
    python: str
    sqlite: str
    libraries: dict[str, str]
    fdatasync_us: dict[str, float]
    """p50, by disk as in the table."""


def load_average() -> float:
    return os.getloadavg()[0]


def machine(load: float, fdatasync_us: dict[str, float]) -> Machine:
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        load=load,
        python=platform.python_version(),
        sqlite=sqlite3.sqlite_version,
        libraries={name: version(name) for name in ("msgspec", "starlette", "uvicorn", "uvloop", "websockets")},
        fdatasync_us=fdatasync_us,
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
