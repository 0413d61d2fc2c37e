"""Every keeper of the store's contract, opened and ready. Each test of this folder that takes `keeper` runs over all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from persistence.interface import JournalHead, Store
from persistence.memory import MemoryStore
from persistence.sqlite import SqliteStore


class Keeper:
    """A store and how to start it anew on what it kept."""

    def __init__(self, kind: str, path: Path) -> None:
        self._kind = kind
        self._path = path
        self.store: Store = self._make()

    def _make(self) -> Store:
        if self._kind == "memory":
            return MemoryStore()
        return SqliteStore(self._path, index_users=self._kind == "sqlite, users indexed")

    async def reopen(self) -> JournalHead:
        await self.store.close()
        if self._kind != "memory":
            self.store = self._make()
        return await self.store.open()


@pytest.fixture(params=["memory", "sqlite", "sqlite, users indexed"])
async def keeper(request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str) -> AsyncIterator[Keeper]:
    keeper = Keeper(request.param, tmp_path / "cuebird.db")
    await keeper.store.open()
    yield keeper
    await keeper.store.close()
