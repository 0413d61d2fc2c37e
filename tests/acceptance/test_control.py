"""Commands to a server that runs, over its socket: at once, two at a time, after a kill, from far down in the directories."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from cuebird.control.client import NoAnswer, ask
from cuebird.control.order import Order, OrderResult, new_id
from cuebird.control.place import socket_of
from tests.acceptance.kill.process import Process, launched
from tests.acceptance.test_apply import answer, cuebird, make_site, write

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


def serving(site: Path) -> tuple[str | Path, ...]:
    return "serve", site, "--dev", "--port", "0"


def database_of(site: Path) -> Path:
    return site / "data" / "cuebird.db"


async def asked(site: Path, server: Process, order: Order) -> OrderResult:
    return await asyncio.to_thread(ask, database_of(site), server.pid, order)


async def test_commands_are_answered_at_once_and_two_together_both_are(tmp_path: Path) -> None:
    site = make_site(tmp_path / "shop")
    async with launched(*serving(site), settings={"SITE__RELOAD": "apply"}) as server:
        await server.ready()
        began = time.monotonic()
        for _ in range(10):  # whoever looks twice a second would take five
            assert not (await asked(site, server, Order(id=new_id(), what="believe_clock"))).taken
        assert time.monotonic() - began < 2.5
        write(site, wait="2h", why="People need two hours to look around before they are greeted.")
        one, two = await asyncio.gather(
            asyncio.to_thread(cuebird, "apply", site, "--yes", "--json"),
            asyncio.to_thread(cuebird, "believe-clock", site),
        )
        assert answer(one.stdout)["applied"], one.stderr
        assert "there is nothing to believe" in two.stdout, two.stderr
        assert await server.terminate() == 0, server.said
    assert not socket_of(database_of(site)).exists()


async def test_after_a_kill_commands_work_on_the_database_and_then_with_the_next_server(tmp_path: Path) -> None:
    site = make_site(tmp_path / "shop")
    async with launched(*serving(site)) as server:
        await server.ready()
        await server.kill()
        gone = server
    assert socket_of(database_of(site)).is_socket()
    with pytest.raises(NoAnswer, match=f"process {gone.pid}, which held the database, has ended"):
        await asked(site, gone, Order(id=new_id(), what="believe_clock"))
    write(site, wait="2h", why="People need two hours to look around before they are greeted.")
    told = await asyncio.to_thread(cuebird, "apply", site, "--yes")
    assert "it counts from the next start on" in told.stdout, told.stderr
    async with launched(*serving(site)) as server:
        await server.ready()
        told = await asyncio.to_thread(cuebird, "outbox", "drop", "--yes", "--site", site)
        assert told.stdout == "0 messages will not go out; nothing is on hold\n", told.stderr
        assert await server.terminate() == 0, server.said


async def test_a_server_that_is_stopped_is_named_and_one_that_is_killed_meanwhile_too(tmp_path: Path) -> None:
    site = make_site(tmp_path / "shop")
    async with launched(*serving(site)) as server:
        await server.ready()
        os.kill(server.pid, signal.SIGSTOP)
        waiting = asyncio.create_task(asked(site, server, Order(id=new_id(), what="believe_clock")))
        await asyncio.wait([waiting], timeout=0.1)
        assert not waiting.done()
        await server.kill()
        with pytest.raises(NoAnswer, match=f"process {server.pid}.* ended"):
            await waiting


async def test_the_socket_of_another_server_is_not_believed(tmp_path: Path) -> None:
    one, two = make_site(tmp_path / "one"), make_site(tmp_path / "two")
    async with launched(*serving(one)) as first, launched(*serving(two)) as second:
        await first.ready()
        await second.ready()
        socket_of(database_of(one)).unlink()
        socket_of(database_of(one)).symlink_to(socket_of(database_of(two)))
        told = await asyncio.to_thread(cuebird, "believe-clock", one)
        assert told.returncode == 1
        assert f"the order is for process {first.pid}, and this is process {second.pid}" in told.stderr


async def test_a_site_deep_down_is_served_and_talked_to(tmp_path: Path) -> None:
    site = make_site(tmp_path / ("deep" * 30) / "shop")
    async with launched(*serving(site)) as server:
        await server.ready()
        told = await asyncio.to_thread(cuebird, "believe-clock", site)
        assert "there is nothing to believe" in told.stdout, told.stderr
        assert await server.terminate() == 0, server.said
