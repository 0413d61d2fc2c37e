"""A running demo and somebody who uses it from outside: for the acceptance tests."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import msgspec

from cuebird.demo.catcher import Caught
from cuebird.demo.run import RunningDemo, open_demo
from cuebird.demo.settings import DemoSettings
from engine.clock import SystemClock
from tests.acceptance.kill.process import until

WAIT_S = 20.0

FAST = 1800.0
"""Half an hour a second."""

NOW = 1_767_600_000_000
MINUTE = 60_000
LOOKS = 36_000.0
"""So fast is a clock that is moved by hand that who waits for half an hour looks at it each 50 ms."""


class Hand:
    """Moves the clock of a demo, which stands still otherwise, however busy the machine is."""

    def __init__(self) -> None:
        self._moved = 0.0
        self.clock = SystemClock(LOOKS, wall_ms=lambda: NOW, steady_ms=lambda: round(self._moved))

    def pass_minutes(self, minutes: int) -> None:
        self._moved += minutes * MINUTE / LOOKS


class Visitor:
    """Somebody who shops over HTTP."""

    def __init__(self, demo: RunningDemo, http: httpx2.AsyncClient, name: str) -> None:
        self.demo = demo
        self.http = http
        self.email = f"{name}@example.test"
        self._ids = {"anonymousId": f"device-of-{name}"}
        self._sent = 0

    async def sign_in(self, *, marketing: bool = True) -> None:
        self._ids["userId"] = self.email
        traits = {"email": self.email, "first_name": "Robin", "consent": {"marketing": marketing}}
        await self._tell({"type": "identify", "traits": traits})

    async def does(self, event: str, **properties: Any) -> None:
        await self._tell({"type": "track", "event": event, "properties": properties})

    async def adds(self, product: str, name: str, price: float) -> None:
        where = f"{self.demo.base}/shop?product={product}"
        await self.does("Product Added", product_id=product, name=name, price=price, cart_id="c1", url=where)

    async def _tell(self, message: dict[str, Any]) -> None:
        self._sent += 1
        ids = {**self._ids, "messageId": f"{self.email}-{self._sent}"}
        answer = await self.http.post("/v1/events", json={"writeKey": "wk_demo", "batch": [{**message, **ids}]})
        assert answer.json() == {"success": True, "accepted": 1, "duplicates": 0, "rejected": []}, answer.text

    async def known_for(self, event: str) -> None:
        """Waits until an event of that name is in the journal of this visitor."""

        async def is_there() -> bool:
            entries = [entry async for batch in self.demo.store.history(self.email) for entry in batch]
            return any(entry.event.name == event for entry in entries)

        await until(is_there, f"{self.email} has {event}")

    def letters(self) -> list[Caught]:
        return [letter for letter in self.demo.catcher.messages if letter.to == self.email]

    async def letter(self, subject: str) -> Caught:
        """Waits for the letter whose subject holds that."""
        async with asyncio.timeout(WAIT_S):
            count = 0
            while True:
                found = next((letter for letter in self.letters() if subject in letter.subject), None)
                if found is not None:
                    return found
                count = max(count, len(self.demo.catcher.messages)) + 1
                await self.demo.catcher.wait_for(count)


@asynccontextmanager
async def running_demo(
    data: Path, *, speed: float = FAST, shoppers: int = 0, hand: Hand | None = None
) -> AsyncIterator[RunningDemo]:
    told = DemoSettings(data=data, port=0, speed=speed, shoppers=shoppers)
    async with open_demo(told, hand.clock if hand is not None else None) as demo:
        yield demo


@asynccontextmanager
async def browsing(demo: RunningDemo) -> AsyncIterator[httpx2.AsyncClient]:
    """A client as a person has it: no redirect is followed unseen."""
    agent = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0 Safari/537.36"}
    # Nothing is encrypted here: the certificates of the world need not be read.
    async with httpx2.AsyncClient(base_url=demo.base, headers=agent, timeout=WAIT_S, verify=False) as http:
        yield http


async def overview_when(http: httpx2.AsyncClient, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Reads the dashboard's stream until it shows that."""
    last: dict[str, Any] = {}
    async with asyncio.timeout(WAIT_S), http.stream("GET", "/v1/stats/stream") as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data: "):
                last = msgspec.json.decode(line.removeprefix("data: "))
                if holds(last):
                    return last
    raise AssertionError(f"the stream ended; it last said {last}")


def links(html: str) -> list[str]:
    return re.findall(r'href="([^"]+)"', html)
