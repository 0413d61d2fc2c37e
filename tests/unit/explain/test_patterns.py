"""What the shop owner reads of a pattern: what has begun, until when it waits, how near it came."""

from __future__ import annotations

import msgspec

from persistence.interface import JournalEntry
from replay.explain.model import Part
from tests.unit.explain.story import Story, after, event, part_of, site_of


def entry(pattern: str, *entries: JournalEntry, at: str, profile: str = "") -> Part:
    known = site_of(f"entry: {{event: '{pattern}'}}\nsteps: [{{send: {{email: hello}}}}]", profile=profile)
    (part,) = Story(known, *entries).at(at).entry
    assert part.text == pattern
    return part


def test_an_event_that_has_come() -> None:
    part = entry("signed_up", event("0s", "signed_up"), event("1m", "signed_up"), at="5m")
    assert (part.state, part.saw) == ("true", "signed_up came 4m ago, at 10:01, 2 times in all")


def test_an_event_that_has_not_come() -> None:
    part = entry("signed_up", event("0s", "page_viewed"), at="5m")
    assert (part.state, part.saw) == ("false", "signed_up has not come")


def test_an_event_that_came_otherwise_than_wanted() -> None:
    part = entry("product_viewed where price > 50", event("0s", "product_viewed", price=45), at="5m")
    assert (part.state, part.saw) == ("false", "product_viewed came 5m ago, at 10:00, but not as wanted")
    assert part_of(part.parts, "price > 50").saw == "price is 45, needs > 50"


def test_a_chain_that_has_begun_says_what_it_waits_for_and_until_when() -> None:
    part = entry("signed_up then product_viewed within 10m", event("0s", "signed_up"), at="4m")
    assert (part.state, part.saw) == ("false", "1 of 2 steps; waits for product_viewed until 10:10")
    (partial,) = part.partials
    assert (partial.taken, partial.waits_for, partial.until) == (
        ("signed_up at 10:00",),
        "product_viewed",
        after("10m"),
    )


def test_a_chain_whose_end_came_too_late_says_by_how_much() -> None:
    story = (event("0s", "signed_up"), event("10m4s", "product_viewed"))
    part = entry("signed_up then product_viewed within 10m", *story, at="11m")
    assert (part.state, part.partials) == ("false", ())
    assert part.nearest == "product_viewed came 4s late, at 10:10:04"


def test_a_chain_that_was_complete_says_when() -> None:
    story = (event("0s", "signed_up"), event("10m", "product_viewed"))
    assert entry("signed_up then product_viewed within 10m", *story, at="1h").nearest == "it was complete at 10:10"


def test_an_answer_that_has_not_come_is_pending_until_its_time_is_up() -> None:
    pattern = "product_added then no order_completed within 2h"
    part = entry(pattern, event("0s", "product_added", product_id="A"), at="30m")
    assert (part.state, part.until) == ("pending", after("2h"))
    assert part.saw == "no order_completed so far; it matches at 12:00 if none comes"


def test_an_answer_that_came_says_how_soon() -> None:
    story = (event("0s", "product_added", product_id="A"), event("1h59m", "order_completed"))
    part = entry("product_added then no order_completed within 2h", *story, at="3h")
    assert (part.state, part.saw) == ("false", "it was answered")
    assert part.nearest == "order_completed came 1h59m after it, 1m before the time was up"


ALL = 'all(product_viewed where product_id = "A", product_viewed where product_id = "B") within 1h'


def test_one_of_two_that_are_wanted_together() -> None:
    part = entry(ALL, event("0s", "product_viewed", product_id="A"), at="10m")
    assert part.saw == '1 of 2 within 1h; missing product_viewed where product_id = "B"'
    (partial,) = part.partials
    assert partial.until == after("1h")


def test_two_that_came_too_far_apart() -> None:
    story = (event("0s", "product_viewed", product_id="A"), event("1h5m", "product_viewed", product_id="B"))
    assert entry(ALL, *story, at="2h").nearest == "all came, 5m too far apart"


def test_a_chain_in_a_session_says_what_is_missing_and_when_the_session_ends() -> None:
    chain = "signed_up then product_viewed then product_added in session"
    story = (event("0s", "signed_up"), event("25m", "product_viewed"))
    part = entry(chain, *story, at="30m")
    assert part.saw == (
        "2 of 3 in this session; waits for product_added, and the session ends at 10:55 if nothing more is done"
    )
    assert part.partials[0].until == after("55m")
    assert entry(chain, *story, at="55m").saw == "no session is open"
    assert entry(chain, *story, event("1h", "page_viewed"), at="1h").saw == "0 of 3 in this session"


def test_of_several_in_a_session_it_says_which_are_missing() -> None:
    part = entry("all(product_viewed, signed_up, product_added) in session", event("0s", "signed_up"), at="1m")
    assert part.saw.startswith(
        "1 of 3 in this session; waits for product_viewed and product_added, and the session ends"
    )


def test_a_silence_is_pending_until_it_is_long_enough_and_counts_once() -> None:
    part = entry("no activity for 30d", event("0s", "page_viewed"), at="10d")
    assert (part.state, part.until) == ("pending", after("30d"))
    over = entry("no activity for 30d", event("0s", "page_viewed"), at="31d")
    assert (over.state, over.until) == ("false", 0)
    assert over.saw == "it matched for the silence since 2026-01-05 10:00; only once until the user is heard again"


def test_a_segment_that_time_alone_will_enter_is_pending() -> None:
    part = entry(
        'entered segment("sleepy")',
        event("0s", "page_viewed"),
        at="1d",
        profile="segments: {sleepy: idle > 7d}",
    )
    assert (part.state, part.until) == ("pending", after("7d") + 1)
    assert part.saw == "the user is not in it"


def test_being_in_a_segment_is_not_entering_it() -> None:
    part = entry(
        'entered segment("buyer")',
        event("0s", "order_completed", total=5),
        at="1d",
        profile="segments: {buyer: spent > 0}",
    )
    assert (part.state, part.saw) == ("false", "the user is in it already; only a change counts")


def test_who_never_was_called_is_told_how() -> None:
    assert entry("called", event("0s", "page_viewed"), at="1m").saw == "nobody called POST /trigger/it"


def test_an_event_of_the_past_is_told_as_one_that_brings_nobody_in() -> None:
    told = event("0s", "signed_up")
    past = JournalEntry(0, told.at, msgspec.structs.replace(told.event, historical=True))
    part = entry("signed_up", past, at="4m")
    assert (part.state, part.saw) == ("false", "signed_up came 4m ago, at 10:00, told as history: that starts nothing")
    part = entry("signed_up", past, event("1m", "signed_up"), at="4m")
    assert (part.state, part.saw) == ("true", "signed_up came 3m ago, at 10:01, 2 times in all")


def test_a_silence_that_was_over_in_history_says_so() -> None:
    told = event("2h", "page_viewed")
    past = JournalEntry(0, told.at, msgspec.structs.replace(told.event, historical=True, occurred=after("0s")))
    part = entry("no activity for 1h", past, at="3h")
    assert (part.state, part.saw) == (
        "false",
        "it was over when history told of it; it begins again when the user is heard",
    )


def test_one_that_is_complete_and_one_that_has_only_begun_are_told_together() -> None:
    """The first waits for no answer already, the second for its next step."""
    came = [event("0s", "a"), event("1m", "b"), event("2m", "a")]
    part = entry("a then b then no c within 2h", *came, at="10m")
    assert (part.state, part.until) == ("pending", after("2h1m"))
    assert [one.waits_for for one in part.partials] == ["no c", "b"]
