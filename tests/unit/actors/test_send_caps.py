"""Caps of a campaign and of a send: counted from decision to decision, whatever the purpose, exact at their edges."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from language.compiler.compile import compile_site
from language.syntax import ast
from tests.unit.actors.making import Story, campaign, ms, push, site, wait

DAILY = ast.Cap(limit=1, seconds=86_400.0)


def story(*steps: ast.AnyStep, **options: Any) -> Story:
    return Story(campaign("receipt", "paid", *steps, purpose="transactional", concurrency="parallel", **options))


def decided(one: Story, until: str = "10d") -> list[tuple[int, str, str]]:
    """(ms after the start, decision, cap) of the messages that went or were skipped."""
    one.until(until)
    return [
        (row.at - one.start, row.reason or row.decision, msgspec.json.decode(row.detail).get("cap", ""))
        for row in one.simulator.decisions
        if row.decision in ("sent", "skipped", "held")
    ]


@pytest.mark.parametrize(("second", "outcome"), [(-1, "capped"), (0, "sent"), (1, "sent")])
def test_a_decision_exactly_a_day_after_the_last_is_allowed_and_a_millisecond_earlier_is_not(
    second: int, outcome: str
) -> None:
    one = story(push(cap=DAILY))
    one.tell("0s", "paid")
    one.tell(f"{86_400_000 + second}ms", "paid")
    cap = "send hello: 1 per 1d" if outcome == "capped" else ""
    assert decided(one) == [(0, "sent", ""), (86_400_000 + second, outcome, cap)]


def test_it_counts_from_the_last_decision_and_not_from_the_entry_or_from_one_that_was_skipped() -> None:
    one = story(wait("for", "30m"), push(cap=ast.Cap(limit=1, seconds=3600.0)))
    for moment in ("0s", "50m", "1h"):
        one.tell(moment, "paid")
    assert [found[:2] for found in decided(one)] == [
        (ms("30m"), "sent"),
        (ms("80m"), "capped"),
        (ms("90m"), "sent"),
    ]


def test_a_campaigns_cap_counts_all_its_sends_and_a_sends_cap_only_its_own_template() -> None:
    both = story(push("one"), push("two"), cap=DAILY)
    both.tell("0s", "paid")
    assert decided(both) == [(0, "sent", ""), (0, "capped", "campaign: 1 per 1d")]
    each = story(push("one", cap=DAILY), push("two", cap=DAILY))
    each.tell("0s", "paid")
    each.tell("1h", "paid")
    hour = ms("1h")
    assert decided(each) == [
        (0, "sent", ""),
        (0, "sent", ""),
        (hour, "capped", "send one: 1 per 1d"),
        (hour, "capped", "send two: 1 per 1d"),
    ]


def test_a_cap_by_day_begins_anew_at_midnight_where_the_user_lives() -> None:
    one = story(push(cap=ast.Cap(limit=1, seconds=None)))
    one.identify("0s", time_zone="Asia/Kolkata")  # 15:30 there
    midnight = ms("8h30m")
    for moment in (0, midnight - 1, midnight):
        one.tell(f"{moment}ms", "paid")
    assert [found[:2] for found in decided(one)] == [(0, "sent"), (midnight - 1, "capped"), (midnight, "sent")]


def test_another_campaign_with_the_same_template_does_not_count() -> None:
    mine = campaign("mine", "paid", push(cap=DAILY))
    other = campaign("other", "paid", push(cap=DAILY))
    one = Story(mine, other)
    one.tell("0s", "paid")
    assert [found[1] for found in decided(one)] == ["sent", "sent"]


def test_what_the_policy_would_hold_is_skipped_at_once_when_the_sends_own_cap_is_full_too() -> None:
    one = Story(
        campaign("news", "a", push(cap=DAILY), concurrency="parallel"), caps=(ast.Cap(limit=1, seconds=3600.0),)
    )
    one.tell("0s", "a")
    one.tell("1m", "a")
    assert decided(one) == [(0, "sent", ""), (60_000, "capped", "send hello: 1 per 1d")]


def test_when_two_users_turn_out_to_be_one_what_was_decided_for_either_counts() -> None:
    one = story(push(cap=ast.Cap(limit=2, seconds=86_400.0)))
    one.tell("0s", "paid", user="~visitor")
    one.tell("1h", "paid")
    one.alias("2h", "~visitor")
    one.tell("3h", "paid")
    one.tell("24h", "paid")
    assert [found[:2] for found in decided(one)] == [
        (0, "sent"),
        (ms("1h"), "sent"),
        (ms("3h"), "capped"),
        (ms("24h"), "sent"),
    ]


def test_a_new_version_of_the_campaign_goes_on_counting() -> None:
    one = story(push(cap=DAILY))
    one.tell("0s", "paid")
    one.until("1m")
    changed = campaign(
        "receipt", "paid", wait("for", "1s"), push(cap=DAILY), purpose="transactional", concurrency="parallel"
    )
    one.simulator.begin(compile_site(site(changed)), one.simulator.now)
    one.tell("1h", "paid")
    assert [found[1] for found in decided(one)] == ["sent", "capped"]


def test_a_campaign_without_a_cap_remembers_nothing_for_it() -> None:
    one = story(push())
    one.tell("0s", "paid")
    one.until("1m")
    assert [actor.decided for actor in one.simulator.actors.values()] == [None]


def test_however_many_turn_out_to_be_one_no_more_is_remembered_than_the_cap_admits() -> None:
    one = story(push(cap=ast.Cap(limit=2, seconds=86_400.0)), cap=DAILY)
    for number in range(5):
        one.tell(f"{number}h", "paid", user=f"~v{number}")
    for number in range(5):
        one.alias(f"{6 + number}h", f"~v{number}")
    one.until("12h")
    kept = one.simulator.actors["ann"].decided or {}
    hours = [[(time - one.start) / 3_600_000 for time in times] for _, times in sorted(kept.items())]
    assert hours == [[4], [3, 4]]
