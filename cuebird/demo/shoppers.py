"""Synthetic visitors: they speak the real protocol to the real server, so that the demo is never an empty room.

Seeded: the same seed makes the same visitors with the same wishes. When exactly they come is up to the machine.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from cuebird.demo.pages import Product

NAMES: Final = ("ada", "ben", "cleo", "dora", "emil", "fay", "gus", "hana", "ivo", "june", "kit", "lena")

LOOKS = (1, 6)
"""At least and at most so many products a visit."""
PAUSE_S = (8.0, 60.0)
"""Between two things that a visitor does, in seconds of the demo's clock."""
AWAY_S = (120.0, 1500.0)
"""Between two visits."""
RECONNECT_S = 1.0

Message = dict[str, Any]


class Shopper:
    """One visitor, who comes again and again. `base` is the server's address, `http://127.0.0.1:8700`."""

    def __init__(self, number: int, seed: int, base: str, products: Sequence[Product], speed: float, key: str) -> None:
        self._random = random.Random(f"{seed}/{number}")  # noqa: S311  # wishes, not secrets
        self._number = number
        self._base = base
        self._products = products
        self._speed = speed
        self._key = key
        self._visit = 0
        self._sent = 0
        self._anonymous = ""
        self._user = ""
        self._cart: dict[str, Product] = {}

    async def live(self) -> None:
        """Until cancelled. A server that is away is tried again."""
        await self._wait(0, AWAY_S[0])
        while True:
            try:
                await self.visit()
            except (OSError, ConnectionClosed, TimeoutError):
                await asyncio.sleep(RECONNECT_S)
            await self._wait(*AWAY_S)

    async def visit(self) -> None:
        """Come, look around, perhaps buy, leave. Raises ConnectionClosed or OSError if the server goes away."""
        self._visit += 1
        self._begin()
        address = f"ws{self._base.removeprefix('http')}/v1/ws"
        async with connect(address, subprotocols=[Subprotocol("cuebird.v1.json")], compression=None) as line:
            await self._say(line, self._hello())
            reader = asyncio.create_task(self._listen(line))
            try:
                await self._shop(line)
            finally:
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)

    def _begin(self) -> None:
        """A new visit is somebody new two times in three."""
        if not self._anonymous or self._random.random() < 0.67:
            self._anonymous = f"shopper-{self._number}-{self._visit}-{self._random.getrandbits(32):08x}"
            self._user = ""
            self._cart = {}

    async def _shop(self, line: ClientConnection) -> None:
        chance = self._random.random
        await self._tell(line, {"type": "page", "name": "Shop", "properties": {"path": "/shop"}})
        if not self._user and chance() < 0.55:
            await self._sign_in(line)
        for product in self._random.choices(self._products, k=self._random.randint(*LOOKS)):
            await self._wait(*PAUSE_S)
            await self._track(line, "Product Viewed", self._about(product))
            if chance() < 0.35:
                await self._wait(*PAUSE_S)
                self._cart[product.product_id] = product
                await self._track(line, "Product Added", {**self._about(product), "quantity": 1})
        if self._cart and chance() < 0.2:
            product = self._cart.pop(self._random.choice(sorted(self._cart)))
            await self._track(line, "Product Removed", self._about(product))
        if self._cart and chance() < 0.4:
            await self._wait(*PAUSE_S)
            await self._buy(line)
        elif self._user and chance() < 0.15:
            await self._track(line, "Signed Out", {})
        await self._wait(*PAUSE_S)

    async def _sign_in(self, line: ClientConnection) -> None:
        name = self._random.choice(NAMES)
        self._user = f"{name}.{self._number}@example.test"
        consent = {"marketing": self._random.random() < 0.75}
        traits = {"email": self._user, "first_name": name.title(), "consent": consent}
        await self._tell(line, {"type": "identify", "traits": traits})
        await self._track(line, "Signed Up", {"method": "email"})

    async def _buy(self, line: ClientConnection) -> None:
        bought = [{**self._about(product), "quantity": 1} for product in self._cart.values()]
        total = sum(product.price for product in self._cart.values())
        order = f"{self._number}-{self._visit}-{self._random.getrandbits(16):04x}"
        await self._track(line, "Order Completed", {"order_id": order, "total": total, "products": bought})
        self._cart = {}

    async def _listen(self, line: ClientConnection) -> None:
        """Answer heart-beats; look at what is shown, and now and then click it."""
        async for text in line:
            decoded = msgspec.json.decode(text)
            for frame in decoded if isinstance(decoded, list) else [decoded]:
                if frame.get("t") == "ping":
                    await self._say(line, {"t": "pong"})
                elif frame.get("t") == "push":
                    status = "clicked" if self._random.random() < 0.4 else "dismissed"
                    for each in ("seen", status):
                        await self._say(line, {"t": "ack", "offset": frame["offset"], "status": each})

    def _hello(self) -> Message:
        user = {"anonymousId": self._anonymous, **({"userId": self._user} if self._user else {})}
        return {"t": "hello", "token": self._key, "client": "shopper/1", "user": user, "want": ["push"]}

    def _about(self, product: Product) -> Message:
        where = {"image_url": f"{self._base}/demo/img/{product.product_id}.svg"}
        where["url"] = f"{self._base}/shop?product={product.product_id}"
        facts = {"product_id": product.product_id, "name": product.name, "category": product.category}
        return {**facts, "price": product.price, **where}

    async def _track(self, line: ClientConnection, event: str, properties: Message) -> None:
        await self._tell(line, {"type": "track", "event": event, "properties": properties})

    async def _tell(self, line: ClientConnection, message: Message) -> None:
        self._sent += 1
        ids = {"anonymousId": self._anonymous, "messageId": f"{self._anonymous}-{self._sent}"}
        who = {"userId": self._user} if self._user else {}
        await self._say(line, {"t": "ev", "id": self._sent, "e": [{**message, **ids, **who}]})

    async def _say(self, line: ClientConnection, frame: Message) -> None:
        await line.send(msgspec.json.encode(frame).decode())

    async def _wait(self, least: float, most: float) -> None:
        await asyncio.sleep(self._random.uniform(least, most) / self._speed)


async def live(number: int, *, seed: int, base: str, products: Sequence[Product], speed: float, key: str) -> None:
    """So many visitors, until cancelled."""
    async with asyncio.TaskGroup() as tasks:
        for each in range(1, number + 1):
            tasks.create_task(Shopper(each, seed, base, products, speed, key).live())
