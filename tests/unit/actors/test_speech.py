"""What is said of a known user without proof: what it may begin, what it may move, and what of it is kept."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from actors.model.event import Event, Source
from actors.model.speech import UNPROVEN_RUNS_MAX, forwarded, own_name, without_words
from language.syntax import ast
from tests.unit.actors.making import Story, campaign, push, wait

SOURCES: tuple[Source, ...] = ("visitor", "bare")


def rows(story: Story, until: str = "1d") -> list[tuple[str, str, str | None]]:
    return [row[1:] for row in story.until(until)]


def receipt(entry: str = "a", *steps: ast.AnyStep, **options: Any) -> ast.Campaign:
    return campaign("receipt", entry, *(steps or (push(),)), purpose="transactional", **options)


# --- what it begins and moves ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", SOURCES)
def test_what_a_page_alone_says_begins_marketing_and_nothing_transactional(source: Source) -> None:
    story = Story(receipt(), campaign("cart", "a", push()))
    story.tell("0s", "a", source=source)
    assert rows(story) == [
        ("cart", "entered", None),
        ("receipt", "not_entered", "unproven"),
        ("cart", "sent", None),
        ("cart", "finished", None),
    ]


def test_of_a_visitor_whom_nobody_knows_no_proof_is_asked() -> None:
    story = Story(receipt())
    story.tell("0s", "a", source="bare", user="~v")
    assert rows(story)[0] == ("receipt", "entered", None)


def test_a_transactional_run_is_not_moved_by_what_a_page_alone_says() -> None:
    story = Story(receipt("a", wait("until", "b", "1h", "came"), push(), exits=("c",)))
    story.tell("0s", "a")
    for number, name in enumerate("bc"):
        story.tell(f"{number + 1}m", name, source="visitor")
    assert rows(story, "59m") == [("receipt", "entered", None)]
    assert ("receipt", "timed_out", None) in rows(story)


@pytest.mark.parametrize("entry", ["a then b within 1h", "all(a, b) within 1h"])
def test_no_part_of_a_transactional_entry_may_be_unproven(entry: str) -> None:
    story = Story(receipt(entry))
    story.tell("0s", "a", source="bare")
    story.tell("1m", "b")
    assert rows(story) == []
    story.tell("25h", "a")
    story.tell("26h", "b")
    assert rows(story, "27h")[0] == ("receipt", "entered", None)


def test_an_absence_that_begins_unproven_begins_nothing_transactional() -> None:
    story = Story(
        receipt("a then no b within 1h"), campaign("left", "a then no b within 1h", push(purpose="transactional"))
    )
    story.tell("0s", "a", source="visitor")
    assert rows(story) == [
        ("left", "entered", None),
        ("left", "skipped", "unproven"),
        ("left", "finished", None),
    ]


def test_what_an_unproven_run_emits_is_as_little_proven() -> None:
    story = Story(campaign("cart", "a", wait("for", "1h"), ast.Emit(event="b")), receipt("b"))
    story.tell("0s", "a", source="visitor")
    assert ("receipt", "not_entered", "unproven") in rows(story)
    story.tell("25h", "a")
    assert ("receipt", "entered", None) in rows(story, "2d")


def test_an_unproven_transactional_message_is_not_sent_to_who_the_visitor_turns_out_to_be() -> None:
    story = Story(receipt("a", wait("for", "1h"), push()))
    story.tell("0s", "a", source="bare", user="~v", words="PWNED")
    story.alias("1m", "~v")
    assert ("receipt", "skipped", "unproven") in rows(story)


def test_unproven_runs_leave_room_for_proven_ones() -> None:
    story = Story(campaign("cart", "a", wait("for", "30d"), key="cart_id"), receipt("b", key="order_id"))
    for number in range(UNPROVEN_RUNS_MAX + 1):
        story.tell(f"{number}s", "a", source="visitor", cart_id=f"c{number}")
    assert rows(story)[-1] == ("cart", "not_entered", "concurrency")
    story.tell("25h", "b", order_id="o1")
    assert ("receipt", "entered", None) in rows(story, "26h")


# --- who the user is --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "said", "kept"),
    [
        ("visitor", {"consent": {"marketing": False, "tracking": True}}, {"consent": {"marketing": False}}),
        ("visitor", {"consent": {"tracking": False}}, {"consent": {"marketing": True, "tracking": False}}),
        ("visitor", {"consent": None, "plan": None}, {}),
        ("visitor", {"consent": "no"}, {}),
        ("bare", {"consent": {"marketing": False}}, {}),
        ("client", {"consent": {"marketing": False}}, {"consent": {"marketing": False}}),
    ],
)
def test_without_proof_consent_is_only_taken_back(source: Source, said: dict[str, Any], kept: dict[str, Any]) -> None:
    story = Story(campaign("c", "a"))
    known: dict[str, Any] = {"consent": {"marketing": True}, "plan": "gold"}
    story.identify("0s", **known)
    story.tell("1s", "", kind="identify", source=source, **said)
    assert story.simulator.actors["ann"].traits == known | kept


def test_nobody_signs_in_or_moves_to_another_time_zone_without_proof() -> None:
    story = Story(campaign("c", "a"))
    story.tell("0s", "signed_in", source="bare")
    body = Event(
        user="ann", name="a", message_id="zone", context=b'{"timezone":"Pacific/Kiritimati"}', source="visitor"
    )
    story.simulator.take(body, story.start + 1000)
    ann = story.simulator.actors["ann"]
    assert (ann.signed_in, ann.zone) == (False, "")


# --- whose it is, and what is left of it -----------------------------------------------------------------------------------


def test_a_bare_id_that_belongs_to_a_user_speaks_for_a_visitor_whom_no_id_leads_to() -> None:
    names = {"~x": "bob", "~bare.x": "bob"}
    assert own_name("~x", names) == "~bare.bare.x"
    event = Event(user="~x", source="bare", body=b'{"name":"x"}')
    assert forwarded(event, names, False) == msgspec.structs.replace(event, user="~bare.bare.x")
    assert forwarded(event, names, True) == msgspec.structs.replace(event, user="bob", body=b"{}")
    for source in ("server", "client", "visitor"):
        told = msgspec.structs.replace(event, source=source)
        assert forwarded(told, names, False) == msgspec.structs.replace(told, user="bob")
    assert forwarded(event, {}, False) is event


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (
            {"product_id": "lamp-1_A", "sku": "S1", "id": 7, "productId": "p"},
            {"product_id": "lamp-1_A", "sku": "S1", "id": 7, "productId": "p"},
        ),
        ({"price": 89.5, "in_stock": True, "big": 2**63}, {"price": 89.5, "in_stock": True, "big": 2**63}),
        ({"name": "PWNED", "url": "https://evil.example", "coupon": "X"}, {}),
        ({"product_id": "evil.example", "order_id": "go to evil", "cart_id": "//evil"}, {}),
        ({"product_id": "a" * 65, "evil.example": 1, "": 2}, {}),
        (
            {"products": [{"product_id": "p1", "name": "PWNED", "price": 1}, "PWNED"]},
            {"products": [{"product_id": "p1", "price": 1}]},
        ),
        ({"a_id": {"text": "PWNED", "n": 1}, "b_id": ["PWNED", 2], "c": None}, {"a_id": {"n": 1}, "b_id": [2]}),
    ],
)
def test_of_a_bare_event_numbers_booleans_and_ids_are_kept(body: dict[str, Any], kept: dict[str, Any]) -> None:
    assert msgspec.json.decode(without_words(msgspec.json.encode(body))) == kept


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"n":1e999}', b'{"a":' * 5000 + b"1" + b"}" * 5000])
def test_what_cannot_be_read_has_no_words_either(body: bytes) -> None:
    assert b"a" not in without_words(body)
