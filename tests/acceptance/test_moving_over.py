"""A shop moves over: its past comes in from a file, nobody gets a letter for it, and its rules work from it at once."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.acceptance.kill.post_office import PostOffice, post_office
from tests.acceptance.kill.process import CUEBIRD, launched, until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

KEY = "sk_shop"
USERS = 300
EVENTS = 10_000

SITE = {
    "cuebird.toml": f"""
[smtp]
security = "none"
from_address = "shop@moving.example"
[[keys.server]]
name = "shop"
value = "{KEY}"
""",
    "profile.yaml": "segments:\n  vip: spent > 500\n",
    "policy.yaml": "consent: {marketing: opt_in, tracking: opt_out}\n",
    "campaigns/thanks.yaml": """
campaign: thanks
why: who buys is thanked
purpose: marketing
topic: thanks
entry: {event: order_completed, re_entry: once}
steps:
  - send: {email: letter}
""",
    "campaigns/vip.yaml": """
campaign: vip
why: who becomes a good customer is greeted
purpose: marketing
topic: vip
entry: {event: entered segment("vip"), re_entry: once}
steps:
  - send: {email: vip}
""",
    "campaigns/win_back.yaml": """
campaign: win_back
why: who is gone is asked back
purpose: marketing
topic: win_back
entry: {event: no activity for 30d, re_entry: after 90d}
steps:
  - send: {email: letter}
""",
    "templates/letter.html": '---\nsubject: A letter\n---\n<p>Hello</p><a href="{{ unsubscribe_url }}">No more</a>',
    "templates/vip.html": '---\nsubject: "Spent {{ spent }}"\n---\n<p>Hello</p><a href="{{ unsubscribe_url }}">No more</a>',
}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    for name, text in SITE.items():
        path = tmp_path / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "site"


@pytest.fixture
async def post() -> AsyncIterator[PostOffice]:
    async with post_office(random.Random(1)) as office:
        yield office


def identify(user: str, at: datetime) -> dict[str, Any]:
    traits = {"email": f"{user}@example.test", "consent": {"marketing": True}}
    return {"type": "identify", "userId": user, "traits": traits, "timestamp": at.isoformat()}


def order(user: str, at: datetime, total: int, number: int) -> dict[str, Any]:
    told = {"order_id": f"{user}-{number}", "total": total}
    return track(user, at, "Order Completed", told) | {"messageId": f"{user}-{number}"}


def track(user: str, at: datetime, event: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "track", "userId": user, "event": event, "properties": properties, "timestamp": at.isoformat()}


def years(chance: random.Random, now: datetime) -> list[dict[str, Any]]:
    """Two years of a shop: some have bought for more than 500, some were last seen months ago, some yesterday."""
    told = [identify(f"u{number}", now - timedelta(days=731)) for number in range(USERS)]
    for number in range(EVENTS - USERS):
        user, at = f"u{chance.randrange(USERS)}", now - timedelta(minutes=chance.randrange(1, 730 * 1440))
        if chance.random() < 0.2:
            told.append(order(user, at, chance.randrange(1, 90), number))
        else:
            told.append(
                track(user, at, chance.choice(("Product Viewed", "Product Added")), {"product_id": f"p{number}"})
            )
    return sorted(told, key=lambda one: str(one["timestamp"]))


async def imported(file: Path, url: str, *options: str) -> tuple[int, dict[str, Any], str]:
    environment = os.environ | {"CUEBIRD_SERVER_KEY": KEY}
    command = [str(CUEBIRD), "import", "events", str(file), "--to", url, "--json", "--rate", "100000", *options]
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, error = await process.communicate()
    return process.returncode or 0, json.loads(out), error.decode()


def written(path: Path, messages: list[dict[str, Any]]) -> Path:
    path.write_bytes(gzip.compress("".join(json.dumps(one) + "\n" for one in messages).encode()))
    return path


async def test_ten_thousand_past_events_send_no_letter_and_the_rules_work_from_them(
    site: Path, tmp_path: Path, post: PostOffice
) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance, now = random.Random(seed), datetime.now(UTC)
    past = years(chance, now)
    past += [identify("ann", now - timedelta(days=400)), order("ann", now - timedelta(days=390), 450, 1)]
    file = written(tmp_path / "past.jsonl.gz", past)
    settings: dict[str, str | int | Path] = {
        "STORE__PATH": tmp_path / "data" / "cuebird.db",
        "SMTP__PORT": post.port,
        "SERVER__PORT": 0,
        "SERVER__SECRET": "0" * 32,
    }
    async with launched("serve", site, settings=settings) as served:
        url = await served.ready()
        headers = {"Authorization": f"Bearer {KEY}"}
        async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=30) as http:
            code, first, error = await imported(file, url)
            assert (code, first["taken"], first["refused"]) == (0, EVENTS + 2, 0), error
            beginning = written(tmp_path / "beginning.jsonl.gz", past[:2_000])
            code, again, error = await imported(beginning, url)
            assert (code, again["taken"], again["duplicates"]) == (0, 0, 2_000), error

            vips = {user for user in {one["userId"] for one in past} if spent(past, user) > 500}
            assert len(vips) > 10
            some = [*sorted(vips)[:3], "ann"]
            known = {user: (await http.get(f"/v1/users/{user}")).json() for user in some}
            assert {user: "vip" in found["segments"] for user, found in known.items()} == {
                user: user in vips for user in some
            }

            # Ann buys once more: she was thanked for her first order elsewhere, and it makes her a VIP.
            answer = await http.post("/v1/events", json=order("ann", datetime.now(UTC), 100, 2))
            assert answer.json()["accepted"] == 1
            # Bob was last seen thirty days ago, but for two seconds.
            last = datetime.now(UTC) - timedelta(days=30) + timedelta(seconds=2)
            bob = [identify("bob", last - timedelta(days=1)), track("bob", last, "Product Viewed", {"product_id": "p"})]
            assert (await imported(written(tmp_path / "bob.jsonl.gz", bob), url))[1]["taken"] == 2
            await until(lambda: len(post.letters) >= 2, "Ann and Bob have their letters")
        assert {(letter.to, letter.subject) for letter in post.letters} == {
            ("ann@example.test", "Spent 550"),
            ("bob@example.test", "A letter"),
        }
        assert await served.terminate() == 0
    assert len(post.letters) == 2


def spent(past: list[dict[str, Any]], user: str) -> int:
    return sum(one.get("properties", {}).get("total", 0) for one in past if one["userId"] == user)


async def test_what_is_refused_is_named_by_its_line_and_the_rest_is_taken(site: Path, tmp_path: Path) -> None:
    now = datetime.now(UTC) - timedelta(days=60)
    good = json.dumps(order("ann", now, 10, 1))
    without_time = json.dumps({"type": "track", "userId": "ann", "event": "a"})
    file = tmp_path / "past.jsonl"
    file.write_text("\n".join([good, "{broken", "", without_time, json.dumps(order("ann", now, 10, 2))]) + "\n")
    settings: dict[str, str | int | Path] = {
        "STORE__PATH": tmp_path / "data" / "cuebird.db",
        "SERVER__PORT": 0,
        "SERVER__SECRET": "0" * 32,
    }
    async with launched("serve", site, settings=settings) as served:
        url = await served.ready()
        kept = tmp_path / "refused.jsonl"
        code, found, _ = await imported(file, url, "--refused", str(kept))
        assert (code, found["taken"], found["refused"]) == (1, 2, 2)
        refused = [json.loads(line) for line in kept.read_text().splitlines()]
        assert sorted((one["line"], one["code"]) for one in refused) == [(2, "invalid_json"), (4, "invalid_timestamp")]
        assert (await imported(file, url, "--from-line", "5"))[1]["duplicates"] == 1
