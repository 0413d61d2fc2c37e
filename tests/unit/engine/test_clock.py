"""Time never goes back, and a jump is not believed at once (reference cases 30 to 32)."""

from __future__ import annotations

import asyncio
import random

import pytest

from engine.clock import BELIEVED_AFTER_MS, JUMP_MS_MAX, START_GAP_MS_MAX, ManualClock, SystemClock

HOUR = 3_600_000


class Machine:
    """The wall clock that anybody may set, and the steady one that nobody can."""

    def __init__(self, wall: int) -> None:
        self.wall = wall
        self.steady = 5_000
        self.synchronised = False

    def passes(self, ms: int) -> None:
        self.wall += ms
        self.steady += ms

    def clock(self, speed: float = 1.0, start_ms: int | None = None) -> SystemClock:
        return SystemClock(
            speed,
            start_ms,
            wall_ms=lambda: self.wall,
            steady_ms=lambda: self.steady,
            synchronised=lambda: self.synchronised,
        )


def test_it_tells_the_time_of_the_machine() -> None:
    machine = Machine(1_000_000)
    clock = machine.clock()
    machine.passes(1234)
    assert clock.now_ms() == 1_001_234
    assert clock.seconds_until(1_002_234) == 1.0
    assert clock.seconds_until(0) == 0.0


def test_after_a_jump_back_time_goes_on_a_tenth_slower_until_the_machine_has_caught_up() -> None:
    machine = Machine(10 * HOUR)
    clock = machine.clock()
    machine.passes(1000)
    before = clock.now_ms()
    machine.wall -= 2 * HOUR
    assert clock.now_ms() == before
    machine.passes(2000)
    assert clock.now_ms() == before + 1800
    assert clock.offset_ms == -2 * HOUR + 200
    assert not clock.held
    for _ in range(19 * 60):
        assert clock.offset_ms < 0
        machine.passes(HOUR // 60)
        assert clock.now_ms() > machine.wall
    machine.passes(HOUR)
    assert clock.now_ms() == machine.wall
    machine.passes(HOUR)
    assert clock.now_ms() == machine.wall
    assert clock.offset_ms == 0


def test_behind_as_well_a_millisecond_is_no_less_for_being_looked_at_often() -> None:
    machine = Machine(10 * HOUR)
    clock = machine.clock()
    machine.wall -= HOUR
    before = clock.now_ms()
    for _ in range(1000):
        machine.passes(1)
        clock.now_ms()
    assert clock.now_ms() == before + 900


def test_whatever_the_machines_clock_does_time_never_goes_back_nor_stands_still() -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    random_ = random.Random(seed)
    for _ in range(200):
        machine = Machine(random_.randrange(10_000 * HOUR))
        machine.synchronised = random_.random() < 0.2
        clock = machine.clock()
        journal = random_.choice((0, machine.wall, random_.randrange(10_000 * HOUR)))
        clock.resume(journal)
        last = clock.now_ms()
        assert last >= journal
        for _ in range(40):
            machine.passes(passed := random_.choice((1, 10, 1000, HOUR // 2)))
            machine.wall = max(
                0, machine.wall + random_.choice((0, 0, 0, 1, -1, HOUR, 90 * HOUR)) * random_.choice((1, -1))
            )
            if random_.random() < 0.05:
                clock.confirm()
            now = clock.now_ms()
            assert now - last >= passed * 9 // 10 - 1 or now == machine.wall
            assert now >= last
            last = now


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


def test_a_clock_of_1970_goes_on_from_the_journals_last_stamp_and_believes_the_correction() -> None:
    machine = Machine(30_000)
    clock = machine.clock()
    clock.resume(1000 * HOUR)
    assert clock.now_ms() == 1000 * HOUR
    machine.passes(30_000)
    assert clock.now_ms() == 1000 * HOUR + 27_000
    assert clock.offset_ms == 60_000 - 1000 * HOUR - 27_000
    machine.wall = 1024 * HOUR
    assert clock.now_ms() == 1024 * HOUR
    assert clock.offset_ms == 0
    assert not clock.held


def test_a_jump_of_days_is_held_also_while_the_machine_is_a_little_behind() -> None:
    machine = Machine(HOUR)
    clock = machine.clock()
    machine.wall -= 50
    clock.now_ms()
    machine.wall += 72 * HOUR
    machine.passes(10)
    assert clock.now_ms() < HOUR + 100
    assert clock.held


def test_a_start_days_after_the_journals_end_is_held_there_and_believed_after_ten_minutes() -> None:
    machine = Machine(196 * HOUR)
    clock = machine.clock()
    clock.resume(100 * HOUR)
    assert clock.now_ms() == 100 * HOUR
    assert (clock.held, clock.offset_ms) == (True, 96 * HOUR)
    machine.passes(BELIEVED_AFTER_MS - 1)
    assert clock.now_ms() == 100 * HOUR + BELIEVED_AFTER_MS - 1
    machine.passes(1)
    assert clock.now_ms() == machine.wall
    assert (clock.held, clock.offset_ms) == (False, 0)


def test_a_start_with_a_wrong_clock_that_is_set_right_has_made_nothing_due() -> None:
    machine = Machine(196 * HOUR)
    clock = machine.clock()
    clock.resume(100 * HOUR)
    machine.passes(60_000)
    clock.now_ms()
    machine.wall -= 96 * HOUR
    machine.passes(1000)
    assert clock.now_ms() == 100 * HOUR + 61_000
    assert not clock.held


def test_a_start_after_a_weekend_is_believed_if_the_kernel_says_that_its_clock_is_in_step() -> None:
    machine = Machine(196 * HOUR)
    machine.synchronised = True
    clock = machine.clock()
    clock.resume(100 * HOUR)
    assert clock.now_ms() == 196 * HOUR
    assert not clock.held


def test_a_held_start_is_believed_as_soon_as_the_kernel_says_that_its_clock_is_in_step() -> None:
    machine = Machine(196 * HOUR)
    clock = machine.clock()
    clock.resume(100 * HOUR)
    machine.passes(1000)
    assert clock.held
    machine.synchronised = True
    assert clock.now_ms() == machine.wall
    machine.wall += 72 * HOUR
    clock.now_ms()
    assert clock.held, "a jump while it runs is another matter"


def test_a_night_without_an_event_and_a_first_start_are_nothing_to_doubt() -> None:
    machine = Machine(1000 * HOUR)
    for journal in (0, 1000 * HOUR - START_GAP_MS_MAX):
        clock = machine.clock()
        clock.resume(journal)
        assert clock.now_ms() == 1000 * HOUR
        assert not clock.held


def test_each_change_is_one_line_of_the_log_with_its_amount(caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine(100 * HOUR)
    clock = machine.clock()
    for step in (0, 72 * HOUR, 0, -72 * HOUR, 0, -2 * HOUR, 0, 5, 2 * HOUR, 0):
        machine.wall += step
        machine.passes(1000)
        clock.now_ms()
    told = [record.getMessage() for record in caplog.records]
    assert [line.split(":")[0] for line in told] == [
        "the machine's clock is 259200 s ahead of what was to be expected",
        "the machine's clock is followed again",
        "the machine's clock is 7199 s behind what the journal holds",
        "the machine's clock is followed again",
    ]
    assert "`cuebird believe-clock`" in told[0]


def test_there_is_nothing_to_confirm_where_nothing_is_held() -> None:
    machine = Machine(100 * HOUR)
    clock = machine.clock()
    assert not clock.confirm()
    machine.wall -= HOUR
    assert not clock.confirm()
    assert clock.now_ms() == 100 * HOUR


def test_it_starts_no_earlier_than_it_is_told() -> None:
    machine = Machine(HOUR)
    assert machine.clock(start_ms=2 * HOUR).now_ms() == 2 * HOUR


def test_sixty_times_as_fast_is_a_minute_a_second() -> None:
    machine = Machine(HOUR)
    clock = machine.clock(speed=60)
    machine.passes(1000)
    assert clock.now_ms() == HOUR + 60_000
    assert clock.seconds_until(HOUR + 120_000) == 1.0
    clock.resume(5 * HOUR)
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


def test_a_clock_that_is_moved_by_hand_tells_how_far_off_a_time_is_and_nothing_of_one_that_is_past() -> None:
    clock = ManualClock(1_000)
    assert [clock.seconds_until(ms) for ms in (3_500, 1_000, 500)] == [2.5, 0.0, 0.0]
