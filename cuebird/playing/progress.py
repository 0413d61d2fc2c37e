"""A progress bar for work that takes longer than a second: on stderr, and only where a person looks at it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Final, Self, TypeVar

from rich.console import Console
from rich.progress import Progress

DELAY_S: Final = 1.0
LOOK_EVERY: Final = 256
"""Items between two looks at the clock."""

T = TypeVar("T")


class Bar:
    """Shows how much of `total` has been done, between `with` and its end."""

    def __init__(self, what: str, total: int | None = None) -> None:
        self._what = what
        self._total = total
        self._done = 0
        self._shown: Progress | None = None

    def __enter__(self) -> Self:
        console = Console(stderr=True)
        if console.is_terminal:
            self._started = time.monotonic()
            self._shown = Progress(console=console, transient=True)
            self._task = self._shown.add_task(self._what, total=self._total, visible=False)
            self._shown.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown is not None:
            self._shown.stop()

    def step(self, more: int) -> None:
        self.reach(self._done + more, self._total)

    def reach(self, done: int, total: int | None) -> None:
        """So much is done now, of so much."""
        self._done = done
        if self._shown is not None:
            visible = time.monotonic() - self._started > DELAY_S
            self._shown.update(self._task, completed=done, total=total, visible=visible)


def progressing(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """The items, as they are; the bar shows how many have been taken."""
    with Bar(what, total) as bar:
        for count, item in enumerate(items):
            if count % LOOK_EVERY == 0:
                bar.reach(count, total)
            yield item
