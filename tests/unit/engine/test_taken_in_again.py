"""What comes for a held user while an operator takes the user in again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actors.model.program import Program
from engine.quarantine import FAULTS_MAX
from tests.unit.engine.town import Town, event

pytestmark = pytest.mark.anyio


async def test_what_comes_while_a_user_is_read_from_the_disk_waits_behind_what_was_in_quarantine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(*_: Any) -> Program:
        raise KeyError("a bug")

    async with Town() as town:
        await town.take(event("ann", message_id="first"))
        with monkeypatch.context() as patched:
            for place in ("engine.intake.take", "engine.slow_path.take"):
                patched.setattr(place, fails)
            for number in range(FAULTS_MAX):
                await town.take(event("ann", message_id=f"kept{number}"))
        assert town.engine.statistics().held_users == 1
        await town.engine.written()
        asked, go_on, load = asyncio.Event(), asyncio.Event(), town.disk.load

        async def slow(users: list[str]) -> Any:
            asked.set()
            await go_on.wait()
            return await load(users)

        town.disk.load = slow
        retried = asyncio.ensure_future(town.engine.release.retry("ann"))
        await asked.wait()
        newer = town.submit(event("ann", message_id="newer"))
        go_on.set()
        assert (await retried).taken == FAULTS_MAX
        assert (await newer).accepted == 1
        ids = [entry.event.message_id for entry in await town.journal()]
        assert ids == ["first", *(f"kept{number}" for number in range(FAULTS_MAX)), "newer"]
