"""What is told of the past is remembered as of its own time, and starts nothing."""

from __future__ import annotations

from typing import Any

import pytest

from language.syntax import ast
from tests.unit.actors.making import Story, campaign, email, wait


def entered(story: Story, until: str) -> list[str]:
    return [row[0] for row in story.until(until) if row[2] == "entered"]


def once() -> ast.Campaign:
    return campaign("c", "a", re_entry="once")


def test_an_order_of_last_year_starts_no_campaign_now() -> None:
    story = Story(campaign("c", "a", email()))
    story.past("0s", "8760h", "a")
    assert story.until("30d") == []


@pytest.mark.parametrize("ago", ["1ms", "23h", "25h", "8760h"])
def test_what_is_remembered_of_the_past_is_of_its_own_time(ago: str) -> None:
    story = Story(
        campaign("c", "b where count(a) = 1 and not did a last 30d" if ago == "8760h" else "b where did a last 30d")
    )
    story.past("0s", ago, "a")
    story.tell("1m", "b")
    assert entered(story, "1h") == ["60s"]


def test_a_user_was_first_seen_when_the_past_says() -> None:
    story = Story(campaign("c", "b where user.x = null"))
    story.tell("0s", "b")
    story.past("1m", "48h", "b")
    story.past("2m", "24h", "b")
    actor = story.simulator.actors["ann"]
    assert (actor.first_seen, actor.last_seen) == (story.start + 60_000 - 48 * 3_600_000, story.start)


def test_who_becomes_a_vip_by_what_the_past_tells_gets_no_letter_for_it_and_the_next_to_become_one_does() -> None:
    story = Story(campaign("c", 'entered segment("vip")', re_entry="always"), segments={"vip": "sum(a.n) >= 100"})
    story.past("0s", "700h", "a", n=150)
    story.tell("1m", "b")
    story.tell("2m", "a", user="bob", n=100)
    assert [(row.user, row.at - story.start) for row in story.rows("entered")] == [("bob", 120_000)]
    assert story.simulator.actors["ann"].segments == ("vip",)


def test_an_entry_in_the_past_counts_for_re_entry() -> None:
    story = Story(once())
    story.past("0s", "700h", "a")
    story.tell("1m", "a")
    assert [row[2:] for row in story.until("1h")] == [("not_entered", "re_entry")]


def test_an_entry_in_the_past_counts_from_when_it_happened() -> None:
    story = Story(campaign("c", "a", re_entry="after", re_entry_after=86_400))
    story.past("0s", "23h", "a")
    story.past("1s", "20h", "a")  # refused then, so it moves nothing
    story.tell("1m", "a")
    story.tell("1h1m", "a")
    assert entered(story, "2h") == ["3660s"]


def test_a_silence_that_was_over_before_it_was_told_of_brings_no_letter() -> None:
    story = Story(campaign("c", "no activity for 30d"))
    story.past("0s", "1440h", "a")
    assert entered(story, "90d") == []


def test_a_silence_that_the_past_began_ends_when_it_is_due() -> None:
    story = Story(campaign("c", "no activity for 30d"))
    story.past("0s", "1440h", "a")
    story.past("1s", "480h", "a")
    assert entered(story, "90d") == [f"{10 * 86_400 + 1}s"]


def test_who_was_known_before_is_told_of_a_silence_that_the_past_does_not_touch() -> None:
    story = Story(campaign("c", "no activity for 30d"))
    story.tell("0s", "a")
    story.past("24h", "1440h", "a")
    assert entered(story, "90d") == ["2.592e+06s"]


def test_the_past_answers_no_wait_and_is_a_part_of_no_match() -> None:
    story = Story(
        campaign("c", "a", wait("until", "b", up_to="10m")),
        campaign("d", "b then c within 10m"),
        campaign("e", "all(b, c) within 10m"),
    )
    story.tell("0s", "a")
    story.past("2m", "1m", "b")
    story.tell("3m", "c")
    assert [row[:3] for row in story.until("1h")] == [
        ("0s", "c", "entered"),
        ("600s", "c", "timed_out"),
        ("600s", "c", "finished"),
    ]


def test_an_order_of_which_we_hear_as_history_ends_the_reminder_that_was_open_then() -> None:
    story = Story(campaign("c", "a", wait("for", "30m"), email(), goal="b", within="1h"))
    story.tell("0s", "a")
    story.past("2m", "1h", "b")  # before the entry: nothing
    story.past("3m", "1m", "b")
    assert [row[:3] for row in story.until("2h")] == [
        ("0s", "c", "entered"),
        ("180s", "c", "goal"),
        ("180s", "c", "exited"),
    ]


def test_a_goal_outside_of_its_window_is_not_converted_by_the_past() -> None:
    story = Story(campaign("c", "a", wait("for", "5h"), goal="b", within="1h"))
    story.tell("0s", "a")
    story.past("4h", "2h", "b")
    assert story.rows("goal") == []


def test_what_came_after_all_is_not_missing() -> None:
    story = Story(campaign("c", "a then no b within 10m"))
    story.tell("0s", "a")
    story.past("5m", "1m", "b")
    assert entered(story, "1h") == []


def test_an_unsubscription_of_the_past_ends_the_letters_of_its_topic_and_stays() -> None:
    story = Story(campaign("c", "a", wait("for", "30m"), email(), purpose="marketing"))
    story.past("0s", "800h", "", kind="identify", email="ann@example.test", consent={"marketing": True})
    story.tell("1s", "a")
    story.past("1m", "700h", "email_unsubscribed")
    story.tell("2m", "a")
    assert story.rows("sent") == []
    assert story.simulator.actors["ann"].traits["consent"] == {"marketing": False}


def traits(story: Story) -> dict[str, Any]:
    return story.simulator.actors["ann"].traits


def test_of_a_profile_told_by_the_past_the_newest_word_counts() -> None:
    story = Story(once())
    story.past("0s", "900h", "", kind="identify", email="old@example.test", consent={"marketing": False})
    story.past("1s", "800h", "", kind="identify", email="new@example.test", consent={"marketing": True})
    assert traits(story) == {"email": "new@example.test", "consent": {"marketing": True}}


def test_the_past_fills_the_gaps_of_a_profile_that_is_known_and_takes_no_refusal_back() -> None:
    story = Story(once())
    story.identify("0s", email="new@example.test", consent={"marketing": False})
    story.past("1s", "800h", "", kind="identify", email="old@example.test", city="Oslo", consent={"marketing": True})
    story.past("2s", "800h", "email_subscribed")
    assert traits(story) == {"email": "new@example.test", "city": "Oslo", "consent": {"marketing": False}}


def test_a_sign_in_of_last_year_is_no_sign_in_now() -> None:
    story = Story(campaign("c", "a where signed_in"))
    story.past("0s", "8000h", "signed_in")
    story.tell("1s", "a")
    assert entered(story, "1h") == []


def test_the_same_past_told_twice_counts_once() -> None:
    story = Story(campaign("c", "b where sum(a.n) = 5"))
    for _ in range(2):
        story.past("0s", "8000h", "a", n=5)
        story._told -= 1  # the same message id again
    story._told += 1
    story.tell("1s", "b")
    assert entered(story, "1h") == ["1s"]


def test_a_visitor_of_the_past_becomes_the_user_without_a_letter() -> None:
    story = Story(campaign("c", 'entered segment("vip")'), segments={"vip": "sum(a.n) >= 100"})
    story.past("0s", "700h", "a", user="~v", n=60)
    story.past("1s", "600h", "a", n=60)
    story.past("2s", "500h", "", kind="alias", **{"from": "~v"})
    assert story.until("1h") == []
    assert story.simulator.actors["ann"].segments == ("vip",)
    assert story.simulator.actors["ann"].first_seen == story.start - 700 * 3_600_000


@pytest.mark.parametrize(("topic", "ended"), [(None, 2), ("c", 1), ("another", 0)])
def test_a_no_of_the_past_ends_the_runs_of_its_topic_and_without_one_all(topic: str | None, ended: int) -> None:
    story = Story(campaign("c", "a", wait("for", "1d"), email()), campaign("d", "a", wait("for", "1d"), email()))
    story.tell("0s", "a")
    story.past("1m", "1s", "email_unsubscribed", topic=topic)
    assert [row.reason for row in story.rows("exited")] == ["unsubscribed"] * ended
