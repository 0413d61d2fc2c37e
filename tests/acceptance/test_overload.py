"""More than the server can take, against a real process: what is urgent goes through, and one visitor fills nothing."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect

from tests.acceptance.kill.process import SITE, Process, launched

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

KEYS = """
[[keys.server]]
name = "backend"
value = "sk_backend"

[[keys.write]]
name = "web"
value = "wk_web"
"""
SECRET = "0123456789abcdef0123456789abcdef"  # a test's
BATCH = 500
ORDERS = 5
WAIT_S = 60.0

_numbers = count()


@asynccontextmanager
async def serving(tmp_path: Path, **settings: str | int) -> AsyncIterator[tuple[Process, str]]:
    """A server with two keys, and its address."""
    site = tmp_path / "site"
    shutil.copytree(SITE, site)
    with (site / "cuebird.toml").open("a") as toml:
        toml.write(KEYS)
    more = {"SERVER__SECRET": SECRET, "STORE__PATH": tmp_path / "data" / "cuebird.db", **settings}
    async with launched("serve", site, "--port", "0", settings=more) as server:
        url = await server.ready()
        async with asyncio.timeout(WAIT_S):
            yield server, url


class Answer:
    def __init__(self, head: str, body: bytes) -> None:
        self.status = int(head.split()[1])
        self.headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:])
        self.json: Any = json.loads(body)

    @property
    def retry_s(self) -> int:
        return int(self.headers["retry-after"])


class Client:
    """One connection over which requests go one by one, with as little work of its own as can be."""

    def __init__(self, key: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._key = key
        self._reader = reader
        self._writer = writer

    async def post(self, body: bytes) -> Answer:
        head = (
            f"POST /v1/batch HTTP/1.1\r\nHost: test\r\nX-Write-Key: {self._key}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)
        said = (await self._reader.readuntil(b"\r\n\r\n")).decode().strip()
        size = int(said.lower().partition("content-length: ")[2].partition("\r\n")[0])
        return Answer(said, await self._reader.readexactly(size))


@asynccontextmanager
async def clients(url: str, number: int, key: str) -> AsyncIterator[Sequence[Client]]:
    place = urlsplit(url)
    opened = [await asyncio.open_connection(place.hostname, place.port) for _ in range(number)]
    try:
        yield [Client(key, *pair) for pair in opened]
    finally:
        for _, writer in opened:
            writer.transport.abort()


def batch(events: int, who: str = "userId") -> bytes:
    """So many views, each by another visitor; none was sent before."""
    first = next(_numbers) * 100_000
    views = (
        f'{{"type":"track","event":"Product Viewed","{who}":"v{n}","messageId":"m{n}","properties":{{"product_id":"A",'
        f'"name":"A lamp for the desk, black","price":60,"url":"https://shop.example/p/a"}}}}'
        for n in range(first, first + events)
    )
    return f'{{"batch":[{",".join(views)}]}}'.encode()


def order() -> bytes:
    n = next(_numbers)
    message = {"type": "track", "event": "Order Completed", "userId": f"b{n}", "messageId": f"o{n}"}
    return json.dumps({"batch": [message | {"properties": {"order_id": f"o{n}", "total": 60}}]}).encode()


class Flood:
    """Clients that send batch after batch and heed no Retry-After."""

    def __init__(self) -> None:
        self.accepted = 0
        self.refusals: list[Answer] = []
        self.others: Counter[str] = Counter()

    async def by(self, client: Client, who: str = "userId") -> None:
        while True:
            answer = await client.post(batch(BATCH, who))
            if answer.status == 200:
                self.accepted += answer.json["accepted"]
            elif answer.status == 429:
                self.refusals.append(answer)
            else:
                self.others[str(answer.json)] += 1


@asynccontextmanager
async def flooding(url: str, number: int, key: str = "sk_backend", who: str = "userId") -> AsyncIterator[Flood]:
    flood = Flood()
    async with clients(url, number, key) as senders, asyncio.TaskGroup() as tasks:
        sending = [tasks.create_task(flood.by(sender, who)) for sender in senders]
        try:
            yield flood
        finally:
            for task in sending:
                task.cancel()


async def test_an_order_waits_for_few_of_the_batches_that_came_before_it(tmp_path: Path) -> None:
    async with (
        serving(tmp_path) as (_, url),
        clients(url, 1, "sk_backend") as (buyer,),
        flooding(url, 50) as flood,
    ):
        before_it = []
        for _ in range(ORDERS):
            accepted = flood.accepted
            answer = await buyer.post(order())
            assert (answer.status, answer.json) == (
                200, {"success": True, "accepted": 1, "duplicates": 0, "rejected": []},
            )  # fmt: skip
            before_it.append(flood.accepted - accepted)
        assert flood.accepted > 0, "the batches go on too"
        assert max(before_it) <= 5_000, f"{before_it} events were acknowledged first"
        assert not flood.others, flood.others


async def test_a_batch_that_there_is_no_room_for_is_refused_undecoded_and_each_is_to_come_back_at_another_time(
    tmp_path: Path,
) -> None:
    async with (
        serving(tmp_path, INGRESS__REFUSALS_PER_SECOND_MAX=100_000) as (_, url),
        clients(url, 1, "sk_backend") as (one,),
    ):
        nonsense = b'{"batch":[' + b"?" * 200_000
        async with flooding(url, 60) as flood:
            answers = [await one.post(nonsense) for _ in range(10)]
            assert 429 in {answer.status for answer in answers}, "whoever decodes it first says 400"
            while len(flood.refusals) < 300:
                await one.post(order())
        waits = Counter(answer.retry_s for answer in flood.refusals)
        assert len(waits) >= 3, waits
        assert {answer.json["code"] for answer in flood.refusals} == {"overloaded"}
        while (calm := await one.post(nonsense)).status == 429:
            await one.post(order())
        assert (calm.status, calm.json["code"]) == (400, "invalid_json")


async def test_a_visitor_at_full_speed_is_held_to_the_rate_of_an_address_and_others_are_not(tmp_path: Path) -> None:
    async with (
        serving(tmp_path) as (server, url),
        clients(url, 1, "sk_backend") as (backend,),
    ):
        before = memory_kb(server.pid)
        async with flooding(url, 4, "wk_web", "anonymousId") as flood:
            while len(flood.refusals) < 20:
                assert (await backend.post(order())).status == 200
        assert {answer.json["code"] for answer in flood.refusals} == {"too_many_for_address"}
        assert all(answer.retry_s >= 1 for answer in flood.refusals)
        assert flood.accepted <= 2_500 + 4 * BATCH, "what may come at once, and a batch of each connection"
        assert memory_kb(server.pid) - before < 32_000
        answer = await backend.post(batch(BATCH))
        assert answer.json["accepted"] == BATCH, "who holds a server key is not that visitor"
        async with connect(f"{url.replace('http', 'ws')}/v1/ws", compression=None) as page:
            await page.send('{"t":"hello","token":"wk_web","user":{"anonymousId":"v"}}')
            await page.recv()
            await page.send('{"t":"ev","id":1,"e":[{"type":"track","event":"Product Viewed"}]}')
            said = json.loads(await page.recv())
            assert (said["t"], said["id"], said["code"]) == ("err", 1, "too_many_for_address")
            assert said["retry_ms"] >= 1


def memory_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])
