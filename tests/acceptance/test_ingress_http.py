"""The HTTP ways in over real sockets: our own routes, the SDKs', server-sent events, and what attackers send."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ingress.bounds.limits import IngressLimits
from tests.acceptance.ingress_site import RealSite, bearer, now_ms, running, until
from tests.unit.ingress.site import SERVER, SHOP, WRITE, proof, push, track

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


def basic(key: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()}


# --- events -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {"user_id": "12345", "product_id": "98765", "event": "add_to_cart"},
        {"event": "product_view", "userId": "12345", "productId": "12345", "timestamp": now_ms()},
        [{"event": "product_view", "userId": "12345"}],
        {"batch": [{"type": "track", "event": "Product Viewed", "userId": "12345"}]},
    ],
)
async def test_loose_json_is_taken_as_it_comes(site: RealSite, body: Any) -> None:
    answer = await site.http.post("/v1/events", json=body, headers=bearer())
    assert answer.status_code == 200
    assert answer.json() == {"success": True, "accepted": 1, "duplicates": 0, "rejected": []}
    assert site.engine.events[0].user == "12345"


@pytest.mark.parametrize(
    ("path", "message", "kind"),
    [
        ("/v1/track", {"event": "x", "userId": "u"}, "track"),
        ("/v1/t/", {"event": "x", "userId": "u"}, "track"),
        ("/v1/identify", {"userId": "u", "traits": {"a": 1}}, "identify"),
        ("/v1/i", {"userId": "u"}, "identify"),
        ("/v1/page", {"name": "Home", "userId": "u"}, "page"),
        ("/v1/p", {"userId": "u"}, "page"),
        ("/v1/screen/", {"userId": "u"}, "screen"),
        ("/v1/s", {"userId": "u"}, "screen"),
        ("/v1/group", {"userId": "u", "groupId": "g"}, "group"),
        ("/v1/g", {"userId": "u", "groupId": "g"}, "group"),
        ("/v1/alias", {"userId": "u", "previousId": "a"}, "alias"),
        ("/v1/a", {"userId": "u", "previousId": "a"}, "alias"),
        ("/v1/track", {"type": "page", "userId": "u"}, "page"),
    ],
)
async def test_each_route_of_the_sdks_takes_its_kind(
    site: RealSite, path: str, message: dict[str, Any], kind: str
) -> None:
    answer = await site.http.post(path, json=message, headers=basic(SERVER))
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1)
    assert site.engine.events[0].kind == kind


async def test_a_batch_answers_for_each_of_its_messages(site: RealSite) -> None:
    batch = {"batch": [track(1), track(1), {"type": "track", "userId": "u"}, track(4)]}
    answer = await site.http.post("/v1/batch", json=batch, headers=basic(SERVER))
    assert answer.status_code == 200
    assert answer.json() == {
        "success": True,
        "accepted": 2,
        "duplicates": 1,
        "rejected": [{"index": 2, "code": "no_event", "message": "a track must name its event", "field": "event"}],
    }


async def test_an_identify_with_both_ids_counts_as_one_message(site: RealSite) -> None:
    message = {"type": "identify", "userId": "u", "anonymousId": "a", "messageId": "m"}
    first = await site.http.post("/v1/identify", json=message, headers=bearer())
    again = await site.http.post("/v1/identify", json=message, headers=bearer())
    assert (first.json()["accepted"], first.json()["duplicates"]) == (1, 0)
    assert (again.json()["accepted"], again.json()["duplicates"]) == (0, 1)


async def test_the_answer_waits_for_the_commit() -> None:
    async with running(hold=True) as site:
        request = asyncio.create_task(site.http.post("/v1/events", json=track(), headers=bearer()))
        await until(lambda: len(site.engine.events) == 1, "it has come")
        await asyncio.sleep(0)
        assert not request.done()
        site.engine.commit()
        assert (await request).json()["accepted"] == 1


@pytest.mark.parametrize(
    ("headers", "query", "body"),
    [
        (basic(WRITE), "", {}),
        ({"Authorization": "Basic " + base64.b64encode(WRITE.encode()).decode().rstrip("=")}, "", {}),
        ({"X-Write-Key": f"{WRITE}:***"}, "", {}),
        ({"Authorization": f"Bearer {WRITE}"}, "", {}),
        ({}, "", {"writeKey": WRITE}),
        ({}, "", {"api_key": WRITE}),
        ({}, "", {"writeKey": WRITE, "context": {"cut": "\ud83d"}}),
        ({}, "", {"batch": [{"type": "track", "event": "x", "anonymousId": "a1", "api_key": WRITE, "cut": "\ud83d"}]}),
        ({}, f"?writeKey={WRITE}", {}),
    ],
)
async def test_a_key_is_found_wherever_an_sdk_puts_it(
    site: RealSite, headers: dict[str, str], query: str, body: dict[str, str]
) -> None:
    message = {"batch": [{"type": "track", "event": "x", "anonymousId": "a1"}]} | body
    content = json.dumps(message)
    answer = await site.http.post(f"/v1/batch{query}", content=content, headers=headers | {"Origin": SHOP})
    assert answer.status_code == 200, answer.text
    assert [(e.user, e.source) for e in site.engine.events] == [("~a1", "bare")]


async def test_a_proof_lets_a_page_speak_for_its_user(site: RealSite) -> None:
    token = proof("ann", expires_ms=now_ms() + 60_000)
    for number, headers in enumerate(
        [
            {"X-Write-Key": WRITE, "Authorization": f"Bearer {token}"},
            basic(WRITE) | {"X-Cuebird-Proof": token},
            {"Authorization": f"Bearer {token}"},
        ]
    ):
        body = track(number, userId="ann")
        answer = await site.http.post("/v1/events", json=body, headers=headers | {"Origin": SHOP})
        assert answer.status_code == 200
    assert [event.user for event in site.engine.events] == ["ann"] * 3


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "", "image/png"])
@pytest.mark.parametrize("header", [{}, {"Content-Encoding": "gzip"}])
async def test_the_content_type_is_ignored_and_gzip_is_recognised(
    site: RealSite, content_type: str, header: dict[str, str]
) -> None:
    raw = gzip.compress(json.dumps(track()).encode())
    answer = await site.http.post("/v1/batch", content=raw, headers=bearer() | header | {"Content-Type": content_type})
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1)


async def test_a_chunked_body_is_taken(site: RealSite) -> None:
    async def chunks() -> Any:
        for piece in (b'{"event":"x",', b'"userId":"u"}'):
            yield piece

    answer = await site.http.post("/v1/events", content=chunks(), headers=bearer())
    assert answer.json()["accepted"] == 1


# --- refusals -----------------------------------------------------------------------------------------------------


def packed(raw: bytes) -> bytes:
    """Without the time, which would make another test of the same parameter each second."""
    return gzip.compress(raw, 1, mtime=0)


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "invalid_json"),
        (b"{", 400, "invalid_json"),
        (b"5", 400, "invalid_json"),
        (b'"x"', 400, "invalid_json"),
        (b"\xff{}", 400, "invalid_json"),
        (b"\xef\xbb\xbf{}", 400, "invalid_json"),
        (b"[" * 100_000, 400, "too_deep"),
        (b'{"batch":5}', 400, "type_error"),
        (b'{"batch":[],"sentAt":"soon"}', 400, "invalid_timestamp"),
        (b"x" * 1_048_577, 413, "too_large"),
        (packed(b"0" * 50_000_000), 413, "too_large"),
        (packed(packed(b"{}")), 400, "invalid_json"),
        (packed(b'{"event":"x"}')[:-4], 400, "invalid_gzip"),
        (packed(b'{"event":"x"}')[:-8] + b"\0" * 8, 400, "invalid_gzip"),
        (b"\x1f\x8bnonsense", 400, "invalid_gzip"),
        (json.dumps([{}] * 10_001).encode(), 413, "too_long"),
    ],
    ids=lambda value: repr(value)[:30],
)
async def test_a_body_at_fault_is_refused_as_a_whole(site: RealSite, content: bytes, status: int, code: str) -> None:
    answer = await site.http.post("/v1/events", content=content, headers=bearer())
    assert (answer.status_code, answer.json()["success"], answer.json()["code"]) == (status, False, code)
    assert answer.json()["message"]
    await site.still_works()


async def test_a_message_at_fault_is_still_exactly_200(site: RealSite) -> None:
    body = '{"type":"track","event":"x","userId":"u","properties":{"a":' + "9" * 60_000 + "}}"
    answer = await site.http.post("/v1/events", content=body, headers=bearer())
    assert (answer.status_code, answer.json()["rejected"][0]["code"]) == (200, "out_of_range")


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, "unauthorized"),
        (basic("wk_unknown"), 401, "unauthorized"),
        ({"Authorization": "Basic !!!"}, 401, "unauthorized"),
        ({"Authorization": "Bearer a.b.c"}, 401, "unauthorized"),
        ({"Authorization": f"Bearer {proof('ann', exp=1e308)}", "Origin": SHOP}, 401, "unauthorized"),
        (basic(WRITE) | {"X-Cuebird-Proof": proof("ann", exp=1e308), "Origin": SHOP}, 401, "unauthorized"),
        (basic(WRITE) | {"Origin": "https://evil.example"}, 403, "forbidden"),
        (basic(WRITE), 403, "forbidden"),
    ],
)
async def test_an_unknown_key_or_a_foreign_page_is_refused(
    site: RealSite, headers: dict[str, str], status: int, code: str
) -> None:
    answer = await site.http.post("/v1/events", json=track(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert site.engine.events == []


@pytest.mark.parametrize(
    ("why", "status"), [("overloaded", 429), ("too_many_for_user", 429), ("storage_full", 503), ("draining", 503)]
)
async def test_what_cannot_be_stored_now_says_when_to_come_back(site: RealSite, why: Any, status: int) -> None:
    site.engine.refuse = why
    answer = await site.http.post("/v1/batch", json={"batch": [track()]}, headers=bearer())
    assert (answer.status_code, answer.json()["code"]) == (status, why)
    assert 2 <= int(answer.headers["Retry-After"]) <= 5


async def test_nonsense_counts_for_the_rate_of_an_address_too() -> None:
    async with running(
        limits=IngressLimits(tick_ms=20, address_bytes_per_second_max=1, address_burst_bytes_max=5_000)
    ) as site:
        headers = bearer(WRITE) | {"Origin": SHOP}
        answers = [await site.http.post("/v1/batch", content=b"?" * 2_000, headers=headers) for _ in range(4)]
        assert [answer.json()["code"] for answer in answers] == ["invalid_json"] * 3 + ["too_many_for_address"]
        assert (answers[-1].status_code, answers[-1].headers["Access-Control-Expose-Headers"]) == (429, "retry-after")
        assert int(answers[-1].headers["Retry-After"]) == 300, "SDKs cap what they obey"
        page = await site.http.post("/v1/batch", json=track(event="x"), headers=bearer())
        assert page.json()["accepted"] == 1, "a server key is another's"


async def test_what_is_not_here_is_told_in_json(site: RealSite) -> None:
    missing = await site.http.get("/v1/nothing")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    wrong = await site.http.get("/v1/batch")
    assert (wrong.status_code, wrong.json()["code"], "POST" in wrong.headers["Allow"]) == (
        405, "method_not_allowed", True,
    )  # fmt: skip


# --- browsers -----------------------------------------------------------------------------------------------------


async def test_a_page_of_the_shop_may_ask_and_any_other_may_not(site: RealSite) -> None:
    asked = {
        "Origin": SHOP,
        "Access-Control-Request-Headers": "authorization",
        "Access-Control-Request-Method": "POST",
    }
    answer = await site.http.options("/v1/t", headers=asked)
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP
    assert "authorization" in answer.headers["Access-Control-Allow-Headers"]
    assert answer.headers["Access-Control-Expose-Headers"] == "retry-after"
    foreign = await site.http.options("/v1/t", headers=asked | {"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in foreign.headers
    refused = await site.http.post("/v1/t", json={}, headers={"Origin": SHOP})
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, SHOP)


async def test_the_browser_sdk_is_told_to_send_here(site: RealSite) -> None:
    settings = (await site.http.get(f"/v1/projects/{WRITE}/settings", headers={"Origin": SHOP})).json()
    assert settings["integrations"]["Segment.io"]["apiKey"] == WRITE
    assert settings["integrations"]["Segment.io"]["apiHost"] == f"{site.address}/v1"
    assert (await site.http.post("/v1/m", content=b"{}")).status_code == 200


# --- server-sent events -------------------------------------------------------------------------------------------


class Stream:
    """An EventSource of the test's own: reads blocks."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.waiting = ""

    @classmethod
    async def open(cls, site: RealSite, query: str, **headers: str) -> tuple[int, Stream]:
        host, port = site.address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        lines = [
            f"GET /v1/sse?{query} HTTP/1.1",
            "Host: x",
            *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items()),
        ]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        async with asyncio.timeout(5):
            head = await reader.readuntil(b"\r\n\r\n")
        return int(head.split()[1]), cls(reader, writer)

    async def block(self) -> dict[str, str]:
        """The next block that is no comment; its fields."""
        while (text := await self.text()).startswith(":"):
            pass
        return dict(line.split(": ", 1) for line in text.split("\n"))

    async def text(self) -> str:
        """The next block, of a chunked answer that may hold several in one chunk."""
        async with asyncio.timeout(5):
            while "\n\n" not in self.waiting:
                size = int(await self.reader.readline(), 16)
                assert size, "the stream has ended"
                self.waiting += (await self.reader.readexactly(size + 2)).decode()[:-2]
        block, _, self.waiting = self.waiting.partition("\n\n")
        return block

    async def ended(self) -> None:
        """The server has ended it; comments may come before that."""
        async with asyncio.timeout(5):
            while size := int(await self.reader.readline(), 16):
                assert (await self.reader.readexactly(size + 2)).startswith(b":")

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


async def test_a_page_without_websocket_hears_its_pushes() -> None:
    async with running() as site:
        status, stream = await Stream.open(site, f"key={WRITE}&anonymousId=a1", Origin=SHOP)
        greeting = await stream.block()
        assert (status, greeting["retry"], greeting["event"], greeting["id"]) == (200, "2000", "open", "e7:0")
        assert site.streams.publish("~a1", push()) == 1
        block = await stream.block()
        assert (block["id"], block["event"]) == ("e7:1", "push")
        assert json.loads(block["data"])["data"] == {"title": "Still thinking?"}
        await stream.close()
        await until(lambda: not site.streams.connected("~a1"), "the server has let go")


async def test_a_stream_goes_on_where_it_was() -> None:
    async with running() as site:
        for number in range(1, 4):
            site.streams.publish("ann", push(number))
        query = f"key={SERVER}&userId=ann"
        _, stream = await Stream.open(site, query, Last_Event_ID="e7:1")
        greeting = await stream.block()
        assert json.loads(greeting["data"]) == {"epoch": "e7", "offset": 3, "recovered": True}
        assert "id" not in greeting
        assert [(await stream.block())["id"] for _ in range(2)] == ["e7:2", "e7:3"]
        await stream.close()
        _, other = await Stream.open(site, query + "&last_event_id=e6:1")
        assert json.loads((await other.block())["data"])["recovered"] is False
        await other.close()


async def test_a_quiet_stream_is_kept_alive() -> None:
    async with running(limits=IngressLimits(heartbeat_ms=10, tick_ms=20)) as site:
        _, stream = await Stream.open(site, f"key={SERVER}&userId=ann")
        await stream.block()
        assert await stream.text() == ": hb"
        await stream.close()


async def test_a_stream_ends_with_the_proof_that_opened_it() -> None:
    async with running() as site:
        told = proof("ann", expires_ms=now_ms() + 400)
        status, stream = await Stream.open(site, f"key={WRITE}&userId=ann&proof={told}", Origin=SHOP)
        assert (status, (await stream.block())["event"]) == (200, "open")
        await stream.ended()
        await until(lambda: not site.streams.connected("ann"), "the server has let go")
        await stream.close()
        again, refused = await Stream.open(site, f"key={WRITE}&userId=ann&proof={told}", Origin=SHOP)
        assert again == 401
        await refused.close()


@pytest.mark.parametrize(
    ("query", "status"),
    [(f"key={WRITE}", 400), ("key=wk_unknown&anonymousId=a", 401), (f"key={WRITE}&userId=ann", 400)],
)
async def test_a_stream_for_nobody_or_for_another_is_refused_for_good(query: str, status: int) -> None:
    async with running() as site:
        got, stream = await Stream.open(site, query, Origin=SHOP)
        assert got == status
        await stream.close()


async def test_a_stream_too_many_is_asked_to_wait_and_not_refused() -> None:
    async with running(limits=IngressLimits(connections_max=0, tick_ms=20)) as site:
        answer = await site.http.get(f"/v1/sse?key={SERVER}&userId=ann")
        assert (answer.status_code, answer.text) == (200, "retry: 15000\n\n")


async def test_a_stream_that_is_not_read_is_cut_off() -> None:
    async with running(limits=IngressLimits(send_queue_bytes_max=100_000, tick_ms=20)) as site:
        _, stream = await Stream.open(site, f"key={SERVER}&userId=ann")
        await until(lambda: site.streams.connected("ann"), "it listens")
        large = push(1)
        large = type(large)(id="big", data=b'{"a":"' + b"x" * 50_000 + b'"}')
        for _ in range(2_000):
            site.streams.publish("ann", large)
            await asyncio.sleep(0)
            if not site.streams.connected("ann"):
                break
        await until(lambda: not site.streams.connected("ann"), "it is cut off")
        stream.writer.transport.abort()
        await site.still_works()


# --- health -------------------------------------------------------------------------------------------------------


async def test_the_server_tells_how_it_is() -> None:
    async with running(ready=lambda: {"store": True}) as site:
        await site.http.post("/v1/events", json=[track(1), track(1)], headers=bearer())
        assert (await site.http.get("/livez")).status_code == 200
        ready = await site.http.get("/readyz")
        assert (ready.status_code, ready.json()) == (200, {"store": True, "not_draining": True})
        assert (await site.http.get("/version")).json() == {"name": "cuebird", "version": "1.2.3"}
        metrics = (await site.http.get("/metrics", headers=bearer())).text
        assert 'cuebird_events_received_total{source="http"} 2.0' in metrics
        assert 'cuebird_events_duplicate_total{source="http"} 1.0' in metrics


@pytest.mark.parametrize(("token", "status"), [("", 401), (WRITE, 403), ("sk_wrong", 401)])
async def test_figures_are_for_who_holds_a_server_key(token: str, status: int) -> None:
    async with running() as site:
        answer = await site.http.get("/metrics", headers=bearer(token) | {"Origin": SHOP} if token else {})
        assert (answer.status_code, answer.json()["success"]) == (status, False)


async def test_a_server_that_is_not_ready_says_what_is_missing() -> None:
    async with running(ready=lambda: {"store": False}) as site:
        ready = await site.http.get("/readyz")
        assert (ready.status_code, ready.json()["store"]) == (503, False)


# --- bytes that are no HTTP ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x00\x01\x02\r\n\r\n", b"400"),
        (b"GET / HTTP/9.9\r\n\r\n", b"400"),
        (b"POST /v1/events HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 0\r\n\r\n", b"400"),
        (b"POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", b"400"),
        (b"POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
        (b"POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"GET /livez HTTP/1.1\r\nHost: a\r\nBad Header: x\r\n\r\n", b"400"),
        (b"GET /livez HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 70_000, b"431"),
        (b"GET /" + b"x" * 70_000, b"431"),
        (b"GET /livez HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n", b"400"),
    ],
    ids=lambda value: repr(value)[:40],
)  # fmt: skip
async def test_garbage_in_the_head_is_refused_and_others_are_unharmed(
    site: RealSite, sent: bytes, status: bytes
) -> None:
    assert status in (await exchange(site, sent)).split(b"\r\n")[0]
    await site.still_works()


async def test_half_a_request_and_then_silence_is_cut_off() -> None:
    async with running(limits=IngressLimits(header_wait_ms_max=50, tick_ms=20)) as site:
        assert await exchange(site, b"GET /livez HTTP/1.1\r\nHo") == b""
        assert await exchange(site, b"") == b""


async def test_a_second_half_request_on_the_same_connection_is_cut_off_too() -> None:
    async with running(limits=IngressLimits(header_wait_ms_max=50, tick_ms=20)) as site:
        answer = await exchange(site, b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\nGET /livez HTTP/1.1\r\n")
        assert answer.count(b"HTTP/1.1 200") == 1


async def test_half_a_body_and_then_silence_is_given_up() -> None:
    async with running(limits=IngressLimits(body_wait_ms_max=50, tick_ms=20)) as site:
        answer = await exchange(site, b"POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n{")
        assert b"408" in answer.split(b"\r\n")[0]


async def test_a_body_that_claims_to_be_huge_is_not_waited_for(site: RealSite) -> None:
    answer = await exchange(site, b"POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n{")
    assert b"413" in answer.split(b"\r\n")[0]


async def test_a_gzip_bomb_is_never_inflated_whole(site: RealSite) -> None:
    """Its checksum is that of the first two of its 500 megabytes: who inflates it whole says `invalid_gzip`."""
    bomb = zlib.compressobj(9, zlib.DEFLATED, 31)
    first, again = (bomb.compress(b"\0" * 1_000_000) + bomb.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    raw = first + again * 499 + bomb.flush()
    assert len(raw) < 1_048_576
    answer = await site.http.post("/v1/batch", content=raw, headers=bearer())
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def exchange(site: RealSite, sent: bytes) -> bytes:
    """All that is answered to these bytes until the server closes."""
    host, port = site.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(sent)
        async with asyncio.timeout(5):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.transport.abort()


async def test_who_names_users_without_proof_is_told_how_many_and_what_follows(site: RealSite) -> None:
    batch = [{"event": "x", "userId": "ann"}, {"event": "y", "userId": "ben"}, {"event": "z", "anonymousId": "v1"}]
    said = (await site.http.post("/v1/events", json=batch, headers=bearer(WRITE) | {"Origin": SHOP})).json()
    assert (said["accepted"], said["unproven"]) == (3, 2)
    (warning,) = said["warnings"]
    assert "that user gets no letters by them" in warning
    assert "cuebird keys new proof" in warning
    unknown = (await site.http.post("/v1/events", json=batch, headers=bearer("wk_wrong"))).json()
    assert "`cuebird keys list`" in unknown["message"]
    elsewhere = (
        await site.http.post("/v1/events", json=batch, headers=bearer(WRITE) | {"Origin": "https://x.example"})
    ).json()
    assert "https://x.example: its `allowed_origins` in cuebird.toml" in elsewhere["message"]


async def test_who_sends_events_where_no_route_is_hears_where_they_go(site: RealSite) -> None:
    answer = await site.http.post("/webhook/cart", json={"user_id": "ann"})
    assert answer.status_code == 404
    assert answer.json()["message"].endswith("(events go to POST /v1/events)")
