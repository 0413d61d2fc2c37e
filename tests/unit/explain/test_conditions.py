"""What the shop owner reads of a condition: true, false or pending, the values, the nearest miss."""

from __future__ import annotations

import msgspec
import pytest

from persistence.interface import JournalEntry
from replay.explain.explain import explained
from replay.explain.fold import fold
from tests.unit.explain.story import Story, after, condition, event, part_of, site_of


def test_a_value_that_is_too_small_is_shown_beside_what_is_needed() -> None:
    part = condition("cart.value > 50", event("0s", "product_added", product_id="A", price=45))
    assert (part.state, part.saw) == ("false", "cart.value is 45, needs > 50")


def test_a_value_that_is_enough_is_shown_alone() -> None:
    part = condition("cart.value > 50", event("0s", "product_added", product_id="A", price=60))
    assert (part.state, part.until, part.saw) == ("true", 0, "cart.value is 60")


def test_a_trait_that_was_never_told_is_not_known() -> None:
    assert condition('user.plan = "gold"').saw == 'user.plan is not known, needs = "gold"'


def test_the_constant_may_stand_on_the_left() -> None:
    assert condition("50 < cart.value").saw == "cart.value is 0, needs > 50"


def test_what_came_with_an_event_is_shown_like_its_properties_and_what_is_known_of_the_user() -> None:
    came = event("0s", "asked")
    context = msgspec.json.encode({"locale": "de-AT", "page": {"path": "/prices"}})
    told = msgspec.structs.replace(came, event=msgspec.structs.replace(came.event, context=context))
    asked = 'event.context.page.path = "/" or user.context.locale starts_with "en" or user.context.os.name = "iOS"'
    part = condition(asked, told)
    assert [one.saw for one in part.parts] == [
        'event.context.page.path is "/prices", needs = "/"',
        'user.context.locale is "de-AT", needs starts_with "en"',
        'user.context.os.name is not known, needs = "iOS"',
    ]


def test_two_values_are_both_shown() -> None:
    part = condition("user.spent > user.limit", event("0s", "identify", spent=3, limit=5))
    assert part.saw == "user.spent is 3, needs > user.limit, which is 5"


def test_each_part_of_an_and_is_told_for_itself() -> None:
    part = condition("cart.value > 50 and signed_in and not did complain", event("0s", "signed_in"))
    assert [(one.text, one.state) for one in part.parts] == [
        ("cart.value > 50", "false"),
        ("signed_in", "true"),
        ("not did complain", "true"),
    ]
    assert part_of(part.parts, "did complain").saw == "complain has not come"


CLICKS = "count(product_clicked, last 10m) >= 3"


def clicks(*offsets: str) -> list[JournalEntry]:
    return [event(offset, "product_clicked") for offset in offsets]


def test_two_of_three_clicks_say_when_the_oldest_leaves() -> None:
    part = condition(CLICKS, *clicks("0s", "5m"), at="9m")
    assert part.saw == "2 of 3 product_clicked in the last 10m; the oldest leaves at 10:10"


def test_the_third_click_came_four_seconds_late() -> None:
    part = condition(CLICKS, *clicks("0s", "5m", "10m4s"), at="10m5s")
    assert (part.state, part.saw) == (
        "false",
        "2 of 3 product_clicked in the last 10m; the oldest leaves at 10:15",
    )
    assert part.nearest == "the third came 4s late, at 10:10:04"


def test_the_third_click_came_at_the_very_instant_at_which_the_first_left() -> None:
    part = condition(CLICKS, *clicks("0s", "5m", "10m"), at="10m1s")
    assert part.nearest == "the third came at 10:10, just as the first left the window"


def test_three_clicks_an_hour_ago_were_enough_then() -> None:
    part = condition(CLICKS, *clicks("0s", "1m", "2m"), at="1h")
    assert (part.state, part.nearest) == ("false", "there were 3 at 10:02")


def test_enough_clicks_are_true_until_one_leaves() -> None:
    part = condition(CLICKS, *clicks("0s", "1m", "2m"), at="5m")
    assert (part.state, part.until) == ("true", after("10m"))


def test_too_many_are_pending_until_the_oldest_has_left() -> None:
    part = condition(
        "count(product_viewed, last 1h) < 2", *[event(f"{n}m", "product_viewed") for n in (0, 10, 20)], at="30m"
    )
    assert (part.state, part.until) == ("pending", after("1h10m"))
    assert part.saw == "3 product_viewed in the last 1h, needs < 2; the oldest leaves at 11:00"


def test_no_purchase_lately_is_pending_until_the_last_one_is_old_enough() -> None:
    part = condition("no order_completed last 24h", event("0s", "order_completed", total=9), at="2h")
    assert (part.state, part.until) == ("pending", after("24h"))
    assert part.saw == "order_completed came 2h ago, at 10:00; it leaves the window at 2026-01-06 10:00"


def test_what_came_too_long_ago_says_how_long_it_has_been_gone() -> None:
    part = condition("did order_completed last 1h", event("0s", "order_completed", total=9), at="2h")
    assert (part.state, part.saw, part.nearest) == (
        "false",
        "order_completed has not come in the last 1h; it last came 2h ago, at 10:00",
        "it left the window 1h ago",
    )


def test_a_silence_is_pending_until_it_is_long_enough() -> None:
    part = condition("idle > 30m", event("0s", "page_viewed"), at="12m")
    assert (part.text, part.state, part.until) == ("if: idle > 30m", "pending", after("30m") + 1)
    assert part.saw == "idle is 12m, needs > 30m"


def test_an_hour_of_the_day_is_pending_until_it_comes_in_the_users_zone() -> None:
    part = condition("hour(now) = 9", event("0s", "identify", time_zone="America/New_York"), at="0s")
    assert (part.state, part.until) == ("pending", after("4h"))


def test_a_segment_shows_its_own_condition() -> None:
    part = condition(
        'segment("vip")', event("0s", "order_completed", total=300), profile="segments: {vip: spent > 500}"
    )
    assert (part.state, part.saw) == ("false", "")
    assert part_of(part.parts, "spent > 500").saw == "spent is 300, needs > 500"


def test_a_sum_says_over_how_many_events() -> None:
    bought = [event(f"{n}m", "order_completed", total=20) for n in (0, 10)]
    part = condition("sum(order_completed.total, last 1h) > 100", *bought, at="20m")
    assert part.saw == (
        "sum(order_completed.total, last 1h) is 40, needs > 100, of 2 events in the last 1h; the oldest leaves at 11:00"
    )


def test_a_calculation_shows_what_it_was_made_of() -> None:
    part = condition("cart.value * 2 > 100", event("0s", "product_added", product_id="A", price=45))
    assert part.saw == "cart.value * 2 is 90 (cart.value is 45), needs > 100"


def test_what_the_bounded_memory_has_forgotten_is_still_counted_from_the_journal() -> None:
    part = condition(
        "count(product_viewed, last 1h) < 2", *[event(f"{n}s", "product_viewed") for n in range(40)], at="5m"
    )
    assert part.saw.startswith("40 product_viewed in the last 1h, needs < 2")


def test_what_lies_before_a_shortened_journal_is_known_only_in_sum() -> None:
    """The fold begins with the snapshot, which remembers no more than it was asked."""
    known = site_of("entry: {event: asked, if: 'count(product_viewed, last 1h) > 3'}\nsteps: [{send: {email: hello}}]")
    story = Story(known, *[event(f"{n}m", "product_viewed") for n in range(9)])
    start = fold(msgspec.structs.replace(story.recalled(), entries=story.entries[:7]), after("7m")).actor
    cut = msgspec.structs.replace(story.recalled(), entries=story.entries[7:], start=start, complete=False)
    explanation = explained(cut, after("10m"))
    (view,) = explanation.campaigns
    part = part_of(view.rules, "count(product_viewed, last 1h) > 3")
    assert (part.state, part.saw) == (
        "true",
        "at least 7 product_viewed in the last 1h, 4 are enough; the oldest leaves at 11:02",
    )
    assert explanation.notes[0] == "The journal begins later: what happened before is known only in sum."


@pytest.mark.parametrize("offset", ["10m", "10m1ms"])
def test_the_moment_matters_to_the_millisecond(offset: str) -> None:
    """A window is half open: at exactly ten minutes the first click is out."""
    part = condition("did product_clicked last 10m", *clicks("1ms"), at=offset)
    assert part.state == ("true" if offset == "10m" else "false")
