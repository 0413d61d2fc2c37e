"""The dashboard's numbers, and handing them to those who watch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

import pytest

from analytics.statistics import HISTORY_SECONDS, Rate
from analytics.ticker import Ticker


def test_the_rate_is_events_by_real_seconds() -> None:
    rate = Rate()
    for seconds, count in [(10.0, 100), (11.0, 150), (13.0, 250)]:
        rate.read(seconds, count)
    assert rate.history() == [50, 50]
    assert rate.current() == 50


def test_two_dashboards_that_look_at_once_do_not_disturb_the_rate() -> None:
    rate = Rate()
    for seconds, count in [(0.0, 0), (1.0, 10), (1.01, 10), (2.0, 20)]:
        rate.read(seconds, count)
    assert rate.history() == [10, 10]


def test_the_history_is_two_minutes_at_most() -> None:
    rate = Rate()
    for second in range(HISTORY_SECONDS * 2):
        rate.read(float(second), second)
    assert len(rate.history()) == HISTORY_SECONDS


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
