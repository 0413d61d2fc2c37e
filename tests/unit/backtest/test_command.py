"""`cuebird backtest` as a shop owner reads it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cuebird.commands.backtest import command, page
from replay.backtest.backtest import Backtest
from tests.unit.backtest.test_backtest import CART, Shop, site
from tests.unit.engine.town import MINUTE, START, event


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A database beside a site: ann and bob were reminded, and ann bought."""

    async def fill() -> None:
        made = Shop(tmp_path, site())
        async with made as town:
            await town.take(event("ann", "product_added", price=60), event("bob", "product_added", price=90))
            await town.pass_time(60 * MINUTE)
            await town.take(event("ann", "order_completed", total=60))

    asyncio.run(fill())
    return tmp_path


def write(shop: Path, cart: str) -> None:
    (shop / "campaigns").mkdir(exist_ok=True)
    (shop / "campaigns" / "cart.yaml").write_text(cart)


def run(shop: Path, *arguments: str) -> tuple[int, str]:
    ran = CliRunner().invoke(command, [str(shop), "--against", str(shop / "data" / "cuebird.db"), *arguments])
    return ran.exit_code, ran.output


def test_the_page_says_who_is_no_longer_sent_and_why(shop: Path) -> None:
    write(shop, CART.replace("price > 50", "price > 80"))
    code, page = run(shop, "--users", "cart")
    assert code == 0
    assert page.splitlines() == [
        "3 events from 2026-01-05 08:00 to 2026-01-05 09:00, 2 people",
        "",
        "cart                            recorded     changed",
        "  entered                              2           1",
        "  sent                                 2           1",
        "  goal reached                         1           0",
        "    worth                          60.00        0.00",
        "  no longer sent: 1 to 1 people; the goal followed 1 of them, worth 60.00",
        "    1 because, with the change, not entered: condition",
        "  no longer sent:",
        "    2026-01-05 08:30  ann  reminder: not entered: condition; the goal followed",
    ]


def test_who_is_left_out_is_named_with_the_reason_and_not_without_end() -> None:
    left_out = {f"user{number}": "KeyError: 'a bug'" for number in range(10, 32)}
    found = Backtest(since=START, until=START + MINUTE, inputs=40, people=2, left_out=left_out, campaigns=[])
    lines = list(page(found, site(), None))
    assert lines[1:3] == [
        "left out, for their actors failed: 22; none of their messages is compared",
        "  user10: KeyError: 'a bug'",
    ]
    assert lines[-1] == "  and 2 more: --json has them all"


def test_the_same_site_is_told_in_one_line(shop: Path) -> None:
    write(shop, CART)
    assert run(shop)[1].splitlines()[-1] == "no difference in cart"


def test_json_holds_everything(shop: Path) -> None:
    write(shop, CART.replace("30m", "40m"))
    code, text = run(shop, "--since", "2026-01-05T08:00:00Z", "--json")
    told = json.loads(text)
    assert code == 0
    assert told["left_out"] == {}
    assert [one["later_ms"] for one in told["campaigns"][0]["at_another_time"]] == [600_000, 600_000]
    assert told["campaigns"][0]["median_later_ms"] == 600_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--since", "soon"], "'soon' is neither how long ago"),
        (["--users", "cat"], "has no campaign cat; did you mean `cart`?"),
    ],
)
def test_what_cannot_be_meant_is_told(shop: Path, arguments: list[str], message: str) -> None:
    write(shop, CART)
    code, text = run(shop, *arguments)
    assert code == 2
    assert message in text


def test_a_database_that_is_not_there_is_told(tmp_path: Path) -> None:
    write(tmp_path, CART)
    code, text = run(tmp_path)
    assert code == 1
    assert "there is no database" in text
