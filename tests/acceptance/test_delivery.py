"""From an event to the mail in the inbox and its click back in the journal: real engine, SQLite, SMTP and HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from starlette.applications import Starlette

from actors.model.event import Event, Kind
from actors.model.turn import Send
from actors.values.token import Tokens
from cuebird.demo.catcher import Catcher
from delivery.dispatcher import Dispatcher
from delivery.push import PushMessage
from delivery.render import Templates
from delivery.settings import DeliverySettings, SmtpSettings
from engine.clock import SystemClock
from engine.engine import Engine
from engine.listener import EngineListener
from engine.submit import Receipt
from ingress.http.tracking import Tracking
from language.compiler.compile import compile_site
from language.load import load_site
from persistence.sqlite import SqliteStore

pytestmark = pytest.mark.anyio

WAIT_S = 10.0


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The loop that the server runs on: its transports are not asyncio's own."""
    return "asyncio", {"use_uvloop": True}


SITE = {
    "campaigns/cart.yaml": """
campaign: cart
why: the reminder
entry: {event: product_added}
exit_when: [order_completed]
steps:
  - send: {push: nudge}
  - send: {email: cart_1}
  - wait: {until: [email_clicked where link = "offer"], up_to: 1h, as: clicked}
  - branch:
      - when: clicked
        do: [{send: {email: thanks, purpose: transactional}}]
""",
    "templates/cart_1.html": """---
subject: "{{ user_name }}, your cart"
---
<p>{% for item in cart.items %}{{ item.name }}: {{ item.price | money }}{% endfor %}</p>
<a data-link="offer" href="https://shop.example/cart">Buy</a>
""",
    "templates/thanks.html": "---\nsubject: Thanks for looking\n---\n<p>Hi {{ user.name }}</p>",
    "templates/nudge.push.yaml": 'title: "Still thinking, {{ user_name }}?"',
}
ANN = {"email": "ann@example.test", "name": "Ann", "consent": {"marketing": True}}
PERSON = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}


class Waking(EngineListener):
    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    def on_sends(self, sends: list[Send]) -> None:
        self._dispatcher.wake(sends)


class Shop:
    def __init__(
        self, path: Path, catcher: Catcher, clock: SystemClock, store: SqliteStore, *, utm: bool = True
    ) -> None:
        program = compile_site(load_site(path))
        tokens = Tokens([bytes(32)])
        settings = DeliverySettings(public_url="http://shop.test", utm=utm)
        self.pushed: list[tuple[float, PushMessage]] = []
        self.catcher = catcher
        self.store = store
        self.engine = Engine(store, program, clock=clock)
        self.dispatcher = Dispatcher(
            store=store,
            write=self.engine.write,
            submit=self.engine.submit,
            recheck=self.engine.recheck,
            publish=self.publish,
            templates=Templates.of(load_site(path).letters, settings, tokens),
            smtp=SmtpSettings(port=catcher.port, security="none", from_address="news@shop.example"),
            settings=settings,
            clock=clock,
            boot="boot",
        )
        self.engine.listener = Waking(self.dispatcher)

        async def wishes(user: str, topic: str) -> None:
            """Nothing is known of the users of this outbox."""

        tracking = Tracking(
            wishes=wishes,
            tokens=tokens,
            submit=self.engine.submit,
            link=store.link,
            send=self.send,
            delivered_at=lambda send: None,
            now_ms=clock.now_ms,
        )
        transport = httpx2.ASGITransport(Starlette(routes=tracking.routes()))
        self.http = httpx2.AsyncClient(transport=transport, base_url="http://shop.test", headers=PERSON)

    def publish(self, user: str, push: PushMessage) -> int:
        self.pushed.append((asyncio.get_running_loop().time(), push))
        return 1

    async def send(self, identity: str) -> Send | None:
        found = (await self.store.sends([identity])).get(identity)
        return found.send if found else None

    async def tell(self, name: str, kind: Kind = "track", /, **body: Any) -> Receipt:
        answer: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        body_ = msgspec.json.encode(body)
        event = Event(user="ann", kind=kind, name=name, message_id=f"{name}-{kind}", body=body_)
        self.engine.submit([event], answer.set_result)
        return await asyncio.wait_for(answer, WAIT_S)

    async def mail(self, number: int) -> str:
        await asyncio.wait_for(self.catcher.wait_for(number), WAIT_S)
        message = self.catcher.find(number)
        assert message is not None
        return message.html

    async def until(self, true: Callable[[dict[str, int]], bool]) -> dict[str, int]:
        """Waits until the store's counts are so."""
        async with asyncio.timeout(WAIT_S):
            while not true(counts := await self.store.counts()):
                await self.engine.written()
        return counts


@asynccontextmanager
async def open_shop(tmp_path: Path, *, utm: bool = True, letter: str = "") -> AsyncIterator[Shop]:
    """`letter`: instead of the reminder's."""
    for name, text in (SITE | ({"templates/cart_1.html": letter} if letter else {})).items():
        file = tmp_path / "site" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    clock = SystemClock()
    catcher = Catcher(clock.now_ms)
    await catcher.start()
    store = SqliteStore(tmp_path / "data" / "live.db")
    shop = Shop(tmp_path / "site", catcher, clock, store, utm=utm)
    await shop.engine.open()
    tasks = [asyncio.ensure_future(shop.engine.run()), asyncio.ensure_future(shop.dispatcher.run())]
    try:
        yield shop
        for task in tasks:
            assert not task.done(), task.exception()
        await shop.dispatcher.stop()
        await shop.engine.drain()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await shop.http.aclose()
        await catcher.stop()
        with contextlib.suppress(Exception):
            await store.close()


async def test_a_cart_becomes_a_mail_and_its_click_becomes_the_next_one(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        await shop.tell("", "identify", **ANN)
        await shop.tell("product_added", product_id="lamp", name="Lamp & co", price=49.5)
        html = await shop.mail(1)
        mail = shop.catcher.messages[0]
        assert (mail.subject, mail.to) == ("Ann, your cart", "ann@example.test")
        assert "Lamp &amp; co: $49.50" in html
        (link,) = re.findall(r'href="http://shop\.test(/c/[\w-]{36})"', html)
        answer = await shop.http.get(link)
        assert answer.status_code == 302
        assert answer.headers["location"].startswith("https://shop.example/cart?utm_source=cuebird")
        assert "Hi Ann" in await shop.mail(2)
        counts = await shop.until(lambda counts: counts["outbox.sent"] == 3)
        assert counts["outbox"] == 3


@pytest.mark.parametrize(
    ("utm", "target"), [(False, "/cart"), (True, "/cart?utm_content=spring"), (False, "/cart?a=1")]
)
async def test_a_click_is_known_by_the_links_name_whatever_its_address_says(
    tmp_path: Path, utm: bool, target: str
) -> None:
    letter = SITE["templates/cart_1.html"].replace("https://shop.example/cart", f"https://shop.example{target}")
    async with open_shop(tmp_path, utm=utm, letter=letter) as shop:
        await shop.tell("", "identify", **ANN)
        await shop.tell("product_added", product_id="lamp", name="Lamp & co", price=49.5)
        (link,) = re.findall(r'href="http://shop\.test(/c/[\w-]{36})"', await shop.mail(1))
        assert (await shop.http.get(link)).headers["location"].startswith(f"https://shop.example{target}")
        assert "Hi Ann" in await shop.mail(2)


async def test_a_push_is_on_the_page_before_the_mail_of_the_same_event_has_left(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        await shop.tell("", "identify", **ANN)
        await shop.tell("product_added", product_id="lamp", name="Lamp", price=49.5)
        await shop.mail(1)
        ((_, push),) = shop.pushed
        assert msgspec.json.decode(push.data) == {"title": "Still thinking, Ann?"}


async def test_unsubscribing_from_the_mail_stops_the_next_one(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        await shop.tell("", "identify", **ANN)
        await shop.tell("product_added", product_id="lamp", name="Lamp", price=49.5)
        html = await shop.mail(1)
        header = shop.catcher.messages[0].header("List-Unsubscribe")
        assert header is not None
        path = header.strip("<>").removeprefix("http://shop.test")
        assert path in html
        assert (await shop.http.get(path)).status_code == 200
        assert await asking(shop) is None
        answer = await shop.http.post(path, data={"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
        assert await asking(shop) == "no_consent"


async def asking(shop: Shop) -> str | None:
    """Why the mail that was sent first could not be sent now."""
    await shop.until(lambda counts: counts["outbox.sent"] >= 2)
    token = re.findall(r"/u/([\w-]{36})", shop.catcher.messages[0].raw.decode())
    found = Tokens([bytes(32)]).verify("unsubscribe", token[0])
    assert found is not None
    send = await shop.send(found[0])
    assert send is not None
    return await shop.engine.recheck(send)
