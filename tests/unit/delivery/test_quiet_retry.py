"""A mail that was decided in time and delayed into quiet hours waits for their end: it is not lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from delivery.dispatcher import QUIET_LOOK_MS
from tests.unit.delivery.making import a_send
from tests.unit.delivery.scripted import Scripted
from tests.unit.delivery.world import running

pytestmark = pytest.mark.anyio


async def test_a_retry_that_falls_into_quiet_hours_goes_out_after_them(tmp_path: Path) -> None:
    async with Scripted({"rcpt": ["451 4.7.1 greylisted"]}) as server, running(tmp_path, server.port) as world:
        await world.decide(a_send())
        await world.state(a_send(), "retry")
        world.reasons[a_send().id] = "quiet_hours"
        world.clock.advance(2 * 60_000)
        row = await world.state(a_send(), "retry", reply="quiet_hours")
        assert row.due >= world.clock.now_ms() + QUIET_LOOK_MS
        del world.reasons[a_send().id]
        world.clock.advance(QUIET_LOOK_MS)
        await world.state(a_send(), "sent")
