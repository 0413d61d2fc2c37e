"""Time never goes back, and a jump is not believed at once (reference cases 30 to 32)."""

from __future__ import annotations

import asyncio

import pytest

from engine.clock import JUMP_MS_MAX, ManualClock, SystemClock

HOUR = 3_600_000


class Machine:
    """The wall clock that anybody may set, and the steady one that nobody can."""

    def __init__(self, wall: int) -> None:
        self.wall = wall
        self.steady = 5_000

    def passes(self, ms: int) -> None:
        self.wall += ms
        self.steady += ms

    def clock(self, speed: float = 1.0, start_ms: int | None = None) -> SystemClock:
        return SystemClock(speed, start_ms, wall_ms=lambda: self.wall, steady_ms=lambda: self.steady)


def test_it_tells_the_time_of_the_machine() -> None:
    machine = Machine(1_000_000)
    clock = machine.clock()
    machine.passes(1234)
    assert clock.now_ms() == 1_001_234
    assert clock.seconds_until(1_002_234) == 1.0
    assert clock.seconds_until(0) == 0.0


def test_a_jump_back_stops_the_clock_until_it_is_made_good() -> None:
    machine = Machine(10 * HOUR)
    clock = machine.clock()
    machine.passes(1000)
    before = clock.now_ms()
    machine.wall -= HOUR
    assert clock.now_ms() == before
    machine.passes(HOUR // 2)
    assert clock.now_ms() == before
    machine.passes(HOUR // 2 + 7)
    assert clock.now_ms() == before + 7
    assert not clock.held


def test_a_jump_of_three_days_forward_is_held_and_time_goes_on_as_before() -> None:
    machine = Machine(HOUR)
    clock = machine.clock()
    machine.wall += 72 * HOUR
    machine.passes(500)
    assert clock.now_ms() == HOUR + 500
    assert clock.held
    machine.passes(500)
    assert clock.now_ms() == HOUR + 1000


def test_a_held_clock_goes_on_when_the_jump_is_taken_back() -> None:
    machine = Machine(HOUR)
    clock = machine.clock()
    machine.wall += 72 * HOUR
    machine.passes(500)
    clock.now_ms()
    machine.wall -= 72 * HOUR
    machine.passes(500)
    assert clock.now_ms() == HOUR + 1000
    assert not clock.held


def test_a_held_clock_goes_on_when_the_jump_is_confirmed() -> None:
    machine = Machine(HOUR)
    clock = machine.clock()
    machine.wall += 72 * HOUR
    assert clock.now_ms() == HOUR
    clock.confirm()
    assert not clock.held
    assert clock.now_ms() == 73 * HOUR
    machine.passes(10)
    assert clock.now_ms() == 73 * HOUR + 10
    assert not clock.held


def test_a_jump_of_an_hour_is_believed() -> None:
    machine = Machine(HOUR)
    clock = machine.clock()
    machine.wall += JUMP_MS_MAX
    assert clock.now_ms() == HOUR + JUMP_MS_MAX
    assert not clock.held


def test_a_clock_of_1970_waits_at_the_journals_last_stamp_and_believes_the_correction() -> None:
    machine = Machine(30_000)
    clock = machine.clock()
    clock.not_before(1000 * HOUR)
    assert clock.now_ms() == 1000 * HOUR
    machine.passes(30_000)
    assert clock.now_ms() == 1000 * HOUR
    machine.wall = 1024 * HOUR
    assert clock.now_ms() == 1024 * HOUR
    assert not clock.held


def test_it_starts_no_earlier_than_it_is_told() -> None:
    machine = Machine(HOUR)
    assert machine.clock(start_ms=2 * HOUR).now_ms() == 2 * HOUR


def test_sixty_times_as_fast_is_a_minute_a_second() -> None:
    machine = Machine(HOUR)
    clock = machine.clock(speed=60)
    machine.passes(1000)
    assert clock.now_ms() == HOUR + 60_000
    assert clock.seconds_until(HOUR + 120_000) == 1.0
    clock.not_before(5 * HOUR)
    machine.passes(1000)
    assert clock.now_ms() == 5 * HOUR + 60_000


def test_a_speed_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 0"):
        SystemClock(0)


@pytest.mark.anyio
async def test_sleeping_ends_at_its_time() -> None:
    clock = SystemClock()
    wake = asyncio.Event()
    until = clock.now_ms() + 5
    while clock.now_ms() < until:
        await asyncio.wait_for(clock.sleep_until(until, wake), 5)
    assert not wake.is_set()


@pytest.mark.anyio
async def test_sleeping_ends_when_it_is_woken() -> None:
    for clock in (SystemClock(), ManualClock(0)):
        wake = asyncio.Event()
        sleep = asyncio.ensure_future(clock.sleep_until(None, wake))
        await asyncio.sleep(0)
        wake.set()
        await asyncio.wait_for(sleep, 5)
        assert not wake.is_set()


@pytest.mark.anyio
async def test_a_manual_clock_wakes_whoever_has_slept_long_enough() -> None:
    clock = ManualClock(100)
    early, late = asyncio.Event(), asyncio.Event()
    first = asyncio.ensure_future(clock.sleep_until(150, early))
    second = asyncio.ensure_future(clock.sleep_until(200, late))
    await asyncio.sleep(0)
    clock.advance(50)
    await asyncio.wait_for(first, 5)
    assert not second.done()
    clock.advance(50)
    await asyncio.wait_for(second, 5)


def test_a_manual_clock_does_not_go_back() -> None:
    clock = ManualClock(100)
    with pytest.raises(ValueError, match="cannot go back"):
        clock.move_to(99)
