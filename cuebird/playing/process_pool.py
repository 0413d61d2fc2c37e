"""Work that falls into parts, each in a process of its own: on as many cores as there are.

A process begins as a copy of this one (fork), so nothing has to be sent to it; what it tells comes back through a pipe.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

Parts = Callable[[int], Iterable[Any]]
"""Does the part with that number, and gives what comes of it as it comes, in as many words as it likes."""


class PartFailed(Exception):
    """A process ended before its part was done; what went wrong stands on stderr."""


class _Done:
    """The last word of a part."""


def cores() -> int:
    """How many processes of this machine's can work at once for us; 1 where a process cannot be copied."""
    if "fork" not in multiprocessing.get_all_start_methods():
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def in_processes(work: Parts, parts: int) -> Iterator[list[Iterator[Any]]]:
    """What each part tells, in its order, as it comes; an iterator raises PartFailed if its process ends too soon. Who
    leaves before the end ends the processes. One part alone is done here, as its iterator is asked."""
    if parts == 1:
        yield [iter(work(0))]
        return
    processes, ways = [], []
    context = multiprocessing.get_context("fork")
    gc.freeze()  # the collector would write to every page that the copies share
    try:
        for part in range(parts):
            way, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_there, args=(work, part, theirs), daemon=True)
            process.start()
            theirs.close()
            processes.append(process)
            ways.append(way)
        yield [_told(way) for way in ways]
    finally:
        gc.unfreeze()
        for way in ways:
            way.close()
        for process in processes:
            process.terminate()
            process.join()


def _there(work: Parts, part: int, way: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # who interrupts the command wants no second traceback of each part
    try:
        for word in work(part):
            way.send(word)
        way.send(_Done)
    except BrokenPipeError:
        pass  # nobody listens any more


def _told(way: Connection) -> Iterator[Any]:
    while True:
        try:
            word = way.recv()
        except EOFError:
            raise PartFailed("a process that worked for this one ended before it was done") from None
        if word is _Done:
            return
        yield word
