"""What is known of a user is the newest word on each part, by its own time, in whatever order the words come."""

from __future__ import annotations

import itertools
import os
import random
from typing import Any

import msgspec
import pytest

from actors.actor import new_actor, pack, take, unpack
from actors.model.event import Event
from actors.model.newest import CONFLICTS_MAX, TRAIT_TIMES_MAX, WORD_TIMES_MAX
from actors.model.state import Actor
from language.compiler.compile import compile_site
from tests.unit.actors.making import START, Story, campaign, ms, push, site

SEED = int(os.environ.get("CUEBIRD_SEED", random.SystemRandom().randrange(10**6)))


def a_story() -> Story:
    return Story(campaign("c", "a", push(), topic="cart"))


def ann(story: Story) -> Actor:
    """As she is after a rest: packed and read again."""
    return unpack(pack(story.simulator.actors["ann"]))


def identified(minute: int, traits: dict[str, Any]) -> Event:
    body = msgspec.json.encode(traits)
    return Event(user="ann", kind="identify", message_id=f"m{minute}", occurred=START + minute * 60_000, body=body)


def is_written_to(story: Story, when: str = "9h") -> bool:
    story.tell(when, "a")
    story.until(when)
    return bool(story.rows("sent"))


# --- traits ---------------------------------------------------------------------------------------------------------


def test_an_older_profile_that_comes_late_changes_nothing_that_is_newer() -> None:
    story = a_story()
    story.identify("1h", plan="gold", city="Oslo")
    story.identify("2h", late_by="90m", plan="free", first_name="Ann")
    assert ann(story).traits == {"plan": "gold", "city": "Oslo", "first_name": "Ann"}


def test_each_trait_has_its_own_time() -> None:
    story = a_story()
    story.identify("10m", plan="free", city="Oslo")
    story.identify("30m", plan="gold")
    story.identify("40m", late_by="20m", plan="silver", city="Rome")  # told of minute 20
    assert ann(story).traits == {"plan": "gold", "city": "Rome"}


def test_what_was_forgotten_is_not_remembered_by_an_older_word() -> None:
    story = a_story()
    story.identify("10m", phone="1")
    story.identify("30m", phone=None)
    story.identify("40m", late_by="20m", phone="2")
    assert ann(story).traits == {}
    story.identify("50m", phone="3")
    assert ann(story).traits == {"phone": "3"}


def test_of_two_words_of_one_moment_the_one_that_comes_last_counts() -> None:
    story = a_story()
    story.identify("10m", plan="free")
    story.identify("20m", late_by="10m", plan="gold")
    assert ann(story).traits == {"plan": "gold"}


def test_words_in_any_order_make_the_same_user() -> None:
    words: list[tuple[str, dict[str, Any]]] = [
        ("1m", {"plan": "free", "city": "Oslo", "consent": {"marketing": True}}),
        ("2m", {"plan": None, "size": 38}),
        ("3m", {"city": "Rome", "consent": {"marketing": False, "tracking": True}}),
        ("4m", {"plan": "gold", "consent": {"tracking": None}}),
    ]
    known = []
    for order in itertools.permutations(words):
        story = a_story()
        for number, (happened, told) in enumerate(order):
            story.identify(f"{10 + number}m", late_by=f"{(10 + number) - ms(happened) // 60_000}m", **told)
        known.append(ann(story).traits)
    expected = {"plan": "gold", "city": "Rome", "size": 38, "consent": {"marketing": False}}
    assert known == [expected] * len(known)


def test_random_words_leave_the_newest_of_each_trait() -> None:
    print(f"CUEBIRD_SEED={SEED}")
    chance = random.Random(SEED)
    for _ in range(50):
        story = a_story()
        newest: dict[str, tuple[int, object]] = {}
        for number in range(chance.randrange(1, 12)):
            minute = chance.randrange(1, 60)
            told: dict[str, Any] = {
                name: chance.choice((None, number)) for name in chance.sample("abcde", chance.randrange(1, 6))
            }
            story.identify(f"{60 + number}m", late_by=f"{60 + number - minute}m", **told)
            for name, value in told.items():
                if minute >= newest.get(name, (0, None))[0]:
                    newest[name] = (minute, value)
        known = {name: value for name, (_, value) in newest.items() if value is not None}
        assert ann(story).traits == known, SEED


def test_a_user_who_was_stored_before_there_were_times_takes_the_next_word() -> None:
    known = new_actor("ann")
    known.traits = {"plan": "free", "city": "Oslo"}
    fields: list[Any] = msgspec.msgpack.decode(pack(known))
    old = unpack(msgspec.msgpack.encode(fields[: Actor.__struct_fields__.index("told_at")]))
    take(old, identified(5, {"plan": "gold"}), START + ms("20m"), compile_site(site()))
    assert old.traits == {"plan": "gold", "city": "Oslo"}


def test_who_is_told_all_at_once_carries_one_time() -> None:
    story = a_story()
    story.identify("10m", plan="free", city="Oslo", consent={"marketing": True})
    story.identify("20m", plan="gold", city="Oslo", consent={"marketing": True})
    known = ann(story)
    assert (known.told_at, known.told_times, known.conflicts) == (START + ms("20m"), None, ())


def test_the_times_of_a_user_are_bounded_and_what_stands_then_stays() -> None:
    story = a_story()
    for number in range(TRAIT_TIMES_MAX + 9):
        told: dict[str, Any] = {f"t{number}": 1}
        story.identify(f"{number + 60}m", **told)
        story.tell(f"{number + 60}m", "email_subscribed", source="engine", topic=f"topic{number}")
    for number in range(WORD_TIMES_MAX + 9):
        story.tell("5h", "email_subscribed", source="engine", topic=f"more{number}")
    nulls: dict[str, Any] = {f"null{number}": None for number in range(500)}
    story.identify("6h", **nulls)
    times = ann(story).told_times
    assert times is not None
    assert len(times) <= TRAIT_TIMES_MAX + WORD_TIMES_MAX
    older: dict[str, Any] = {f"t{number}": "older" for number in range(TRAIT_TIMES_MAX + 9)}
    story.identify("7h", late_by="6h1m", **older)
    assert set(ann(story).traits.values()) == {1}


# --- consent and topics ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("newest", [True, False])
def test_the_newest_word_on_marketing_counts_whichever_comes_first(newest: bool) -> None:
    story = a_story()
    story.identify("1h", consent={"marketing": newest})
    story.identify("2h", late_by="90m", consent={"marketing": not newest})
    assert is_written_to(story) is newest


def test_an_older_yes_by_name_does_not_take_back_that_all_mail_was_stopped() -> None:
    story = a_story()
    story.tell("1h", "email_unsubscribed", source="engine", topic="")
    story.identify("2h", late_by="90m", consent={"marketing": True})
    assert not is_written_to(story)


@pytest.mark.parametrize("newest", ["email_subscribed", "email_unsubscribed"])
def test_the_newest_word_on_a_topic_counts_whichever_comes_first(newest: str) -> None:
    story = a_story()
    words = ["email_subscribed", "email_unsubscribed"]
    story.tell("1h", newest, topic="cart")
    story.tell("2h", words[words.index(newest) - 1], late_by="90m", topic="cart")
    assert is_written_to(story) is (newest == "email_subscribed")


def test_an_older_unsubscription_that_comes_late_ends_no_run() -> None:
    story = Story(campaign("c", "a", *(push() for _ in range(2)), topic="cart"))
    story.tell("1h", "email_subscribed", topic="cart")
    story.tell("1h", "a")
    story.tell("2h", "email_unsubscribed", late_by="90m", topic="cart")
    story.until("3h")
    assert [row.reason for row in story.rows("exited")] == []


def test_a_consent_that_was_forgotten_as_a_whole_is_not_restored_by_an_older_word() -> None:
    story = a_story()
    story.identify("1h", consent={"marketing": True})
    story.identify("2h", consent=None)
    story.identify("3h", late_by="90m", consent={"marketing": True, "tracking": False})
    assert ann(story).traits == {}


def test_an_older_forgetting_of_the_consent_leaves_its_newer_parts() -> None:
    story = a_story()
    story.identify("10m", consent={"marketing": True})
    story.identify("1h", consent={"tracking": False})
    story.identify("2h", late_by="90m", consent=None)
    assert ann(story).traits == {"consent": {"tracking": False}}
    assert not ann(story).tracked


# --- two who turn out to be one -------------------------------------------------------------------------------------


@pytest.mark.parametrize("newer", ["ann", "~visitor"])
def test_of_two_halves_of_a_user_the_newer_word_counts_trait_by_trait(newer: str) -> None:
    older = "~visitor" if newer == "ann" else "ann"
    story = a_story()
    story.identify("1m", user=older, plan="old", size=38)
    story.identify("2m", user=newer, plan="new", city="Oslo")
    story.alias("3m", "~visitor")
    assert ann(story).traits == {"plan": "new", "city": "Oslo", "size": 38}


def test_after_a_join_a_late_word_is_compared_with_that_of_the_visitor() -> None:
    story = a_story()
    story.identify("20m", user="~visitor", plan="gold")
    story.alias("30m", "~visitor")
    story.identify("40m", late_by="30m", plan="free")
    assert ann(story).traits == {"plan": "gold"}


@pytest.mark.parametrize(("newer", "written"), [("ann", True), ("~visitor", False)])
def test_of_two_halves_of_a_user_the_newer_consent_counts(newer: str, written: bool) -> None:
    older = "~visitor" if newer == "ann" else "ann"
    story = a_story()
    story.identify("1m", user=older, consent={"marketing": not written})
    story.identify("2m", user=newer, consent={"marketing": written})
    story.alias("3m", "~visitor")
    assert is_written_to(story) is written


def test_of_two_halves_that_spoke_in_one_moment_the_no_counts() -> None:
    story = a_story()
    story.identify("1m", consent={"marketing": True})
    story.identify("1m", user="~visitor", consent={"marketing": False})
    story.alias("3m", "~visitor")
    assert not is_written_to(story)


def test_a_topic_that_the_user_wants_again_is_not_stopped_by_what_the_visitor_said_before() -> None:
    story = a_story()
    story.tell("1m", "email_unsubscribed", user="~visitor", source="engine", topic="cart")
    story.tell("2m", "email_subscribed", source="engine", topic="cart")
    story.alias("3m", "~visitor")
    assert is_written_to(story)


# --- a word that is taken back --------------------------------------------------------------------------------------


def stopped(story: Story, topic: str) -> dict[str, Any]:
    """The link stops it at minute ten; what takes that back."""
    story.tell("10m", "email_unsubscribed", source="engine", topic=topic)
    return {"topic": topic, "undoes": START + ms("10m")}


@pytest.mark.parametrize("topic", ["cart", ""])
def test_what_a_link_stopped_is_taken_back(topic: str) -> None:
    story = a_story()
    story.tell("12m", "email_subscribed", source="engine", **stopped(story, topic))
    assert is_written_to(story)


@pytest.mark.parametrize("topic", ["cart", ""])
def test_a_no_that_was_said_elsewhere_meanwhile_is_not_taken_back(topic: str) -> None:
    story = a_story()
    undo = stopped(story, topic)
    story.identify("11m", consent={"marketing": False})
    story.tell("12m", "email_subscribed", source="engine", **undo)
    assert not is_written_to(story)


@pytest.mark.parametrize("topic", ["cart", ""])
def test_a_complaint_meanwhile_is_not_taken_back(topic: str) -> None:
    story = a_story()
    undo = stopped(story, topic)
    story.tell("11m", "email_complained", source="engine", address="ann@example.test")
    story.tell("12m", "email_subscribed", source="engine", **undo)
    assert not is_written_to(story)


@pytest.mark.parametrize("topic", ["cart", ""])
def test_what_was_stopped_again_meanwhile_is_not_taken_back(topic: str) -> None:
    story = a_story()
    undo = stopped(story, topic)
    story.tell("11m", "email_unsubscribed", source="engine", topic=topic)
    story.tell("12m", "email_subscribed", source="engine", **undo)
    assert not is_written_to(story)


# --- conflicts ------------------------------------------------------------------------------------------------------


def test_what_came_late_and_lost_is_in_the_log_of_the_user() -> None:
    story = a_story()
    story.identify("1h", plan="gold", city="Oslo", consent={"marketing": False})
    story.identify("2h", late_by="90m", plan="free", city="Oslo", consent={"marketing": True})
    found = ann(story).conflicts
    assert [(one.how, one.name, one.kept, one.lost) for one in found] == [
        ("late", "plan", '"gold"', '"free"'),
        ("late", "consent.marketing", "false", "true"),
    ]
    assert {(one.at, one.kept_at, one.lost_at) for one in found} == {
        (START + ms("2h"), START + ms("1h"), START + ms("30m"))
    }


def test_what_the_halves_of_a_user_told_differently_is_in_the_log() -> None:
    story = a_story()
    story.identify("1m", email="ann@example.test", city="Oslo")
    story.identify("2m", user="~visitor", email="bob@example.test", city="Oslo")
    story.alias("3m", "~visitor")
    (one,) = ann(story).conflicts
    assert (one.how, one.name, one.kept, one.lost, one.other) == (
        "joined",
        "email",
        '"bob@example.test"',
        '"ann@example.test"',
        "~visitor",
    )


def test_the_log_of_a_user_is_bounded_and_keeps_the_newest() -> None:
    story = a_story()
    story.identify("1h", plan="x" * 5_000)
    for number in range(CONFLICTS_MAX + 3):
        story.identify("2h", late_by="90m", plan=f"{number}" + "é" * 5_000)
    found = ann(story).conflicts
    assert len(found) == CONFLICTS_MAX
    assert found[-1].lost.startswith(f'"{CONFLICTS_MAX + 2}é')
    assert len(msgspec.msgpack.encode(found)) < CONFLICTS_MAX * 700


def test_a_conflict_is_counted_in_its_turn() -> None:
    program = compile_site(site())
    known = new_actor("ann")

    def lost(minute: int, plan: str) -> int:
        turn = take(known, identified(minute, {"plan": plan}), START + ms("2h"), program)
        return turn.conflicts

    assert [lost(60, "gold"), lost(30, "free"), lost(29, "gold"), lost(61, "free")] == [0, 1, 0, 0]
