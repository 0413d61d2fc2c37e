"""Where one more, one less or the other way round would be wrong: each of these was once changed and no test noticed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from actors.actor import new_actor
from actors.model.local_time import time_zone
from actors.model.program import Cap
from actors.model.state import WATCHED_MAX
from language.compiler.compile import compile_site
from replay.simulate import Simulator
from tests.unit.actors.making import START, Story, campaign, push, site, wait

DAY = 86_400_000


def test_the_zone_that_a_device_told_counts_before_that_of_the_shop() -> None:
    program = compile_site(site(campaign("a", "a", push()), time_zone="Europe/Berlin"))
    ann = new_actor("ann")
    assert time_zone(ann, program) == "Europe/Berlin"
    ann.zone = "Asia/Kolkata"
    assert time_zone(ann, program) == "Asia/Kolkata"
    ann.zone = "Nowhere/Land"
    assert time_zone(ann, program) == "Europe/Berlin"
    ann.zone = "Asia/Kolkata"
    ann.traits["time_zone"] = "America/New_York"
    assert time_zone(ann, program) == "America/New_York"


@pytest.mark.parametrize("ended", [WATCHED_MAX, WATCHED_MAX + 1])
def test_as_many_ended_runs_are_watched_for_their_goal_as_is_said_and_the_oldest_goes_first(ended: int) -> None:
    story = Story(
        campaign("a", "a", push(), key="k", concurrency="one_per_key", re_entry="always", goal="bought", within="300d")
    )
    for number in range(ended):
        story.tell(f"{number}s", "a", k=f"k{number}")
    story.until("100s")
    runs = story.simulator.actors["ann"].runs
    assert [run.key for run in runs] == [f"k{number}" for number in range(ended)][-WATCHED_MAX:]


def test_a_cap_by_day_looks_back_two_days_for_a_day_of_the_user_may_be_longer() -> None:
    policy = compile_site(site(campaign("a", "a", push()))).policy
    for by_day, longest in [(True, 2 * DAY), (False, DAY)]:
        cap = Cap(limit=1, span=DAY, by_day=by_day)
        assert msgspec.structs.replace(policy, caps=(cap,), cooldown=0, fatigue_after=0).longest == longest


def test_a_simulation_tells_the_time_that_it_reached() -> None:
    simulator = Simulator(compile_site(site(campaign("a", "a", push()))), START)
    assert simulator.run(START + 5) == START + 5
    assert simulator.run(None) == START + 5


def test_what_waits_for_the_goal_of_an_ended_run_waits_through_its_last_millisecond() -> None:
    rules: dict[str, Any] = {"key": "k", "concurrency": "one_per_key", "re_entry": "always"}
    story = Story(campaign("a", "a", push(), goal="bought", within="1h", **rules))
    story.tell("0ms", "a", k="one")
    story.tell("1ms", "a", k="two")
    last = 3_600_000 + story.simulator.program.policy.lateness
    story.tell(f"{last}ms", "a", k="three")
    ann = story.simulator.actors["ann"]
    assert [run.key for run in ann.runs] == ["one", "two", "three"]
    story.tell(f"{last + 1}ms", "a", k="four")
    assert [run.key for run in ann.runs] == ["two", "three", "four"]


def test_a_run_knows_its_own_id() -> None:
    story = Story(campaign("a", "a", wait("when", "run.id != user.id and coalesce(run.id, '') != ''"), push()))
    story.tell("0s", "a")
    assert [row.decision for row in story.rows("sent")] == ["sent"]
    assert msgspec.json.encode(story.rows("sent")[0].run) != b'""'


def test_a_goal_that_was_told_before_the_entry_it_comes_after_is_worth_what_the_first_of_them_was() -> None:
    made = campaign("a", "a", wait("for", "1d"), push(), goal="bought", within="2d")
    assert made.goal is not None
    story = Story(msgspec.structs.replace(made, goal=msgspec.structs.replace(made.goal, value="total")))
    for when, total in (("11m", 10), ("12m", 20), ("13m", 30)):
        story.tell(when, "bought", total=total)
    story.tell("20m", "a", late_by="10m")
    assert [msgspec.json.decode(row.detail)["value"] for row in story.rows("goal")] == [10]


def test_of_a_visitor_who_turned_out_to_be_a_user_no_timer_and_no_segment_is_left() -> None:
    story = Story(campaign("c", 'entered segment("gone")', push()), segments={"gone": "idle > 7d"})
    story.tell("0s", "a", user="~v")
    visitor = story.simulator.actors["~v"]
    assert visitor.watch > 0
    story.alias("1s", "~v")
    assert (visitor.moved_to, visitor.watch, visitor.due, visitor.segments) == ("ann", 0, 0, ())
