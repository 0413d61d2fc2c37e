"""A command and the engine that runs, over the socket between them, in one process and with nothing of an engine behind it."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from cuebird.control import server
from cuebird.control.client import NoAnswer, ask
from cuebird.control.order import Order, OrderResult
from cuebird.control.place import address_of, listen, socket_of
from cuebird.control.server import Control, open_control
from persistence.lock import EngineLock

pytestmark = pytest.mark.anyio


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "cuebird.db"
    path.touch(0o600)
    return path


@asynccontextmanager
async def engine(database: Path) -> AsyncIterator[Control]:
    """As far as a command can see of it: the lock, and the socket."""
    lock = EngineLock(database)
    lock.take()
    try:
        async with open_control(database) as control:
            yield control
    finally:
        lock.release()


async def asked(database: Path, name: str = "one", *, pid: int | None = None) -> OrderResult:
    order = Order(id=name, what="migrate", campaign=name)
    return await asyncio.to_thread(ask, database, pid or os.getpid(), order)


async def echo(order: Order) -> OrderResult:
    return OrderResult(taken=True, problems=(order.campaign,))


async def test_a_command_is_answered_and_the_socket_is_the_owners_alone_and_goes_with_the_engine(
    database: Path,
) -> None:
    async with engine(database) as control:
        control.begin(echo)
        assert (await asked(database)).problems == ("one",)
        assert stat.S_IMODE(socket_of(database).stat().st_mode) == 0o600
    assert not socket_of(database).exists()


async def test_a_command_that_comes_while_the_engine_starts_waits_for_it(database: Path) -> None:
    async with engine(database) as control:
        early = asyncio.create_task(asked(database))
        await asyncio.wait([early], timeout=0.05)
        assert not early.done()
        control.begin(echo)
        assert (await early).taken


async def test_an_engine_that_starts_for_too_long_says_so(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "START_WAIT_S_MAX", 0.02)
    async with engine(database):
        with pytest.raises(NoAnswer, match=f"process {os.getpid()} is still starting"):
            await asked(database)


async def test_an_engine_that_ends_takes_no_order_and_says_so(database: Path) -> None:
    async with engine(database) as control:
        control.begin(echo)
        control.ending = lambda: True
        with pytest.raises(NoAnswer, match="is ending and takes no more orders"):
            await asked(database)


async def test_an_engine_that_is_gone_meanwhile_is_told_at_once(database: Path) -> None:
    with pytest.raises(NoAnswer, match="process 4711, which held the database, has ended: say it again"):
        await asked(database, pid=4711)


async def test_an_order_under_way_is_waited_for_when_the_engine_ends(database: Path) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def slowly(order: Order) -> OrderResult:
        begun.set()
        await may_end.wait()
        return OrderResult(taken=True)

    async with engine(database) as control:
        control.begin(slowly)
        waiting = asyncio.create_task(asked(database))
        await begun.wait()
        ending = asyncio.create_task(control.end())
        await asyncio.sleep(0)
        may_end.set()
        await ending
        assert (await waiting).taken


async def test_an_order_that_a_failed_engine_cannot_do_is_told_so(database: Path) -> None:
    begun = asyncio.Event()

    async def never(order: Order) -> OrderResult:
        begun.set()
        await asyncio.Event().wait()
        return OrderResult(taken=True)

    async with engine(database) as control:
        control.begin(never)
        waiting = asyncio.create_task(asked(database))
        await begun.wait()
        await control.end(at_once=True)
        told = await waiting
    assert not told.taken
    assert told.problems == (f"process {os.getpid()} ended before it was done",)


async def test_a_command_hears_that_its_order_is_worked_on_however_long_it_takes(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "BEAT_S", 0.01)
    monkeypatch.setattr("cuebird.control.client.WAIT_S_MAX", 0.2)

    async def slowly(order: Order) -> OrderResult:
        await asyncio.wait([asyncio.ensure_future(asyncio.Event().wait())], timeout=0.4)
        return OrderResult(taken=True)

    async with engine(database) as control:
        control.begin(slowly)
        assert (await asked(database)).taken


async def test_half_an_order_and_gone_disturbs_nobody(database: Path) -> None:
    async with engine(database) as control:
        control.begin(echo)
        for half in (b"POST /orders HT", b"POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 90\r\n\r\n{"):
            with closing(socket.socket(socket.AF_UNIX)) as made:
                made.connect(str(socket_of(database)))
                made.sendall(half)
        assert (await asked(database)).taken


async def test_half_an_order_that_stays_does_not_keep_the_engine_from_ending(database: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as made:
        async with asyncio.timeout(2), engine(database) as control:
            control.begin(echo)
            made.connect(str(socket_of(database)))
            made.sendall(b"POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 90\r\n\r\n{")
            assert (await asked(database)).taken


async def test_an_order_of_another_version_is_refused_with_what_it_is(database: Path) -> None:
    async with engine(database) as control:
        control.begin(echo)
        reader, writer = await asyncio.open_unix_connection(socket_of(database))
        body = b'{"id":"1","what":"fly"}'
        head = f"POST /orders HTTP/1.1\r\nHost: x\r\nX-Engine: {os.getpid()}\r\nConnection: close\r\nContent-Length: {len(body)}"
        writer.write(head.encode() + b"\r\n\r\n" + body)
        answer = (await reader.read()).decode()
        writer.close()
    assert answer.startswith("HTTP/1.1 400")
    assert "use the command of its own version" in answer


async def test_an_order_for_another_process_is_not_done(database: Path) -> None:
    done: list[Order] = []

    async def note(order: Order) -> OrderResult:
        done.append(order)
        return OrderResult(taken=True)

    async with engine(database) as control:
        control.begin(note)
        with pytest.raises(NoAnswer, match=f"for process 4711, and this is process {os.getpid()}"):
            await asked(database, pid=4711)
    assert not done


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can listen as somebody else")
async def test_the_socket_of_another_user_is_told_nothing(database: Path) -> None:
    lock = EngineLock(database)
    lock.take()
    with closing(socket.socket(socket.AF_UNIX)) as foreign:
        foreign.bind(str(socket_of(database)))
        os.seteuid(65534)
        try:
            foreign.listen()  # whose it is, is kept from here on
        finally:
            os.seteuid(0)
        with pytest.raises(NoAnswer, match=f"user 65534 listens on .*, and the database is user {os.getuid()}'s"):
            await asked(database)
        made, _ = await asyncio.to_thread(foreign.accept)
        with closing(made):
            assert made.recv(100) == b""
    lock.release()


async def test_a_socket_that_a_killed_process_left_is_replaced(database: Path) -> None:
    listen(database).close()
    assert socket_of(database).is_socket()
    async with engine(database) as control:
        control.begin(echo)
        assert (await asked(database)).taken


async def test_what_is_no_socket_stays_where_it_is_and_the_log_says_so(
    database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    socket_of(database).write_text("somebody's notes")
    async with engine(database):
        assert "which is no socket: move it away" in caplog.text
    assert socket_of(database).read_text() == "somebody's notes"


async def test_a_database_in_a_deep_directory_is_talked_to_all_the_same(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120) / "data"
    deep.mkdir(parents=True)
    database = deep / "cuebird.db"
    database.touch(0o600)
    async with engine(database) as control:
        control.begin(echo)
        assert (await asked(database)).taken
    assert not socket_of(database).exists()


def test_a_database_whose_own_name_is_too_long_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="give the database a shorter name"), address_of(tmp_path / ("d" * 120)):
        pass
