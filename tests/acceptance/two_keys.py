"""A shop whose pages hold a write key and whose back end holds a server key, as a real server: who may say what of whom."""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import jwt
from websockets.asyncio.client import connect
from websockets.typing import Origin

from actors.model.turn import Decision
from cuebird.demo.catcher import Catcher, Caught
from cuebird.serving.app import App, open_app
from cuebird.settings.config import Keys, ServerSettings, Settings, StoreSettings
from delivery.settings import DeliverySettings, SmtpSettings
from ingress.principals.keys import ProofKey, ServerKey, WriteKey
from tests.acceptance.ingress_site import Socket, until

ORIGIN = "https://shop.example"
WRITE = "wk_shop"
BACK_END = "sk_shop"
PROOF = "a proof secret of the shop, 32 bytes or more"
LINKS = "what links are signed with: 32 bytes or more"
WAIT_S = 10.0

SITE = {
    "campaigns/cart.yaml": """
campaign: cart
why: a cart that was left
entry: {event: product_added}
steps:
  - send: {email: cart}
""",
    "campaigns/receipt.yaml": """
campaign: receipt
why: what was ordered
purpose: transactional
entry: {event: order_completed, key: order_id}
steps:
  - send: {email: receipt}
  - wait: {for: 30d}
""",
    "campaigns/secret.yaml": """
campaign: secret
why: a message in the page
entry: {event: push_me}
steps:
  - send: {push: secret}
""",
    "templates/cart.html": """---
subject: 'Hey {{ user.first_name | default("you") }}: {{ entry.product_id | default("") }} {{ entry.name | default("") }} {{ entry.cart_id | default("") }}'
---
<p>Your cart. <a href="{{ unsubscribe_url }}">Unsubscribe</a></p>
""",
    "templates/receipt.html": "---\nsubject: 'Receipt {{ entry.order_id | default(\"\") }}'\n---\n<p>Thank you.</p>\n",
    "templates/secret.push.yaml": 'title: "secret of {{ user.id }}"',
}


def write_site(path: Path, policy: str = "") -> Path:
    for name, text in (SITE | {"policy.yaml": f"consent: {{marketing: opt_in}}\n{policy}\n"}).items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    return path


def proof_of(user: str, **claims: Any) -> str:
    told = {"sub": user, "aud": "cuebird", "exp": time.time() + 3600} | claims
    return jwt.encode(told, PROOF, algorithm="HS256")


class Shop:
    """A shop that serves. Each message is acknowledged, and so on disk, when the call that sends it returns."""

    def __init__(self, app: App, catcher: Catcher, http: httpx2.AsyncClient) -> None:
        self.app = app
        self.http = http
        self._catcher = catcher
        self._sent = 0

    async def say(
        self,
        *messages: dict[str, Any],
        key: str = WRITE,
        proof: str = "",
        visitor: str = "",
        origin: str | None = ORIGIN,
    ) -> dict[str, Any]:
        """One batch by HTTP, as a page sends it, or a back end."""
        headers = {"Authorization": f"Bearer {key}"}
        headers |= {"X-Cuebird-Proof": proof} if proof else {}
        headers |= {"X-Cuebird-Visitor": visitor} if visitor else {}
        headers |= {"Origin": origin} if origin and key == WRITE else {}
        batch = [{"messageId": self._next_id(), **message} for message in messages]
        answer = await self.http.post("/v1/batch", json={"batch": batch}, headers=headers)
        assert answer.status_code == 200, answer.text
        said: dict[str, Any] = answer.json()
        return said

    def _next_id(self) -> str:
        self._sent += 1
        return f"m{self._sent}-{time.monotonic_ns()}"

    async def server_says(self, *messages: dict[str, Any]) -> None:
        said = await self.say(*messages, key=BACK_END)
        assert said["rejected"] == [], said

    @asynccontextmanager
    async def page(self, **hello: Any) -> AsyncIterator[Page]:
        """A page that is open: its hello was answered."""
        address = self.app.url.replace("http", "ws") + "/v1/ws"
        cookie = hello.pop("cookie", "")
        headers = {"Cookie": cookie} if cookie else {}
        async with connect(address, origin=Origin(ORIGIN), additional_headers=headers, compression=None) as connection:
            page = Page(Socket(connection))
            await page.socket.say({"t": "hello", "token": WRITE, **hello})
            page.welcome = await page.socket.hear()
            assert page.welcome["t"] == "welcome", page.welcome
            yield page

    async def decisions(self, user: str) -> list[Decision]:
        return await self.app.store.ledger(user=user, limit=1_000)

    async def traits(self, user: str) -> dict[str, Any]:
        actor = await self.app.engine.user(user)
        return {} if actor is None else dict(actor.traits)

    async def settled(self) -> None:
        """Returns when all that is in the outbox has gone: every acknowledged event has done what it does."""

        async def nothing_is_under_way() -> bool:
            return not any((await self.app.store.unsettled()).values())

        await until(nothing_is_under_way, "the outbox is empty")

    async def letters(self, address: str) -> list[Caught]:
        """All that have arrived."""
        await self.settled()
        return [letter for letter in self._catcher.messages if letter.to == address]


class Page:
    """An open page: `welcome` is what the server said to its hello."""

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self.welcome: dict[str, Any] = {}
        self._frames = 0
        self._titles: list[str] = []

    async def says(self, *messages: dict[str, Any]) -> dict[str, Any]:
        """One frame, and the server's word on it."""
        self._frames += 1
        await self.socket.say({"t": "ev", "id": self._frames, "e": list(messages)})
        return await self._until("ok")

    async def pushes(self) -> list[str]:
        """Titles of what came so far: whatever was pushed before the answer to a ping, came before it."""
        await self.socket.say({"t": "ping"})
        await self._until("pong")
        return list(self._titles)

    async def _until(self, t: str) -> dict[str, Any]:
        while (frame := await self.socket.hear())["t"] != t:
            if frame["t"] == "push":
                self._titles.append(frame["data"]["title"])
        said: dict[str, Any] = frame
        return said


def settings(data: Path, mail_port: int) -> Settings:
    return Settings(
        server=ServerSettings(port=0, secret=LINKS),
        store=StoreSettings(path=str(data / "cuebird.db")),
        smtp=SmtpSettings(host="127.0.0.1", port=mail_port, security="none", from_address="letters@shop.example"),
        delivery=DeliverySettings(utm=False),
        keys=Keys(
            write=(WriteKey(name="web", value=WRITE, allowed_origins=(ORIGIN,)),),
            server=(ServerKey(name="back end", value=BACK_END),),
            proof=(ProofKey(key=PROOF),),
        ),
    )


@asynccontextmanager
async def open_shop(path: Path, policy: str = "") -> AsyncIterator[Shop]:
    """Opened again on the same path, it is the same shop after a restart."""
    site = write_site(path / "site", policy)
    catcher = Catcher(lambda: time.time_ns() // 1_000_000)
    await catcher.start()
    try:
        listening = socket.create_server(("127.0.0.1", 0))
        async with (
            open_app(settings(path / "data", catcher.port), site, listening=listening) as app,
            httpx2.AsyncClient(base_url=app.url, timeout=WAIT_S, verify=False) as http,
        ):
            yield Shop(app, catcher, http)
    finally:
        await catcher.stop()
