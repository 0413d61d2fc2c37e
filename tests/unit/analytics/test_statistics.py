"""The dashboard's numbers, and handing them to those who watch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

import pytest

from analytics.pace import SECONDS, Pace
from analytics.ticker import Ticker


def test_the_line_of_two_minutes_is_there_before_anybody_looked() -> None:
    pace = Pace()
    for at, events in [(1_000_000, 3), (1_000_900, 2), (1_003_000, 7)]:
        pace.take(at, events)
    assert pace.history(1_005_000)[-5:] == [5, 0, 0, 7, 0]
    assert len(pace.history(1_005_000)) == SECONDS
    assert pace.current(1_005_000) == 12 / 5
    assert pace.history(1_005_000 + SECONDS * 1000) == [0] * SECONDS


def test_the_pace_of_a_fast_clock_is_by_seconds_of_the_wall() -> None:
    pace = Pace(speed=60)
    for minute in range(10):
        pace.take(minute * 60_000, 4)
    assert pace.current(600_000) == 4


def test_the_second_that_is_not_over_is_not_counted_yet() -> None:
    pace = Pace()
    pace.take(10_500, 9)
    assert pace.history(10_900)[-1] == 0
    assert pace.history(11_000)[-1] == 9


def test_the_pace_forgets_what_is_older() -> None:
    pace = Pace()
    for second in range(SECONDS * 3):
        pace.take(second * 1000, second)
    assert pace.history(SECONDS * 3000) == list(range(SECONDS * 2, SECONDS * 3))


class Made:
    """Numbers from 1, made on demand."""

    def __init__(self, fails_at: int = 0) -> None:
        self.count = 0
        self._fails_at = fails_at

    async def __call__(self) -> bytes:
        self.count += 1
        if self.count == self._fails_at:
            raise RuntimeError("the store is gone")
        return str(self.count).encode()


def watching(ticker: Ticker) -> AsyncGenerator[bytes, None]:
    return cast("AsyncGenerator[bytes, None]", ticker.watch())


@pytest.mark.anyio
async def test_one_value_is_made_for_all_who_watch_and_none_when_nobody_does() -> None:
    make = Made()
    ticker = Ticker(make, period_s=0.001)
    async with aclosing(watching(ticker)) as first, aclosing(watching(ticker)) as second:
        one, other = asyncio.ensure_future(anext(first)), asyncio.ensure_future(anext(second))
        assert [await one, await other] == [b"1", b"1"]
        assert await anext(first) == b"2"
    task = ticker._task
    assert task is not None
    await asyncio.wait_for(task, 5)
    made = make.count
    async with aclosing(watching(ticker)) as late:
        assert await anext(late) == str(made + 1).encode()
    ticker.end()


@pytest.mark.anyio
async def test_a_slow_watcher_gets_the_newest_value() -> None:
    make = Made()
    ticker = Ticker(make, period_s=0.001)
    async with aclosing(watching(ticker)) as slow, aclosing(watching(ticker)) as fast:
        assert await anext(slow) == b"1"
        while int(await anext(fast)) < 5:
            pass
        assert int(await anext(slow)) >= 5
    ticker.end()


@pytest.mark.anyio
async def test_watchers_are_counted_and_closing_ends_them() -> None:
    ticker = Ticker(Made(), period_s=60, watchers_max=1)
    async with aclosing(watching(ticker)) as watcher:
        assert await anext(watcher) == b"1"
        assert ticker.full
        waiting = asyncio.ensure_future(anext(watcher, None))
        await asyncio.sleep(0)
        ticker.end()
        assert await asyncio.wait_for(waiting, 5) is None
    assert not ticker.full


@pytest.mark.anyio
async def test_watchers_are_let_go_when_no_value_can_be_made() -> None:
    ticker = Ticker(Made(fails_at=2), period_s=0.001)
    async with aclosing(watching(ticker)) as watcher:
        seen = await asyncio.wait_for(_all(watcher), 5)
    assert seen == [b"1"]
    with pytest.raises(RuntimeError, match="store is gone"):
        await cast("asyncio.Task[None]", ticker._task)


async def _all(watcher: AsyncGenerator[bytes, None]) -> list[bytes]:
    return [value async for value in watcher]
