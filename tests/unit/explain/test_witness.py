"""What would make it fire: each answer is played again by the simulator, from the beginning of the user's story."""

from __future__ import annotations

import msgspec
import pytest

from persistence.interface import JournalEntry
from replay.explain.model import Witness
from tests.unit.explain.story import Story, after, event, site_of

ANN = event("0s", "identify", email="ann@example.test", consent={"marketing": True})
SEND = "steps: [{wait: {for: 1h}}, {send: {email: hello}}]"
VIEWED = [event(f"{minute}m", "product_viewed", product_id="A") for minute in (1, 2)]


class Case(msgspec.Struct, frozen=True):
    id: str
    entry: str
    story: list[JournalEntry]
    events: list[str]
    """Of the shortest way in, in order; `identify` for one."""
    at: str = "10m"
    profile: str = ""
    more: str = ""


DROP = "event.price <= event.old_price * 0.9 and did product_viewed where product_id = entry.product_id last 30d"

CASES = [
    Case("a price of what was looked at", f"event: price_dropped, if: '{DROP}'", VIEWED, ["price_dropped"]),
    Case(
        "a price of what nobody looked at",
        f"event: price_dropped, if: '{DROP}'",
        [ANN],
        ["product_viewed", "price_dropped"],
    ),
    Case("nothing has come yet", "event: signed_up", [ANN], ["signed_up"]),
    Case("a property of the event", "event: product_viewed where price > 50", [ANN], ["product_viewed"]),
    Case("two properties", "event: 'product_viewed where price > 50 and brand = \"x\"'", [ANN], ["product_viewed"]),
    Case(
        "one more of three",
        "event: asked, if: 'count(product_viewed, last 1h) >= 3'",
        VIEWED,
        ["product_viewed", "asked"],
    ),
    Case("all of three", "event: asked, if: 'count(product_viewed) >= 3'", [ANN], ["product_viewed"] * 3 + ["asked"]),
    Case(
        "the last of three is the entry",
        "event: product_viewed, if: 'count(product_viewed) >= 3'",
        VIEWED,
        ["product_viewed"],
    ),
    Case("a full cart", "event: product_added, if: 'cart.value > 50'", [ANN], ["product_added"]),
    Case("a full cart at another event", "event: asked, if: 'cart.value > 50'", [ANN], ["product_added", "asked"]),
    Case(
        "an empty cart",
        "event: asked, if: 'cart.value = 0'",
        [event("0s", "product_added", product_id="A", price=5)],
        ["order_completed", "asked"],
    ),
    Case("a trait", "event: asked, if: 'user.plan = \"gold\"'", [ANN], ["identify", "asked"]),
    Case("money spent", "event: asked, if: 'spent > 100'", [ANN], ["order_completed", "asked"]),
    Case(
        "a sum", "event: asked, if: 'sum(order_completed.total, last 1d) >= 100'", [ANN], ["order_completed", "asked"]
    ),
    Case(
        "the cheaper of two ways",
        "event: asked, if: 'count(product_viewed) >= 5 or signed_in'",
        [ANN],
        ["signed_in", "asked"],
    ),
    Case(
        "a segment",
        'event: asked, audience: segment("vip")',
        [ANN],
        ["order_completed", "asked"],
        profile="segments: {vip: spent > 500}",
    ),
    Case(
        "a chain that has begun",
        "event: signed_up then product_viewed within 1h",
        [event("5m", "signed_up")],
        ["product_viewed"],
    ),
    Case("a whole chain", "event: signed_up then product_viewed within 1h", [ANN], ["signed_up", "product_viewed"]),
    Case(
        "the other of two",
        'event: \'all(product_viewed where product_id = "A", product_viewed where product_id = "B") within 1h\'',
        VIEWED,
        ["product_viewed"],
    ),
    Case("no answer", "event: product_added then no order_completed within 2h", [ANN], ["product_added"]),
    Case(
        "an open question",
        "event: product_added then no order_completed within 2h",
        [event("5m", "product_added", product_id="A")],
        [],
    ),
    Case("a silence", "event: no activity for 30d", [event("0s", "page_viewed")], []),
    Case(
        "a silence that has matched",
        "event: no activity for 30d",
        [event("0s", "page_viewed")],
        ["page_viewed"],
        at="40d",
        more="holdout: 0%",
    ),
    Case(
        "a segment to be entered",
        'event: entered segment("vip")',
        [ANN],
        ["order_completed"],
        profile="segments: {vip: spent > 500}",
    ),
    Case(
        "a segment that time enters",
        'event: entered segment("sleepy")',
        [event("0s", "page_viewed")],
        [],
        profile="segments: {sleepy: idle > 7d}",
    ),
    Case("a call", "event: called", [ANN], ["called"]),
    Case(
        "too soon again",
        "event: signed_up, re_entry: after 24h",
        [event("0s", "signed_up"), event("5m", "order_completed")],
        ["signed_up"],
        more="exit_when: [order_completed]",
    ),
    Case(
        "too soon after a purchase",
        "event: asked, if: 'no order_completed last 3h'",
        [event("0s", "order_completed")],
        ["asked"],
    ),
    Case(
        "a condition on what came last",
        "event: asked, if: 'last(product_viewed).price > 50'",
        [ANN],
        ["product_viewed", "asked"],
    ),
    Case(
        "one more than the favourite of now",
        "event: asked, if: 'top(product_viewed.category) = \"z\"'",
        [event("1m", "product_viewed", category="a")],
        ["product_viewed", "product_viewed", "asked"],
    ),
    Case(
        "a key that is taken",
        "event: asked, key: k, re_entry: once",
        [event("0s", "asked", k="a"), event("1m", "done")],
        ["asked"],
        more="exit_when: [done]",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_way_in_that_is_told_is_confirmed_by_the_simulator(case: Case) -> None:
    story = Story(site_of(f"entry: {{{case.entry}}}\n{case.more}\n{SEND}", profile=case.profile), *case.story)
    enters = next(witness for witness in story.at(case.at).witnesses if witness.outcome == "enters")
    assert [move.event or "identify" for move in enters.moves] == case.events
    assert [move.at for move in enters.moves] == sorted({move.at for move in enters.moves}), "one after the other"
    assert story.confirms(enters, case.at), enters.text


@pytest.mark.parametrize("case", [case for case in CASES if case.events], ids=lambda case: case.id)
def test_one_event_less_would_not_do(case: Case) -> None:
    """It is among the shortest: without any one of its moves the simulator enters nobody by then."""
    story = Story(site_of(f"entry: {{{case.entry}}}\n{case.more}\n{SEND}", profile=case.profile), *case.story)
    enters = next(witness for witness in story.at(case.at).witnesses if witness.outcome == "enters")
    for left_out in range(len(enters.moves)):
        fewer = enters.moves[:left_out] + enters.moves[left_out + 1 :]
        rows = story.simulated(fewer, case.at, enters.at)
        assert not [row for row in rows if row.decision == "entered"]


def sends(campaign: str, *entries: JournalEntry, at: str, policy: str = "") -> tuple[Story, Witness | None]:
    story = Story(site_of(campaign, policy=policy), *entries)
    found = [witness for witness in story.at(at).witnesses if witness.outcome == "sends"]
    return story, (found[0] if found else None)


def test_a_run_that_only_waits_for_time_sends_by_itself() -> None:
    story, witness = sends(f"entry: {{event: signed_up}}\n{SEND}", ANN, event("1m", "signed_up"), at="10m")
    assert witness is not None
    assert (witness.moves, witness.at) == ((), after("1h1m"))
    assert witness.text == "if nothing happens: send hello goes out at 11:01"
    assert story.confirms(witness, "10m")


def test_without_consent_and_address_it_sends_once_both_are_told() -> None:
    story, witness = sends(f"entry: {{event: signed_up}}\n{SEND}", event("1m", "signed_up"), at="10m")
    assert witness is not None
    (move,) = witness.moves
    assert (move.kind, move.properties) == (
        "identify",
        {"consent": {"marketing": True}, "email": "someone@example.test"},
    )
    assert story.confirms(witness, "10m")


def test_a_run_that_waits_for_a_click_without_end_sends_once_it_comes() -> None:
    campaign = "entry: {event: signed_up}\nsteps: [{wait: {until: [email_clicked]}}, {send: {email: hello}}]"
    story, witness = sends(campaign, ANN, event("1m", "signed_up"), at="10m")
    assert witness is not None
    assert [move.event for move in witness.moves] == ["email_clicked"]
    assert story.confirms(witness, "10m")


def test_a_run_that_waits_for_a_condition_sends_once_it_holds() -> None:
    campaign = (
        "entry: {event: signed_up}\nsteps: [{wait: {when: 'count(product_viewed) >= 2'}}, {send: {email: hello}}]"
    )
    story, witness = sends(campaign, ANN, event("1m", "signed_up"), event("2m", "product_viewed"), at="10m")
    assert witness is not None
    assert [move.event for move in witness.moves] == ["product_viewed"]
    assert story.confirms(witness, "10m")


def test_quiet_hours_are_waited_for() -> None:
    quiet = 'quiet_hours: {from: "22:00", to: "08:00", tz: user, then: hold}'
    story, witness = sends(
        f"entry: {{event: signed_up}}\n{SEND}", ANN, event("11h30m", "signed_up"), at="11h40m", policy=quiet
    )
    assert witness is not None
    assert (witness.moves, witness.at) == ((), after("22h"))
    assert story.confirms(witness, "11h40m")


def test_nothing_is_promised_to_who_is_held_out() -> None:
    _, witness = sends(f"entry: {{event: signed_up}}\nholdout: 100%\n{SEND}", ANN, event("1m", "signed_up"), at="10m")
    assert witness is None


def test_nothing_is_promised_to_who_does_not_want_to_be_tracked() -> None:
    story = Story(site_of(f"entry: {{event: asked}}\n{SEND}"), event("0s", "identify", consent={"tracking": False}))
    assert story.at("1m").witnesses == ()
