"""Where the time of a server's main thread goes, without making it much slower: a look at its stack 500 times for each
second of processor time, weighted by the processor time since the last look."""

from __future__ import annotations

import signal
import time
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Final

import msgspec

from bench.processes import ROOT

LOOK_SECONDS: Final = 0.002


class Line(msgspec.Struct, frozen=True):
    """One function: its share of the process's time, by itself and with what it called. C code that it calls by itself
    (msgspec, json, system calls of the loop) counts as its own."""

    function: str
    own: float
    total: float


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    seconds: float
    """Of processor time, all threads."""
    other_threads: float
    """Share of the threads that are not the loop's: SQLite's."""
    folders: dict[str, float]
    """Own time by folder or package."""
    lines: list[Line]


class Sampler:
    """Of the thread that starts it, which has to be the main one."""

    def __init__(self) -> None:
        self._own: Counter[str] = Counter()
        self._total: Counter[str] = Counter()
        self._folders: Counter[str] = Counter()
        self._names: dict[object, tuple[str, str]] = {}
        self._last = self._began = self._began_all = 0.0

    def start(self) -> None:
        self._last = self._began = time.thread_time()
        self._began_all = time.process_time()
        signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, LOOK_SECONDS, LOOK_SECONDS)

    def stop(self) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)

    def _look(self, number: int, frame: FrameType | None) -> None:
        now = time.thread_time()
        weight, self._last = now - self._last, now
        seen = set()
        leaf = True
        while frame is not None:
            function, folder = self._name(frame)
            if leaf:
                self._own[function] += weight  # type: ignore[assignment]  # a Counter of seconds
                self._folders[folder] += weight  # type: ignore[assignment]
                leaf = False
            if function not in seen:
                seen.add(function)
                self._total[function] += weight  # type: ignore[assignment]
            frame = frame.f_back

    def _name(self, frame: FrameType) -> tuple[str, str]:
        code = frame.f_code
        found = self._names.get(code)
        if found is None:
            path = Path(code.co_filename)
            if path.is_relative_to(ROOT) and "site-packages" not in path.parts:
                file = path.relative_to(ROOT).as_posix()
                folder = file.split("/")[0]
            else:
                parts = path.parts
                after = parts.index("site-packages") + 1 if "site-packages" in parts else len(parts) - 2
                file, folder = "/".join(parts[after:]), parts[after].removesuffix(".py")
            found = self._names[code] = (f"{file}:{code.co_firstlineno} {code.co_qualname}", folder)
        return found

    def report(self, lines: int = 30) -> bytes:
        everything = max(time.process_time() - self._began_all, 1e-9)
        mine = time.thread_time() - self._began
        return msgspec.json.encode(
            Profile(
                seconds=everything,
                other_threads=(everything - mine) / everything,
                folders={name: spent / everything for name, spent in self._folders.most_common(12)},
                lines=[
                    Line(name, spent / everything, self._total[name] / everything)
                    for name, spent in self._own.most_common(lines)
                ],
            )
        )
