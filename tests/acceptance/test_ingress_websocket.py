"""The WebSocket way in over real sockets: what a shopper's page does, and what an attacker's does."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from ingress.bounds.limits import IngressLimits
from tests.acceptance.ingress_site import RealSite, running, until
from tests.unit.ingress.site import KEYS, SERVER, SHOP, WRITE, ev, proof, push, track

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """For the module, so that one server may serve its tests."""
    return "asyncio"


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[RealSite]:
    async with running() as site:
        yield site


@pytest.fixture
def site(server: RealSite) -> RealSite:
    """A server with all defaults, shared; its engine is new."""
    server.engine.reset()
    return server


async def test_an_event_is_stored_and_acknowledged_and_a_push_comes_back() -> None:
    async with running() as site:
        page = await site.page(protocols=["cuebird.v1.json"])
        assert page.connection.subprotocol == "cuebird.v1.json"
        await page.say({"t": "hello", "token": WRITE, "user": {"anonymousId": "a1"}})
        welcome = await page.hear()
        assert (welcome["t"], welcome["epoch"]) == ("welcome", "e7")
        await page.say(ev(1, {"type": "track", "event": "Product Viewed", "anonymousId": "a1"}))
        assert await page.hear() == {"t": "ok", "id": 1, "n": 1, "dup": 0, "credit": 1000}
        assert [(e.user, e.name) for e in site.engine.events] == [("~a1", "product_viewed")]
        assert site.streams.publish("~a1", push()) == 1
        assert (await page.hear())["id"] == "send-1"
        await page.close()
        await until(lambda: not site.doors.connections, "the server has let go")
        assert site.streams.statistics()["streams"] == 0


async def test_many_frames_wait_for_one_commit_and_share_one_ok() -> None:
    async with running(hold=True) as site:
        page = await site.open_page()
        await page.say(*[ev(number) for number in range(1, 51)])
        await until(lambda: len(site.engine.events) == 50, "all have come")
        site.engine.commit()
        assert await page.hear() == {"t": "ok", "id": 50, "n": 50, "dup": 0, "credit": 1000}


async def test_a_visitor_who_signs_in_keeps_the_page_that_is_open() -> None:
    async with running() as site:
        page = await site.open_page(
            token=WRITE, proof=proof("ann", expires_ms=4_000_000_000_000), user={"anonymousId": "a1"}
        )
        await page.say(ev(1, {"type": "identify", "userId": "ann", "anonymousId": "a1"}))
        assert (await page.hear())["t"] == "ok"
        assert [e.kind for e in site.engine.events] == ["alias", "identify"]
        assert site.streams.publish("ann", push()) == 1
        assert (await page.hear())["t"] == "push"


async def test_a_browser_may_carry_its_token_in_the_sub_protocol(site: RealSite) -> None:
    token = base64.urlsafe_b64encode(WRITE.encode()).decode().rstrip("=")
    page = await site.page(protocols=["cuebird.v1.json", f"cuebird.bearer.{token}"])
    await page.say({"t": "hello"})
    assert (await page.hear())["t"] == "welcome"


@pytest.mark.parametrize(
    ("token", "origin", "code", "close"),
    [
        ("wk_unknown", SHOP, "unauthorized", 4001),
        ("", SHOP, "unauthorized", 4001),
        (WRITE, "https://evil.example", "forbidden", 4003),
        (WRITE, None, "forbidden", 4003),
    ],
)
async def test_who_may_not_come_in_is_told_after_the_handshake(
    site: RealSite, token: str, origin: str | None, code: str, close: int
) -> None:
    page = await site.page(origin=origin)
    await page.say({"t": "hello", "token": token})
    answer = await page.hear()
    assert (answer["t"], answer["code"]) == ("err", code)
    assert (await page.closed())[0] == close
    await site.still_works()


async def test_an_unknown_protocol_version_is_told_and_closed(site: RealSite) -> None:
    page = await site.page(protocols=["cuebird.v9.json"])
    assert (await page.hear())["code"] == "unsupported_version"
    assert await page.closed() == (4006, "unsupported_version")


async def test_a_client_that_says_nothing_is_closed() -> None:
    async with running(limits=IngressLimits(hello_wait_ms_max=50, tick_ms=10)) as site:
        page = await site.page()
        assert await page.closed() == (4002, "hello_timeout")


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ('{"t":"ev","id":1,"e":[{"a":"x}]}', "invalid_json"),
        ("null", "type_error"),
        ('{"t":"warp"}', "unknown_type"),
        ('{"t":"ev","id":1,"e":[{"type":"track","a":' + "9" * 200_000 + "}]}", None),
    ],
    ids=lambda value: repr(value)[:30],
)
async def test_a_bad_frame_is_answered_and_the_connection_stays(site: RealSite, frame: str, code: str | None) -> None:
    page = await site.open_page()
    await page.say(frame)
    answer = await page.hear()
    if code is None:
        assert (answer["t"], answer["rejected"][0]["code"]) == ("ok", "no_event")
    else:
        assert (answer["t"], answer["code"]) == ("err", code)
    await page.say(ev(2))
    assert (await page.hear())["t"] == "ok"


@pytest.mark.parametrize(
    ("frame", "code"),
    [("{", "invalid_json"), ("[" * 100_000, "too_deep"), (b"\x00\x01", "binary_not_supported")],
    ids=lambda value: repr(value)[:30],
)
async def test_what_cannot_be_read_is_told_and_the_client_comes_back_for_the_rest(
    site: RealSite, frame: str | bytes, code: str
) -> None:
    page = await site.open_page()
    await page.say(ev(1))
    assert (await page.hear())["t"] == "ok"
    await page.say(frame, ev(3))
    assert (await page.hear())["code"] == code
    assert await page.closed() == (4104, "unreadable")
    await site.still_works()


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"type": "track", "event": "x"}, "no_id"),
        (track(properties={"a": 10**30}), "out_of_range"),
        (track(event="x" * 10_000), "too_long"),
        (track(userId="u\u0000"), "bad_string"),
        (track(userId=True), "type_error"),
        (track(timestamp="NaN"), "invalid_timestamp"),
        (track(timestamp="1970-01-01T00:00:00Z"), "too_old"),
    ],
)
async def test_a_bad_message_is_listed_beside_the_good_ones(
    site: RealSite, message: dict[str, object], code: str
) -> None:
    page = await site.open_page()
    await page.say({"t": "ev", "id": 1, "e": [track(1), message, track(3)]})
    answer = await page.hear()
    assert (answer["n"], [(r["i"], r["code"]) for r in answer["rejected"]]) == (2, [(1, code)])


async def test_a_time_that_is_still_to_come_is_brought_within_reason(site: RealSite) -> None:
    page = await site.open_page()
    await page.say(ev(1, track(1, timestamp="2099-01-01T00:00:00Z")))
    assert (await page.hear())["n"] == 1
    assert 0 <= site.doors.now_ms() - site.engine.events[0].occurred < 5_000


async def test_a_frame_of_ten_megabytes_is_not_read(site: RealSite) -> None:
    page = await site.open_page()
    with suppress(ConnectionClosed):
        await page.say("x" * 10_000_000)
    assert (await page.closed())[0] == 1009
    await site.still_works()


async def test_a_message_without_end_in_fragments_is_stopped_at_the_limit(site: RealSite) -> None:
    async with raw_socket(site) as (reader, writer):
        piece = Frame(Opcode.TEXT, b"x" * 60_000, fin=False).serialize(mask=True)
        more = Frame(Opcode.CONT, b"x" * 60_000, fin=False).serialize(mask=True)
        writer.write(piece + more * 10)
        assert await close_code(reader) == 1009
        await site.still_works()


@pytest.mark.parametrize(
    ("bytes_sent", "close"),
    [
        (b"\x81\xff" + struct.pack("!Q", 2**63) + b"mask", 1009),
        (b"\x81\x05hello", 1002),
        (b"\xc1\x80mask", 1002),
        (b"\x83\x80mask", 1002),
        (Frame(Opcode.TEXT, b"\xff\xfe").serialize(mask=True), 1007),
    ],
    ids=["a header of 2^63", "not masked", "compressed without being asked", "unknown opcode", "not UTF-8"],
)
async def test_bytes_that_are_no_websocket_close_that_connection_only(
    site: RealSite, bytes_sent: bytes, close: int
) -> None:
    async with raw_socket(site) as (reader, writer):
        writer.write(bytes_sent)
        assert await close_code(reader) == close
        await site.still_works()


async def test_sending_past_the_credit_closes() -> None:
    async with running(hold=True, limits=IngressLimits(credit_events=10, tick_ms=20)) as site:
        page = await site.open_page()
        await page.say(ev(1, *[track(i) for i in range(10)]), ev(2, track(11)))
        answer = await page.hear()
        assert (answer["t"], answer["code"]) == ("err", "over_credit")
        assert await page.closed() == (4102, "over_credit")
        assert len(site.engine.events) == 10


async def test_a_client_that_never_reads_is_cut_off_and_costs_no_memory() -> None:
    limits = IngressLimits(send_queue_bytes_max=100_000, close_wait_ms_max=50, tick_ms=10)
    async with running(limits=limits) as site, raw_socket(site, receive_buffer=4096) as (_, writer):
        hello = json.dumps({"t": "hello", "token": SERVER, "user": {"userId": "ann"}}).encode()
        writer.write(Frame(Opcode.TEXT, hello).serialize(mask=True))
        await until(lambda: site.streams.connected("ann"), "it listens")
        connection = next(iter(site.doors.connections))
        peak = 0
        for number in range(100_000):
            site.streams.publish("ann", push(number))
            if number % 100 == 0:
                peak = max(peak, connection.session._out_bytes)
                await asyncio.sleep(0)
            if connection.session.close:
                break
        assert connection.session.close == (4101, "too_slow")
        assert peak <= 100_000
        await until(lambda: not site.doors.connections, "it is cut off")
        await site.still_works()


async def test_a_half_open_socket_is_given_up() -> None:
    async with (
        running(limits=IngressLimits(ping_ms=30, silence_ms_max=90, close_wait_ms_max=30, tick_ms=5)) as site,
        raw_socket(site) as (reader, writer),
    ):
        writer.write(Frame(Opcode.TEXT, json.dumps({"t": "hello", "token": SERVER}).encode()).serialize(mask=True))
        await until(lambda: site.doors.world.counts.frames_in == 1, "it has said hello")
        assert await close_code(reader) == 4103, "pinged, silent, closed"
        await until(lambda: not site.doors.connections, "nothing is left of it")


async def test_half_a_frame_and_then_silence_is_given_up() -> None:
    async with (
        running(limits=IngressLimits(ping_ms=30, silence_ms_max=60, close_wait_ms_max=30, tick_ms=5)) as site,
        raw_socket(site) as (reader, writer),
    ):
        writer.write(b"\x81\xfe\x40")
        assert await close_code(reader) in {4002, 4103}
        await site.still_works()


async def test_resets_in_the_middle_of_frames_leave_nothing_behind() -> None:
    async with running() as site:
        tasks = len(asyncio.all_tasks())
        for _ in range(20):
            async with raw_socket(site) as (_, writer):
                writer.write(b"\x81\xfe\x40\x00half")
                raw: socket.socket = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await until(lambda: not site.doors.connections and not site.doors.addresses, "all are gone")
        await until(lambda: len(asyncio.all_tasks()) <= tasks, "no task is left")
        await site.still_works()


async def test_a_connection_too_many_is_told_to_come_back_later() -> None:
    async with running(limits=IngressLimits(connections_max=1, tick_ms=20)) as site:
        first = await site.open_page()
        second = await site.page()
        assert 2_000 <= (await second.hear())["retry_ms"] <= 4_500
        assert await second.closed() == (4100, "overloaded")
        await first.say({"t": "ping"})
        assert (await first.hear())["t"] == "pong"


async def test_too_many_from_one_address_are_told_not_to_come_back() -> None:
    async with running(limits=IngressLimits(connections_per_address_max=1, tick_ms=20)) as site:
        await site.open_page()
        second = await site.page()
        assert await second.closed() == (4029, "connection_limit")


async def test_compression_is_not_offered() -> None:
    async with running(keys=KEYS) as site:
        client = await connect(f"ws://{site.address}/v1/ws", compression="deflate")
        assert client.protocol.extensions == []
        await client.close()


@asynccontextmanager
async def raw_socket(
    site: RealSite, receive_buffer: int | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A WebSocket after its handshake, in the test's own hands."""
    raw = socket.socket()
    if receive_buffer:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    raw.setblocking(False)
    host, port = site.address.split(":")
    await asyncio.get_running_loop().sock_connect(raw, (host, int(port)))
    reader, writer = await asyncio.open_connection(sock=raw, limit=2**12)
    writer.write(
        b"GET /v1/ws HTTP/1.1\r\nHost: shop.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
    assert b"101" in head.split(b"\r\n")[0]
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


async def close_code(reader: asyncio.StreamReader) -> int:
    """The code of the close frame that ends what comes."""
    async with asyncio.timeout(5):
        while True:
            first, length = await reader.readexactly(2)
            if length == 126:
                (length,) = struct.unpack("!H", await reader.readexactly(2))
            payload = await reader.readexactly(length)
            if first & 0x0F == Opcode.CLOSE:
                return int(struct.unpack("!H", payload[:2])[0])
