"""What the reference interpreter found, each as the shortest story that showed it."""

from __future__ import annotations

import pytest

from language.syntax import ast
from tests.unit.actors.making import Story, at, campaign, email, push, wait


def test_a_silence_that_was_over_already_leaves_no_deadline_to_the_next_wait() -> None:
    story = Story(campaign("c", "a", wait("for", "10m"), wait("idle", "1m"), wait("when", "did b")))
    story.tell("0s", "a")
    story.tell("1h", "b")
    assert story.until("2h") == [
        ("0s", "c", "entered", None),
        ("3600s", "c", "matched", None),
        ("3600s", "c", "finished", None),
    ]


def test_a_silence_that_a_late_event_tells_of_is_noticed_when_it_is_told_and_not_before() -> None:
    story = Story(campaign("c", "no activity for 1m"))
    story.tell("10m", "a", late_by="5m")
    assert story.until("20m")[0] == ("600s", "c", "entered", None)


def test_a_refusal_that_a_late_event_brings_is_not_written_down_before_the_event_came() -> None:
    quiet = "no activity for 60s"
    story = Story(campaign("c", ("a", quiet), wait("for", "60s"), wait("until", quiet)))
    story.tell("10m", "a", late_by="60.001s")
    assert story.until("12m")[:2] == [("600s", "c", "entered", None), ("600s", "c", "not_entered", "concurrency")]


def test_a_silence_that_was_noticed_is_not_noticed_again_for_what_came_late_from_before_it() -> None:
    story = Story(campaign("c", "no b for 1m"))
    story.tell("0s", "a")
    story.tell("2m", "b", late_by="10m")
    assert [row[0] for row in story.until("1h") if row[2] == "entered"] == ["60s"]


def test_silence_is_noticed_again_after_an_event_that_no_campaign_asks_for_while_another_timer_is_set() -> None:
    story = Story(campaign("c", "no activity for 1m"), campaign("long", "a", wait("for", "10h")))
    story.tell("0s", "a")
    story.tell("5m", "nobody_asks_for_this")
    entered = [row[:2] for row in story.until("1h") if row[2] == "entered"]
    assert entered == [("0s", "long"), ("60s", "c"), ("360s", "c")]


def test_the_length_of_a_session_is_noticed_while_it_is_open() -> None:
    story = Story(campaign("c", "a", wait("when", "session.duration > 10m")))
    story.tell("0s", "a")
    assert story.until("1h")[1] == ("600.001s", "c", "matched", None)


def test_the_first_event_of_a_user_brings_the_user_into_a_segment_of_those_who_did_not() -> None:
    story = Story(campaign("c", 'entered segment("newcomers")'), segments={"newcomers": "no order_completed"})
    story.tell("0s", "nobody_asks_for_this")
    assert story.until("1h")[0] == ("0s", "c", "entered", None)


def test_a_change_of_segment_is_not_taken_for_one_that_comes_after_the_wait_for_it_began() -> None:
    story = Story(
        campaign(
            "c",
            'entered segment("s")',
            ast.Emit(event="b"),
            wait("until", 'entered segment("s")', up_to="1h"),
            exits=("b where n = 99",),
        ),
        campaign("hears", "b"),
        segments={"s": "did a"},
    )
    story.tell("0s", "a")
    assert ("0s", "c", "matched", None) not in story.until("2h")
    assert ("3600s", "c", "timed_out", None) in story.until("2h")


def test_all_finds_its_events_though_the_newest_of_each_are_too_far_apart() -> None:
    story = Story(campaign("c", "all(a, c, c) within 1h"))
    story.tell("1h", "a")
    story.tell("1h1s", "c", late_by="1h1s")
    story.tell("1h1s", "a")
    story.tell("1h1s", "c", late_by="1s")
    assert [row[2] for row in story.until("2h")] == ["entered", "finished"]


@pytest.mark.parametrize(("condition", "events"), [("count(a) % 3 = 0", 9), ("count(a) - 2 > 5", 8)])
def test_a_count_that_is_calculated_with_counts_all(condition: str, events: int) -> None:
    story = Story(campaign("c", "start", wait("when", f"did b and {condition}")))
    story.tell("0s", "start")
    for minute in range(events):
        story.tell(f"{minute + 1}m", "a")
    story.tell("1h", "b")
    assert story.rows("matched")


def test_a_goal_that_was_reached_in_time_counts_though_we_hear_of_it_after_its_window() -> None:
    story = Story(campaign("c", "a", goal="order_completed", within="1h"), campaign("other", "b"))
    story.tell("0s", "a")
    story.tell("2h", "b")
    story.tell("3h", "order_completed", late_by="2h30m")
    assert ("10800s", "c", "goal", None) in story.until("4h")


def test_two_events_in_order_are_a_match_though_the_second_is_told_after_a_later_first_one() -> None:
    story = Story(campaign("c", "a then b within 1h"))
    story.tell("0s", "a")
    story.tell("3h", "a")
    story.tell("4h", "b", late_by="3h30m")
    assert [row[2] for row in story.until("5h")] == ["entered", "finished"]


def test_an_order_of_the_known_user_answers_the_cart_of_the_visitor_who_turns_out_to_be_the_same() -> None:
    story = Story(campaign("c", "a then no b within 1h"))
    story.tell("0s", "a", user="~visitor")
    story.tell("10m", "b", user="ann")
    story.alias("20m", "~visitor")
    assert story.until("3h") == []


def test_an_address_that_bounced_stays_suppressed_when_the_visitor_turns_out_to_be_known() -> None:
    story = Story(campaign("c", "a", email()))
    story.tell("0s", "email_bounced", user="~visitor", source="engine", permanent=True, address="ann@example.test")
    story.identify("1s", email="ann@example.test")
    story.alias("2s", "~visitor")
    story.tell("3s", "a")
    assert ("3s", "c", "skipped", "suppressed") in story.until("4s")


def test_a_no_to_marketing_survives_the_joining_of_two_who_consented_to_different_things() -> None:
    story = Story(campaign("c", "a", push()))
    story.identify("0s", user="~visitor", consent={"marketing": False})
    story.identify("1s", consent={"tracking": True})
    story.alias("2s", "~visitor")
    story.tell("3s", "a")
    assert ("3s", "c", "skipped", "no_consent") in story.until("4s")


def test_a_topic_that_is_not_wanted_stays_unwanted_when_the_visitor_turns_out_to_be_known() -> None:
    story = Story(campaign("c", "a", push(), topic="cart"))
    story.tell("0s", "email_unsubscribed", user="~visitor", source="engine", topic="cart")
    story.alias("2s", "~visitor")
    story.tell("3s", "a")
    assert ("3s", "c", "skipped", "no_consent") in story.until("4s")


def test_a_capped_message_is_held_although_quiet_hours_skip() -> None:

    quiet = ast.QuietHours(start=11 * 60, end=12 * 60, then="skip")
    story = Story(campaign("c", "a", push()), caps=(ast.Cap(limit=1, seconds=7200),), quiet_hours=quiet)
    story.tell("30m", "a")
    story.tell("65m", "a")
    assert [row[2:] for row in story.until("3h") if row[2] in ("sent", "held", "skipped")] == [
        ("sent", None),
        ("held", "capped"),
        ("sent", None),
    ]


@pytest.mark.parametrize(
    ("told", "sent"),
    [
        ("2026-03-29T00:50:00", "2026-03-29T01:00:00"),  # 01:50; at 02:00 it is 03:00, so that 02:30 never comes
        ("2026-10-25T00:20:00", "2026-10-25T00:30:00"),  # 02:20, for the first time
        ("2026-10-25T01:10:00", "2026-10-25T01:30:00"),  # 02:10, for the second time
    ],
)
def test_quiet_hours_end_when_the_clock_is_past_them_also_in_the_night_it_is_changed(told: str, sent: str) -> None:

    quiet = ast.QuietHours(start=60, end=150, time_zone="Europe/Berlin")
    story = Story(campaign("c", "a", push()), start=at(told), quiet_hours=quiet)
    story.tell("0s", "a")
    story.until("20h")
    assert [row.at for row in story.rows("sent")] == [at(sent)]


def test_an_event_that_a_step_emits_may_end_a_run_that_is_about_to_send() -> None:
    story = Story(campaign("c", "a", ast.Emit(event="b"), push(), exits=("b",)))
    story.tell("0s", "a")
    assert [row[2:] for row in story.until("1h")] == [
        ("entered", None),
        ("emitted", None),
        ("exited", "exit_when"),
    ]


def test_a_silence_that_was_noticed_is_not_noticed_again_when_the_visitor_turns_out_to_be_known() -> None:
    story = Story(campaign("c", "no a for 1m"))
    story.tell("0s", "a", user="ann")
    story.tell("1s", "b", user="~visitor")
    story.tell("1h", "b", user="ann")
    story.alias("1h", "~visitor")
    assert [row[0] for row in story.until("3h") if row[2] == "entered"] == ["60s", "61s"]


def test_what_somebody_consents_to_is_kept_in_the_order_it_was_said_in_whatever_others_said() -> None:
    story = Story(campaign("c", "a"))
    story.identify("0s", user="ann", consent={"marketing": True, "tracking": True})
    story.identify("0s", user="bob", consent={"tracking": True, "marketing": True})
    assert list(story.simulator.actors["bob"].traits["consent"]) == ["tracking", "marketing"]
