"""The bench measures what it says it measures."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from bench import bare, databases, disk, memory, month, opening, turns
from bench.client import Connection, Tally, mould
from bench.sampler import Profile, Sampler
from bench.table import Figure, verdict
from bench.workload import USERS, events, templates
from cuebird.demo.pages import SITE
from engine.clock import SystemClock
from ingress.connections.frames import Ev, decode_frame
from ingress.messages.messages import Normalizer

NOW = 1_767_600_000_000
TIME = b"2026-01-05T08:00:00.000Z"


def unmasked(frame: bytes) -> bytes:
    """The payload of one of our frames: they are masked with zeros."""
    length, begin = frame[1] & 127, 2
    if length == 126:
        length, begin = int.from_bytes(frame[2:4], "big"), 4
    elif length == 127:
        length, begin = int.from_bytes(frame[2:10], "big"), 10
    assert frame[begin : begin + 4] == bytes(4)
    assert len(frame) == begin + 4 + length
    return frame[begin + 4 :]


def test_the_same_seed_gives_the_same_shop() -> None:
    assert templates(200) == templates(200)
    assert templates(200, seed=1) != templates(200, seed=2)


def test_the_shop_is_the_mix_that_the_issue_names() -> None:
    normalizer = Normalizer()
    taken = [event for each in events(templates(20_000), normalizer, 0, NOW) for event in each]

    share = {name: count / len(taken) for name, count in Counter(event.name for event in taken).items()}

    assert share["product_viewed"] == pytest.approx(0.66, abs=0.01)
    assert share["product_added"] == pytest.approx(0.16, abs=0.01)
    assert share["order_completed"] == pytest.approx(0.07, abs=0.01)
    assert share["page_viewed"] + share["ping"] == pytest.approx(0.11, abs=0.01)
    assert len({event.user for event in taken}) > 0.8 * USERS
    assert len({event.message_id for event in taken}) == len(taken)


@pytest.mark.parametrize("per_frame", [1, 2, 100, 500])
def test_a_frame_made_beforehand_is_the_frame_that_it_says(per_frame: int) -> None:
    frame = decode_frame(unmasked(mould(templates(per_frame)).cast(1_000_000_007, 42, TIME)))

    assert isinstance(frame, Ev)
    assert frame.id == 1_000_000_007
    assert [wire.message_id for wire in frame.e] == [f"m-{number:010d}" for number in range(42, 42 + per_frame)]
    assert {wire.timestamp for wire in frame.e} == {TIME.decode()}


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/bare/decode", "/bare/events", "/bare/stock", "/v1/ws"])
async def test_every_frame_of_the_load_is_acknowledged_by_every_server(path: str) -> None:
    server = bare.bare_server(SITE)
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(bare.until_ended(server, ready.set_result))
    try:
        tally, shape = Tally(), mould(templates(10))
        tally.counting = True
        numbers = iter(range(0, 1_000_000, 10))
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(path, 60, 10, lambda frame_id: shape.cast(frame_id, next(numbers), TIME), tally),
            "127.0.0.1",
            await ready,
        )
        await connection.ready
        connection.go()
        async with asyncio.timeout(10):
            connection.stop()
            await connection.done
        assert tally.errors == []
        assert (tally.frames, tally.messages, len(tally.trips)) == (60, 600, 60)
    finally:
        server.should_exit = True
        await serving


def test_a_server_that_refuses_is_no_fast_server(tmp_path: Path) -> None:
    """An answer that is no `ok` ends the measurement with its words."""

    async def hear() -> list[str]:
        tally = Tally()
        connection = Connection("/v1/ws", 1, 1, lambda frame_id: b"", tally)
        connection.data_received(b"HTTP/1.1 404 Not Found\r\n\r\n")
        assert connection.done.done()
        return tally.errors

    (told, _) = asyncio.run(hear())
    assert "404" in told


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler here")
def test_a_slowed_disk_takes_as_much_longer_as_it_says(tmp_path: Path) -> None:
    library = disk.slow_library(tmp_path)

    fast = disk.measure(tmp_path, 0.05, {})
    slow = disk.measure(tmp_path, 0.05, disk.slowed(library, 20.0))

    assert slow.fdatasync_us >= 20_000 > fast.fdatasync_us
    assert slow.commit_us >= 20_000 > fast.commit_us


def test_who_has_no_compiler_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(disk.NoCompiler, match="apt-get install gcc"):
        disk.slow_library(tmp_path)


def test_actors_are_weighed_and_a_packed_one_is_lighter() -> None:
    weighed = memory.weigh(100)

    assert weighed.live > weighed.packed > 100
    assert weighed.alarm > 0


@pytest.mark.anyio
async def test_a_journal_is_taken_again_to_its_last_row(tmp_path: Path) -> None:
    site = shutil.copytree(SITE, tmp_path / "site")
    await databases.journal(site, 700)

    opened = await opening.opened(site)

    assert opened.replayed == 700
    assert opened.timers > 0


@pytest.mark.anyio
async def test_idle_actors_all_wait_for_a_timer_that_is_not_due(tmp_path: Path) -> None:
    site = shutil.copytree(SITE, tmp_path / "site")
    await databases.idle_actors(site, 1_200)

    opened = await opening.opened(site)

    assert opened.replayed == 0
    assert opened.timers == 1_200


@pytest.mark.anyio
async def test_timers_are_due_one_after_the_other_within_their_time(tmp_path: Path) -> None:
    site = shutil.copytree(SITE, tmp_path / "site")
    first_due = await databases.due_timers(site, 60, 6_000)

    store = databases.store_of(site)
    try:
        await databases.engine_of(site, store, SystemClock()).open()
        dues = sorted([due async for batch in store.dues() for _, due in batch])
    finally:
        await store.close()

    assert dues == [first_due + 100 * index for index in range(60)]


def test_a_month_is_in_order_and_the_same_for_the_same_seed() -> None:
    told = list(month.lines(3))
    times = [msgspec.json.decode(line)["timestamp"] for line in told]

    assert told == list(month.lines(3)) != list(month.lines(3, seed=7))
    assert times == sorted(times)
    assert {msgspec.json.decode(line)["userId"] for line in told} == {"u00000", "u00001", "u00002"}
    assert 3 * 97 <= len(told) <= 3 * 98


def test_the_event_of_the_bench_concerns_one_of_twenty_campaigns() -> None:
    under = turns.program(20)

    (entry,) = under.interests["product_added"].entries
    assert entry[0].id == "concerned"
    assert len(under.campaigns) == 20
    assert len(turns.in_runs(under).runs) == 7


def test_a_sampler_names_the_function_that_takes_the_time() -> None:
    def spin() -> int:
        return sum(number * number for number in range(2_000_000))

    sampler = Sampler()
    sampler.start()
    spin()
    sampler.stop()
    profile = msgspec.json.decode(sampler.report(), type=Profile)

    assert any("spin" in line.function for line in profile.lines[:2])
    assert profile.lines[0].own > 0.5


def test_a_figure_says_ok_missed_or_nothing() -> None:
    figure = Figure(part="a", what="frames", measured="1")
    assert verdict(figure) == ""
    assert verdict(msgspec.structs.replace(figure, ok=True)) == "ok"
    assert verdict(msgspec.structs.replace(figure, ok=False)) == "missed"
