"""Processes of the bench: each on its own core, each ended by whoever started it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

ROOT: Final = Path(__file__).parent.parent
END_SECONDS_MAX: Final = 30.0

_TICKS: Final = os.sysconf("SC_CLK_TCK")


class ChildFailed(Exception):
    """A process of the bench ended, or said nothing in time. The text holds its last words."""


def pin(which: int) -> None:
    """This process on one core: the first of those it may use, or the second if there is one."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[min(which, len(cores) - 1)]})


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far, all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


class Child:
    """`python -m MODULE ARGUMENTS`, spoken with in lines."""

    def __init__(self, module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        self._name = " ".join((module, *arguments[:1]))
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.end()

    def say(self, line: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ChildFailed(f"{self._name} has ended with {self._process.wait()}") from None

    def line(self, seconds_max: float = 120.0) -> bytes:
        """Its next line. Raises ChildFailed."""
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], seconds_max)
        if not ready:
            raise ChildFailed(f"{self._name} said nothing for {seconds_max:.0f} s")
        said = self._process.stdout.readline()
        if not said:
            raise ChildFailed(f"{self._name} ended with {self._process.wait()}; its error is above")
        return said

    def sample(self) -> None:
        """A server begins to look where its time goes."""
        self._process.send_signal(signal.SIGUSR1)

    def end(self) -> None:
        """As an operator would: SIGTERM, and time to leave in good order."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(END_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def lines_of(module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Sequence[bytes]:
    """What it says until it ends by itself. Raises ChildFailed."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        raise ChildFailed(f"{module} {' '.join(arguments[:1])} ended with {done.returncode}; its error is above")
    return done.stdout.splitlines()
