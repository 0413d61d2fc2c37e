"""What a page or a back end should not send, against the whole server: it spoils nothing of what comes with it."""

from __future__ import annotations

import gzip
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from cuebird.serving.app import App, open_app
from cuebird.settings.config import ServerSettings, Settings, StoreSettings
from tests.acceptance.kill.evidence import gather
from tests.acceptance.kill.process import SITE, launched
from tests.unit.ingress.odd import odd

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

TORN = b'{"type":"track","event":"Torn","userId":"%b","messageId":"torn","properties":{"n":"caf\\ud83d"}}'
DEEP = b'{"type":"track","event":"Deep","userId":"%b","properties":{"n":' + b"[" * 2_000 + b"]" * 2_000 + b"}}"


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    settings = Settings(server=ServerSettings(dev=True, port=0), store=StoreSettings(path=str(tmp_path / "cuebird.db")))
    async with open_app(settings, SITE) as opened:
        yield opened


async def stored(app: App, user: str) -> list[str]:
    """Message ids in the journal, in their order."""
    return [entry.event.message_id async for entries in app.store.history(user) for entry in entries]


def good(user: str, number: int) -> bytes:
    """One message of many."""
    what = {
        "type": "track",
        "event": "Looked",
        "userId": user,
        "messageId": f"good-{number}",
        "properties": {"n": number},
    }
    return msgspec.json.encode(what)


# --- as a page does it --------------------------------------------------------------------------------------------


async def test_half_an_emoji_in_one_frame_loses_no_order(tmp_path: Path) -> None:
    database = tmp_path / "cuebird.db"
    settings = {"STORE__PATH": database}
    async with launched("serve", SITE, "--dev", "--port", "0", settings=settings) as server:
        url = await server.ready()
        async with connect(url.replace("http", "ws") + "/v1/ws", compression=None) as page:
            await page.send('{"t":"hello","user":{"userId":"ann"}}')
            await page.recv()
            await page.send(b'{"t":"ev","id":1,"e":[%b,%b]}' % (good("ann", 1), TORN % b"ann"), text=True)
            first = msgspec.json.decode(await page.recv())
            await page.send(b'{"t":"ev","id":2,"e":[%b]}' % good("ann", 2), text=True)
            second = msgspec.json.decode(await page.recv())
        assert await server.terminate() == 0, server.said
    assert [(first["t"], first["id"], first["n"]), (second["t"], second["id"])] == [("ok", 1, 2), ("ok", 2)]
    journal = (await gather(database, [], [])).journal
    assert [entry.event.message_id for entry in journal if entry.event.user == "ann"] == ["good-1", "torn", "good-2"]
    assert journal[-2].event.body == b'{"n":"caf\\ufffd"}'


@pytest.mark.parametrize("bad", [TORN, DEEP, b"{%b", b'{"n":"\xff%b"}', b'{"%b":NaN}'], ids=["torn", "deep", "open", "latin", "nan"])  # fmt: skip
@pytest.mark.parametrize("way", ["/v1/batch", "/v1/events"])
async def test_of_a_hundred_messages_a_bad_one_costs_itself_alone(app: App, way: str, bad: bytes) -> None:
    messages = [good("ann", number) for number in range(99)]
    body = b",".join([*messages[:30], bad % b"ann", *messages[30:]])
    body = b'{"writeKey":"k","batch":[%b]}' % body if way == "/v1/batch" else b"[%b]" % body
    async with httpx2.AsyncClient(base_url=app.url) as http:
        answer = await http.post(way, content=body)
    ids = await stored(app, "ann")
    if bad == b"{%b":
        assert (answer.status_code, answer.json()["code"], ids) == (400, "invalid_json", [])
    elif bad == TORN:
        assert (answer.status_code, answer.json()["accepted"], answer.json()["rejected"]) == (200, 100, [])
        assert len(ids) == 100
    else:
        assert (answer.status_code, answer.json()["accepted"]) == (200, 99)
        assert [row["index"] for row in answer.json()["rejected"]] == [30]
        assert ids == [f"good-{number}" for number in range(99)]


async def test_a_trait_of_four_megabytes_is_refused_by_name_and_nothing_of_it_is_kept(app: App) -> None:
    body = msgspec.json.encode({"type": "identify", "userId": "fat", "traits": {"t1": "a" * 4_100_000}})
    packed = gzip.compress(body)
    assert len(packed) < 5_000
    async with httpx2.AsyncClient(base_url=app.url) as http:
        answer = await http.post("/v1/identify", content=packed)
        told = await http.post("/v1/identify", json={"userId": "fat", "traits": {"t1": "a" * 8_193}})
    (row,) = answer.json()["rejected"]
    assert (answer.status_code, row["code"], row["field"]) == (200, "too_large", "traits")
    assert "4,100,009 bytes, at most 65,536" in row["message"]
    (row,) = told.json()["rejected"]
    assert (row["code"], row["field"]) == ("too_long", "traits.t1")
    assert await stored(app, "fat") == []


# --- as nobody does it --------------------------------------------------------------------------------------------


def broken(rng: random.Random, text: bytes) -> bytes:
    """The same cut off, or with bytes that are others."""
    if rng.random() < 0.5:
        return text[: rng.randrange(len(text))]
    spoiled = bytearray(text)
    for _ in range(rng.randrange(1, 4)):
        spoiled[rng.randrange(len(spoiled))] = rng.choice(b'"\\{}[],:0eu\xff ')
    return bytes(spoiled)


async def test_whatever_is_in_one_message_of_a_body_the_others_are_stored(app: App) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    rng = random.Random(seed)
    async with httpx2.AsyncClient(base_url=app.url) as http:
        for case in range(250):
            user = f"u{case}"
            count, at = rng.randrange(1, 6), rng.randrange(6)
            messages = [good(user, number) for number in range(count)]
            messages.insert(at, odd(rng, user.encode()))
            body = rng.choice([b"[%b]", b'{"batch":[%b]}', b'{"context":{"a":"\\ud83d"},"batch":[%b]}']) % b",".join(
                messages
            )
            spoiled = rng.random() < 0.3
            answer = await http.post(
                rng.choice(["/v1/batch", "/v1/events"]), content=broken(rng, body) if spoiled else body
            )
            assert answer.status_code == 200 or (spoiled and answer.status_code == 400), (answer.text, body)
            if spoiled:
                continue
            told = answer.json()
            assert told["accepted"] + told["duplicates"] + len(told["rejected"]) == count + 1, (told, body)
            assert {row["index"] for row in told["rejected"]} <= {min(at, count)}, (told, body)
            assert [i for i in await stored(app, user) if i.startswith("good")] == [
                f"good-{i}" for i in range(count)
            ], (told, body)


class Page:
    """A client that comes back, and keeps what each of its frames was answered."""

    def __init__(self, url: str) -> None:
        self.url = url.replace("http", "ws") + "/v1/ws"
        self.acked = 0
        self.errs: set[int] = set()
        self.closes: list[int] = []
        self.connection: ClientConnection | None = None

    async def say(self, text: bytes) -> None:
        """Sends it, and a ping after it whose answer says that it was read."""
        if self.connection is None:
            self.connection = await connect(self.url, compression=None, ping_interval=None)
            await self.connection.send('{"t":"hello"}')
        try:
            await self.connection.send(text, text=True)
            await self.connection.send('{"t":"ping"}')
            while not self._heard(msgspec.json.decode(await self.connection.recv())):
                pass
        except ConnectionClosed:
            self.closes.append(self.connection.close_code or 0)
            self.connection = None

    async def leave(self) -> None:
        if self.connection is not None:
            await self.connection.close()

    def _heard(self, told: Any) -> bool:
        heard = told if isinstance(told, list) else [told]
        for frame in heard:
            if frame["t"] == "ok":
                self.acked = max(self.acked, frame["id"])
            elif frame["t"] == "err" and "id" in frame:
                self.errs.add(frame["id"])
        return any(frame["t"] == "pong" for frame in heard)


async def test_whatever_is_in_a_frame_no_ok_passes_what_is_not_stored(app: App) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    rng = random.Random(seed)
    page = Page(app.url)
    lost_with_the_connection: set[int] = set()
    for number in range(1, 251):
        messages = [good(f"u{number}", 1), odd(rng, b"u%d" % number), good(f"u{number}", 2)]
        form = rng.choice([b'{"t":"ev","id":%d,"e":[%b]}', b'[{"t":"pong"},{"id":%d,"t":"ev","e":[%b]}]'])
        frame = form % (number, b",".join(messages))
        cut = rng.random() < 0.3
        closes = len(page.closes)
        # A text that is no UTF-8 is refused before anybody reads it (close 1007).
        await page.say(frame[: rng.randrange(len(frame)) if cut else None].decode(errors="ignore").encode())
        if len(page.closes) > closes:
            assert cut, frame
            lost_with_the_connection.add(number)
    await page.say(b'{"t":"ev","id":251,"e":[]}')
    while page.acked < 251:
        await page.say(b'{"t":"pong"}')
    await page.leave()
    assert set(page.closes) <= {4104}
    for number in set(range(1, 251)) - page.errs - lost_with_the_connection:
        ids = await stored(app, f"u{number}")
        assert {"good-1", "good-2"} <= set(ids), f"frame {number} of seed {seed} is covered by an ok"
