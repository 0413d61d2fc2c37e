"""Events of one user keep the order in which their sender told them, through a real server, its engine and its store:
whoever has bought is not reminded of his cart, however the requests of his page or of the shop's back end came."""

from __future__ import annotations

import gzip
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.acceptance.two_keys import BACK_END, ORIGIN, WRITE, Shop, open_shop

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

HOUR = 3_600_000
WAITS = """
campaign: waits
why: a cart over $50 is left
entry: {event: product_added, if: cart.value > 50}
exit_when: [order_completed]
steps:
  - wait: {for: 30m}
  - send: {email: cart}
"""
TOKEN = "c2tfc2hvcDo="  # sk_shop:
LIBRARY = {"library": {"name": "@rudderstack/rudder-sdk-node", "version": "3.0.13"}}


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The loop that the server runs on."""
    return "asyncio", {"use_uvloop": True}


@asynccontextmanager
async def shop_that_waits(path: Path) -> AsyncIterator[Shop]:
    (path / "site" / "campaigns").mkdir(parents=True)
    (path / "site" / "campaigns" / "waits.yaml").write_text(WAITS)
    async with open_shop(path) as shop:
        yield shop


def iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def now_ms() -> int:
    return time.time_ns() // 1_000_000


ADD: dict[str, Any] = {"product_id": "lamp", "name": "Desk lamp", "price": 89, "quantity": 1}
ORDER: dict[str, Any] = {
    "order_id": "o1", "total": 89, "products": [{"product_id": "lamp", "price": 89, "quantity": 1}]
}  # fmt: skip


def rudder_batch(event: str, properties: dict[str, Any], *, told: int, sent: int) -> bytes:
    """What rudder-sdk-node 3.0.13 posts: gzip, `originalTimestamp` and a `sentAt` in each message."""
    message = {
        "event": event,
        "userId": "ann",
        "properties": properties,
        "type": "track",
        "context": LIBRARY,
        "_metadata": {"nodeVersion": "22.12.0"},
        "messageId": f"node-{event}",
        "originalTimestamp": iso(told),
        "channel": "server",
        "sentAt": iso(sent),
    }
    return gzip.compress(msgspec.json.encode({"batch": [message], "timestamp": iso(sent), "sentAt": iso(sent)}))


async def post_rudder(shop: Shop, body: bytes) -> None:
    headers = {
        "Authorization": f"Basic {TOKEN}",
        "Content-Type": "application/x-www-form-urlencoded",
        "Content-Encoding": "gzip",
        "User-Agent": "RudderLabs-node/3.0.13",
    }
    answer = await shop.http.post("/v1/batch", content=body, headers=headers)
    assert answer.json() == {"success": True, "accepted": 1, "duplicates": 0, "rejected": []}


async def has_bought(shop: Shop, user: str) -> None:
    """The cart is empty, and nothing waits to remind of it."""
    answer = await shop.http.get(f"/v1/users/{user}", headers={"Authorization": f"Bearer {BACK_END}"})
    found = answer.json()
    assert found["remembered"]["cart"] == {"items": [], "value": 0, "quantity": 0}
    assert [run["campaign"] for run in found["runs"] if run["campaign"] != "receipt"] == []


async def test_an_order_a_millisecond_after_the_add_leaves_no_cart_though_the_requests_were_swapped(
    tmp_path: Path,
) -> None:
    async with shop_that_waits(tmp_path) as shop:
        told = now_ms() - 2_000
        add = rudder_batch("Product Added", ADD, told=told, sent=told + 2)
        order = rudder_batch("Order Completed", ORDER, told=told + 1, sent=now_ms() - 2)
        await post_rudder(shop, order)
        await post_rudder(shop, add)
        await has_bought(shop, "ann")


def page_body(event: str, properties: dict[str, Any], *, told: int, sent: int) -> dict[str, Any]:
    """What a page posts to /v1/events."""
    message = {
        "type": "track",
        "event": event,
        "anonymousId": "v1",
        "properties": properties,
        "timestamp": iso(told),
        "messageId": f"page-{event}",
    }
    return {"writeKey": WRITE, "sentAt": iso(sent), "batch": [message]}


@pytest.mark.parametrize("slow", [0, HOUR, -HOUR, 4_900])
async def test_a_page_whose_requests_overtake_one_another_leaves_no_cart_after_an_order(
    slow: int, tmp_path: Path
) -> None:
    async with shop_that_waits(tmp_path) as shop:
        told = now_ms() - 900 - slow
        add = page_body("Product Added", ADD, told=told, sent=told + 1)
        order = page_body("Order Completed", ORDER, told=told + 1, sent=now_ms() - 3 - slow)
        for body in (order, add):
            answer = await shop.http.post("/v1/events", json=body, headers={"Origin": ORIGIN})
            assert answer.json()["accepted"] == 1
        await has_bought(shop, "~v1")
        # In the journal, so that a restart makes the same of it.
        order_at, add_at = [entry.event.occurred async for batch in shop.app.store.history("~v1") for entry in batch]
        assert order_at - add_at == 1


@pytest.mark.parametrize("slow", [0, HOUR, -HOUR])
async def test_a_page_whose_frames_took_each_its_own_time_leaves_no_cart_after_an_order(
    slow: int, tmp_path: Path
) -> None:
    """It put the add back into its queue, and sent the order first."""
    async with shop_that_waits(tmp_path) as shop, shop.page(user={"anonymousId": "v1"}) as page:
        told = now_ms() - 900 - slow
        for number, (event, properties, at, sent) in enumerate(
            [
                ("Order Completed", ORDER, told + 1, now_ms() - 3 - slow),
                ("Product Added", ADD, told, told + 1),
            ],
            start=1,
        ):
            message = {"type": "track", "event": event, "properties": properties, "timestamp": iso(at)}
            frame = {"t": "ev", "id": number, "sentAt": iso(sent), "e": [message | {"messageId": f"ws-{event}"}]}
            await page.socket.say(frame)
            assert (await page.socket.hear())["t"] == "ok"
        await has_bought(shop, "~v1")
