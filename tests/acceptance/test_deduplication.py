"""What is sent again is taken once, by a server that is killed, whatever came between."""

from __future__ import annotations

import json
import random
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.acceptance.kill.post_office import post_office
from tests.acceptance.kill.process import SITE, launched, until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SERVER_KEY = "sk_shop"

Message = dict[str, Any]
Settings = dict[str, str | int | Path]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """With a key for the shop's own server, whose speed nobody limits."""
    site = tmp_path / "site"
    shutil.copytree(SITE, site)
    with (site / "cuebird.toml").open("a") as file:
        file.write(f'\n[[keys.server]]\nname = "shop"\nvalue = "{SERVER_KEY}"\n')
    return site


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return {"STORE__PATH": tmp_path / "data" / "cuebird.db"}


async def post(url: str, messages: list[Message]) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {SERVER_KEY}"}
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=30) as http:
        answer = await http.post("/v1/batch", content=json.dumps({"batch": messages}, separators=(",", ":")))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


def views(number: int, **who: str) -> list[Message]:
    return [{"type": "track", "event": "View", "messageId": f"v-{each}", **who} for each in range(number)]


def taken(number: int) -> dict[str, Any]:
    return {"success": True, "accepted": number, "duplicates": 0, "rejected": []}


def known(number: int) -> dict[str, Any]:
    return {"success": True, "accepted": 0, "duplicates": number, "rejected": []}


async def test_whole_batches_of_one_user_are_known_again_also_after_a_kill(site: Path, settings: Settings) -> None:
    few, many = views(300, userId="ann"), views(10_000, userId="bob")
    async with launched("serve", site, "--dev", "--port", "0", settings=settings) as server:
        url = await server.ready()
        for batch in (few, many):
            assert await post(url, batch) == taken(len(batch))
            assert await post(url, batch) == known(len(batch))
        await server.kill()
    for _ in range(2):
        async with launched("serve", site, "--dev", "--port", "0", settings=settings) as server:
            url = await server.ready()
            for batch in (few, many):
                assert await post(url, batch) == known(len(batch))
            assert await server.terminate() == 0, server.said


async def test_what_a_visitor_did_is_known_again_when_we_know_who_that_was(site: Path, settings: Settings) -> None:
    as_visitor = views(300, anonymousId="device")
    as_user = [{**message, "messageId": f"u{message['messageId']}"} for message in views(300, userId="ann")]
    async with launched("serve", site, "--dev", "--port", "0", settings=settings) as server:
        url = await server.ready()
        assert await post(url, as_visitor) == taken(300)
        assert await post(url, as_user) == taken(300)
        alias = {"type": "alias", "userId": "ann", "previousId": "device", "messageId": "it is me"}
        assert await post(url, [alias]) == taken(1)
        assert await post(url, [*as_visitor, *as_user, alias]) == known(601)
        await server.kill()
    async with launched("serve", site, "--dev", "--port", "0", settings=settings) as server:
        assert await post(await server.ready(), [*as_visitor, *as_user, alias]) == known(601)


async def test_an_order_that_is_sent_again_after_five_thousand_views_gets_one_receipt(
    site: Path, settings: Settings
) -> None:
    traits = {"email": "ann@kill.example", "consent": {"marketing": True}}
    order = {
        "type": "track",
        "userId": "ann",
        "event": "Order Completed",
        "messageId": "order-o1",
        "properties": {"order_id": "o1"},
    }
    async with post_office(random.Random(1)) as office:
        with_post = {**settings, "SMTP__PORT": office.port}
        async with launched("serve", site, "--dev", "--port", "0", settings=with_post) as server:
            url = await server.ready()
            known_by = {"type": "identify", "userId": "ann", "traits": traits, "messageId": "known"}
            assert await post(url, [known_by, order]) == taken(2)
            assert await post(url, views(5_000, userId="ann")) == taken(5_000)
            assert await post(url, [order]) == known(1)
            second = {**order, "messageId": "order-o2", "properties": {"order_id": "o2"}}
            assert await post(url, [second]) == taken(1)
            await until(lambda: any("o2" in letter.subject for letter in office.letters), "the receipt of o2 is there")
            assert await server.terminate() == 0, server.said
    receipts = [letter.subject for letter in office.letters if letter.subject.startswith("Receipt")]
    assert sorted(receipts) == ["Receipt o1", "Receipt o2"]


async def test_what_happened_longer_ago_than_anything_may_be_late_is_rejected_alone(
    site: Path, settings: Settings
) -> None:
    batch = views(3, userId="ann")
    batch[1]["timestamp"] = datetime.now(UTC).replace(microsecond=0).isoformat()
    batch[2]["timestamp"] = (datetime.now(UTC) - timedelta(hours=49)).isoformat()
    async with launched("serve", site, "--dev", "--port", "0", settings=settings) as server:
        url = await server.ready()
        for accepted, duplicates in ((2, 0), (0, 2)):
            answer = await post(url, batch)
            (bad,) = answer.pop("rejected")
            assert answer == {"success": True, "accepted": accepted, "duplicates": duplicates}
            assert (bad["index"], bad["code"], bad["field"]) == (2, "too_old", "timestamp")
            assert "49.0 hours before it came, and at most 24.0 hours are taken" in bad["message"]
