"""A store that also tells of each commit, once it is on disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from persistence.interface import Commit, Store


class _Watched:
    def __init__(self, store: Store, watch: Callable[[Commit], None]) -> None:
        self._store = store
        self._watch = watch

    async def commit(self, commit: Commit) -> None:
        await self._store.commit(commit)
        self._watch(commit)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def watched(store: Store, watch: Callable[[Commit], None]) -> Store:
    """The same store; `watch` is called with every commit that returned, in their order. It must not fail."""
    return cast("Store", _Watched(store, watch))
