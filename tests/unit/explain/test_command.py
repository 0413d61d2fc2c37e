"""`cuebird explain`: what the one who runs the shop sees, and what a program is told."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from actors.model.event import Event
from cuebird.cli import main
from language.load import load_site
from persistence.interface import Commit, JournalEntry, StoredProgram
from persistence.program_periods import ProgramBeginning, entry
from persistence.sqlite import SqliteStore
from replay.explain.recall import known_site
from tests.unit.explain.story import START

CAMPAIGN = """
why: Carts that are left.
entry: {event: product_added, if: cart.value > 50}
exit_when: [order_completed]
steps:
  - wait: {idle: 30m}
  - send: {email: cart_1}
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Its database tells of ann, whose cart is worth 45 at first and 65 an hour later."""
    folder = tmp_path / "shop"
    (folder / "campaigns").mkdir(parents=True)
    (folder / "campaigns" / "cart.yaml").write_text(CAMPAIGN)
    (folder / "data").mkdir(mode=0o700)
    asyncio.run(_fill(folder))
    return folder


async def _fill(folder: Path) -> None:
    store = SqliteStore(folder / "data" / "cuebird.db")
    await store.open()
    site = load_site(folder)
    began = entry(ProgramBeginning(hash=_hash(folder)), 1, START)
    source = msgspec.json.encode(site.sources)
    await store.commit(
        Commit(
            entries=[began, _added(2, START + 1_000, 45), _added(3, START + 3_600_000, 20)],
            programs=[StoredProgram(_hash(folder), source, START)],
        )
    )
    await store.close()


def _hash(folder: Path) -> str:
    return known_site(load_site(folder)).program.hash


def _added(seq: int, at: int, price: int) -> JournalEntry:
    body = msgspec.json.encode({"product_id": f"p{price}", "price": price})
    return JournalEntry(seq, at, Event(user="ann", name="product_added", message_id=f"m{seq}", occurred=at, body=body))


def explain(site: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["explain", *arguments, "--site", str(site)])


EARLIER = ("--at", "2026-01-05T10:30:00Z")


def test_a_campaign_in_full_reads_like_a_report(site: Path) -> None:
    result = explain(site, "ann", "cart", *EARLIER)
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        "ann, at 2026-01-05 10:30:00 UTC",
        "",
        "cart  Carts that are left.",
        "  Not in it: its `if` did not hold: cart.value is 45, needs > 50.",
        "  How one comes in",
        "    ✓ product_added  product_added came 29m59s ago, at 10:00:01",
        "  The rules, if that came now",
        "    ✓ status: live",
        "    ✗ if: cart.value > 50  cart.value is 45, needs > 50",
        "    ✓ concurrency: one_per_key  no run is under way",
        "  Its messages, if they were due now",
        "    ✗ send cart_1 by email",
        "      ✗ consent  user.consent.marketing is not known; the policy wants a yes",
        "      ✗ address  user.email is not known",
        "      ✓ suppression",
        "  Refused lately",
        "    10:00:01  not entered: its `if` did not hold",
        "  What would make it fire",
        '    → if product_added with product_id "new-1", quantity 1 and price 51 comes: it enters at 10:30:01',
        '    → if identify with email "someone@example.test" and consent {"marketing": true}, then product_added with '
        "product_id",
        '    "new-1", quantity 1 and price 51 comes: send cart_1 goes out at 11:00:02',
    ]


def test_all_campaigns_are_a_sentence_each(site: Path) -> None:
    result = explain(site, "ann", *EARLIER)
    assert "Not in it: its `if` did not hold: cart.value is 45, needs > 50." in result.output
    assert "The rules" not in result.output


def test_an_hour_later_she_is_in_it(site: Path) -> None:
    result = explain(site, "ann", "cart", "--at", "2026-01-05T11:10:00Z")
    assert "In it since 11:00: waits in `wait idle 30m` until 11:30." in result.output


def test_json_is_one_object_and_nothing_else(site: Path) -> None:
    told = json.loads(explain(site, "ann", "cart", *EARLIER, "--json").output)
    (campaign,) = told["campaigns"]
    assert told["at"] == "2026-01-05T10:30:00.000Z"
    (condition,) = [part for part in campaign["rules"] if part["text"].startswith("if: ")]
    assert (condition["state"], condition["saw"]) == ("false", "cart.value is 45, needs > 50")


def test_no_colours_where_nobody_sees_them(site: Path) -> None:
    assert "\x1b" not in explain(site, "ann", "cart").output


def test_an_unknown_user_is_exit_code_1_with_the_nearest_name(site: Path) -> None:
    result = explain(site, "anne")
    assert result.exit_code == 1
    assert result.stderr.startswith("nothing was ever heard of anne")
    told = explain(site, "anne", "--json")
    assert (told.exit_code, json.loads(told.stdout)["known"]) == (1, False)


def test_a_time_before_anything_was_heard_says_when_that_was(site: Path) -> None:
    result = explain(site, "ann", "--at", "2026-01-04")
    assert result.exit_code == 1
    assert "nothing had been heard of ann yet; the first was at 2026-01-05T10:00:01.000Z" in result.stderr


def test_an_unknown_campaign_names_the_nearest(site: Path) -> None:
    result = explain(site, "ann", "crat")
    assert result.exit_code == 1
    assert "there is no campaign crat; there is cart; did you mean `cart`?" in result.stderr


@pytest.mark.parametrize("time", ["soon", "2199-01-01", "-5h", ""])
def test_a_time_that_is_none_is_a_usage_error(site: Path, time: str) -> None:
    assert explain(site, "ann", f"--at={time}").exit_code == 2


def test_a_site_without_a_database_says_what_makes_one(tmp_path: Path) -> None:
    (tmp_path / "campaigns").mkdir()
    (tmp_path / "campaigns" / "cart.yaml").write_text(CAMPAIGN)
    result = explain(tmp_path, "ann")
    assert result.exit_code == 1
    assert "`cuebird serve` makes it" in result.stderr
    assert not (tmp_path / "data").exists()


def test_a_site_broken_by_an_edit_is_still_explained_as_it_runs(site: Path) -> None:
    (site / "campaigns" / "cart.yaml").write_text("why: [")
    assert "cart.value is 45, needs > 50" in explain(site, "ann", *EARLIER).output
