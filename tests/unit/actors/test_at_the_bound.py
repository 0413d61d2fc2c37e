"""What a user may hold at the most, filled to the last byte."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from actors.actor import new_actor
from actors.model import slots as kinds
from actors.model.compiled_patterns import AllOf
from actors.model.memory import First, Log, Slot
from actors.model.scope import Scope
from actors.model.state import ENTRIES_BYTES_MAX, ENTRY_BYTES_MIN
from actors.runs.patterns import PARTIALS_MAX
from actors.values.kept import VALUE_BYTES_MAX
from language.check.weigh import actor_bytes_max
from language.compiler.compile import compile_site
from tests.unit.actors.making import START, Story, campaign, push, site, wait

LATE = 2**40
"""Takes nine bytes packed, as every time and ordinal may."""


def test_the_first_of_an_event_takes_no_more_than_it_says_at_its_largest() -> None:
    first = First(key=1, event="e", of="p")
    scope = Scope(new_actor("ann"), compile_site(site(campaign("a", "a", push()))), START)
    scope.occurred = scope.ordinal = LATE
    scope.take_up(msgspec.json.encode({"p": "x" * VALUE_BYTES_MAX}))
    packed = msgspec.msgpack.encode(first.put(None, scope))
    assert VALUE_BYTES_MAX < len(packed) <= first.bytes_max


def test_twice_as_many_values_as_are_ranked_are_counted_before_the_lowest_are_dropped() -> None:
    tally = kinds.Tally(key=1, event="e", of="p", half_life=None, keep=2)
    scope = Scope(new_actor("ann"), compile_site(site(campaign("a", "a", push()))), START)
    state: Any = None
    for value in ("a", "b", "c", "d"):
        scope.occurred = START
        scope.take_up(msgspec.json.encode({"p": value}))
        state = tally.put(state, scope)
    assert sorted(state) == ["a", "b", "c", "d"]
    scope.take_up(msgspec.json.encode({"p": "e"}))
    assert len(tally.put(state, scope)) == 2


def test_all_in_any_order_takes_no_more_than_check_says_however_often_it_is_half_done() -> None:
    program = compile_site(site(campaign("a", "all(b, c) within 30d", push(), re_entry="always")))
    (pattern,) = program.campaigns[0].entries
    assert isinstance(pattern, AllOf)
    parts = actor_bytes_max(program)
    story = Story(campaign("a", "all(b, c) within 30d", push(), re_entry="always"))
    for number in range(2 * PARTIALS_MAX):
        story.tell(f"{number}s", "b")
    partials = story.simulator.actors["ann"].partials
    assert partials is not None
    kept = partials[pattern.key]
    assert len(kept) == PARTIALS_MAX
    assert len(msgspec.msgpack.encode(partials)) <= parts["patterns"]


@pytest.mark.parametrize("visitors", [1, 3])
def test_visitors_who_turn_out_to_be_one_user_bring_no_more_of_what_began_their_runs_than_one_user_may_keep(
    visitors: int,
) -> None:
    rules: dict[str, Any] = {"key": "k", "concurrency": "one_per_key", "re_entry": "always"}
    story = Story(campaign("a", "a", wait("for", "300d"), push(), **rules))
    for visitor in range(visitors + 1):
        name = f"~{visitor}" if visitor else "ann"
        for number in range(4):
            story.tell(f"{visitor}s", "a", user=name, k=f"{visitor}-{number}", text="x" * 12_000)
    for visitor in range(1, visitors + 1):
        story.alias("9s", f"~{visitor}")
    runs = story.simulator.actors["ann"].runs
    assert len(runs) == 4 * (visitors + 1)
    assert sum(len(run.entry) for run in runs) <= ENTRIES_BYTES_MAX + len(runs) * ENTRY_BYTES_MIN


FILLED: dict[str, Slot] = {
    "a log of one": Log(key=1, event="e", properties=("p",), keep=1),
    "a log of a count": Log(key=1, event="e", keep=300),
    "the first": First(key=1, event="e", of="p"),
    "the last few": kinds.LastOf(key=1, event="e", keep=5, distinct="p"),
    "the last many": kinds.LastOf(key=1, event="e", keep=60, distinct=None),
    "a tally": kinds.Tally(key=1, event="e", of="p", half_life=1_000_000, keep=10),
    "a sum": kinds.SumOf(key=1, event="e", of="n"),
    "a score": kinds.Score(key=1, weights=(("e", 0.1),), half_life=1000),
}


@pytest.mark.parametrize("name", FILLED)
def test_what_is_remembered_can_fill_what_check_says_and_never_more(name: str) -> None:
    """A bound far above the truth would keep users on disk for nothing."""
    slot, largest = FILLED[name], 0
    for length in (2_000, 124):
        scope = Scope(new_actor("ann"), compile_site(site(campaign("a", "a", push()))), START)
        scope.name, state = "e", None
        for number in range(400):
            scope.occurred = scope.ordinal = LATE + number
            scope.take_up(msgspec.json.encode({"p": f"{number:04}" + "x" * length, "more": "y" * length, "n": 1e300}))
            state = slot.put(state, scope)
            size = len(msgspec.msgpack.encode(state))
            assert size <= slot.bytes_max
            largest = max(largest, size)
    assert largest > 0.85 * slot.bytes_max
