"""A progress bar for work that takes longer than a second: on stderr, and only where a person looks at it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

from rich.console import Console
from rich.progress import Progress

DELAY_S: Final = 1.0
LOOK_EVERY: Final = 256
"""Items between two looks at the clock."""

T = TypeVar("T")


def progressing(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """The items, as they are; the bar shows how many have been taken."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield from items
        return
    started = time.monotonic()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(what, total=total, visible=False)
        for count, item in enumerate(items):
            if count % LOOK_EVERY == 0:
                progress.update(task, completed=count, visible=time.monotonic() - started > DELAY_S)
            yield item
