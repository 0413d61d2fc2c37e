"""An actor's bytes are bounded whatever is sent, and nothing that is shared grows with what one visitor sends."""

from __future__ import annotations

import os
import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.actor import new_actor, pack, take, unpack
from actors.joining import join
from actors.model import slots as kinds
from actors.model.event import CONTROL, Event
from actors.model.memory import First, Log, Slot, Totals
from actors.model.program import Program
from actors.model.scope import Scope
from actors.model.state import RUNS_MAX, USER_BYTES_MAX, WATCHED_MAX, Actor
from actors.values import zone
from actors.values.address import valid_address
from actors.values.kept import kept, kept_name, kept_value, weight
from ingress.messages.identifiers import ID_CHARACTERS_MAX
from ingress.messages.taking import UNPROVEN
from language.check.weigh import actor_bytes_max
from language.compiler.compile import compile_site
from language.load import load_site, read_site
from tests.unit.actors import hostile
from tests.unit.actors.making import START, Story, campaign, push, wait

ROOT = Path(__file__).parents[3]
SEED = int(os.environ.get("CUEBIRD_SEED", random.SystemRandom().randrange(10**6)))
HARD = os.environ.get("CUEBIRD_EXAMPLES") is not None

_pack = msgspec.msgpack.encode


@pytest.fixture
def chance() -> random.Random:
    print(f"CUEBIRD_SEED={SEED}")
    return random.Random(SEED)


# --- each kind of slot ----------------------------------------------------------------------------------------------

SLOTS: dict[str, Slot] = {
    "a log": Log(key=1, event="e", properties=("product_id", "price", "category")),
    "a log of one": Log(key=1, event="e", properties=("product_id",), keep=1),
    "a log of a count": Log(key=1, event="e", keep=300),
    "a log of many properties": Log(key=1, event="e", properties=(*hostile.PROPERTIES, *hostile.PROPERTIES), keep=4),
    "totals": Totals(key=1, event="e", of="price"),
    "the first": First(key=1, event="e", of="product_id"),
    "a bag": kinds.Bag(key=1, event="e", by="product_id", remove=None, clear=()),
    "the last few": kinds.LastOf(key=1, event="e", keep=5, distinct="product_id"),
    "the last many": kinds.LastOf(key=1, event="e", keep=60, distinct=None),
    "a tally": kinds.Tally(key=1, event="e", of="product_id", half_life=1_000_000, keep=10),
    "a sum": kinds.SumOf(key=1, event="e", of="price"),
    "a score": kinds.Score(key=1, weights=(("e", 1e300),), half_life=1000),
}


@pytest.mark.parametrize("name", SLOTS)
def test_what_is_remembered_is_never_larger_than_it_says(name: str, chance: random.Random) -> None:
    slot = SLOTS[name]
    states = [_filled(slot, chance, rounds) for rounds in (500 if HARD else 25, 3, 25)]
    merged: Any = None
    for state in states:
        merged = slot.merged(merged, state)
        assert len(_pack(merged)) <= slot.bytes_max, SEED
    for again in range(10):
        merged = slot.put(merged, _scope(chance, 1000 + again))
        assert len(_pack(merged)) <= slot.bytes_max, SEED


def _filled(slot: Slot, chance: random.Random, rounds: int) -> Any:
    state: Any = None
    for number in range(rounds):
        state = slot.put(state, _scope(chance, number))
        assert len(_pack(state)) <= slot.bytes_max, SEED
    return state


def _scope(chance: random.Random, number: int) -> Scope:
    scope = Scope(new_actor("ann"), _nothing(), START + number * 1000)
    scope.name = "e"
    scope.occurred = START + chance.randrange(10**6)
    body = hostile.properties(chance)
    if chance.random() < 0.3:
        body["products"] = [{"sku": f"s{place}", "text": "x" * 400} for place in range(20)]
    scope.take_up(kept(msgspec.json.encode(body), 16_384))
    return scope


def _nothing() -> Program:
    return compile_site(
        read_site({"campaigns/a.yaml": b"why: A test.\nentry: {event: a}\nsteps: [{send: {push: a}}]\n"}).site
    )


# --- what is kept ---------------------------------------------------------------------------------------------------


def test_a_short_body_is_kept_as_it_is_and_a_long_one_by_its_smallest_properties() -> None:
    body = b'{ "a" : 1.50, "b": "x" }'
    assert kept(body, 100) is body
    lines = [{"sku": f"s{number}"} for number in range(100)]
    told = {
        "text": "t" * 5_000,
        "url": "https://shop.example/p/1",
        "price": 19.0,
        "lines": lines,
        "more": {"a": "b" * 900},
    }
    slim = kept(msgspec.json.encode(told), 500)
    assert len(slim) <= 500
    found = msgspec.json.decode(slim)
    some = found.pop("lines")
    assert 20 < len(some) < 100
    assert some == lines[: len(some)]
    assert found == {"url": "https://shop.example/p/1", "price": 19.0}


def test_two_long_names_that_begin_alike_stay_two() -> None:
    one, other = "a" * 5_000 + "1", "a" * 5_000 + "2"
    assert kept_name(one) != kept_name(other)
    assert kept_name(one) == kept_name(one)
    for text in (one, "é" * 400, "\N{SMILING FACE WITH SUNGLASSES}" * 400):
        assert len(kept_name(text).encode()) <= 128
    assert kept_name("é" * 60) == "é" * 60


def test_a_weight_is_no_less_than_the_packed_bytes_nor_more_than_64_times_that(chance: random.Random) -> None:
    for _ in range(300):
        value = hostile.value(chance)
        assert len(_pack(value)) <= weight(value) <= 64 * len(_pack(value)), SEED
        assert len(_pack(kept_value(value))) <= 1_032, SEED


# --- a whole user ---------------------------------------------------------------------------------------------------

SITES: dict[str, Callable[[], Program]] = {
    "starter": lambda: compile_site(load_site(ROOT / "templates/site")),
    "demo": lambda: compile_site(load_site(ROOT / "templates/demo/site")),
    "kill": lambda: compile_site(load_site(ROOT / "tests/sites/kill")),
    "language": lambda: compile_site(load_site(ROOT / "tests/sites/language")),
    "patterns": lambda: compile_site(load_site(ROOT / "tests/sites/second/patterns")),
}


@pytest.mark.parametrize("name", SITES)
def test_no_stream_of_events_makes_a_user_larger_than_check_says(name: str, chance: random.Random) -> None:
    program = SITES[name]()
    most = sum(actor_bytes_max(program).values())
    actor, largest = new_actor("~" + "v" * ID_CHARACTERS_MAX), 0
    names = sorted(
        {*program.interests, *(event for one in program.versions.values() for event in one.listens), *CONTROL}
    )
    at = START
    for number in range(2_000 if HARD else 120):
        at += chance.choice((0, 0, 0, 0, 1, 1000, 60_000))
        event = _event(chance, names, number, at)
        if number % 40 == 39:
            visitor = new_actor(f"~{number}")
            for more in range(20):
                take(visitor, _event(chance, names, number * 1000 + more, at), at, program)
            join(actor, visitor, _made("alias", "", {"from": visitor.user}, f"j{number}", at), at, program)
            assert len(pack(visitor)) <= most, SEED
        take(actor, event, at, program)
        if number % 10 == 9:
            largest = max(largest, len(pack(actor)))
            assert largest <= most, (SEED, largest, most, _parts(actor))
    assert pack(unpack(pack(actor))) == pack(actor)
    assert largest > 8_000, f"too tame to show anything: {_parts(actor)}"


def _parts(actor: Actor) -> dict[str, int]:
    return {part: len(_pack(getattr(actor, part))) for part in Actor.__struct_fields__}


def _event(chance: random.Random, names: list[str], number: int, at: int) -> Event:
    luck = chance.random()
    if luck < 0.1:
        consent = {f"part{chance.randrange(1000)}": chance.choice((True, False, "x" * 5_000)) for _ in range(50)}
        return _made("identify", "", {**hostile.properties(chance), "consent": consent}, f"m{number}", at)
    body = hostile.properties(chance)
    if luck < 0.2:
        body |= {"permanent": True, "address": f"a{number}@{'d' * 60}.{'e' * 60}.test"}
        body["topic"] = chance.choice((f"t{number}", "t" * 3_000))
    name = chance.choice([name for name in names if name not in CONTROL or luck < 0.3])
    return _made("track", name, body, f"m{number}", at, chance.choice((0, 0, 3_600_000)))


def _made(kind: Any, name: str, body: dict[str, Any], message_id: str, at: int, late: int = 0) -> Event:
    data = msgspec.json.encode(body)
    while len(data) > hostile.MESSAGE_BYTES:
        body.popitem()
        data = msgspec.json.encode(body)
    context = msgspec.json.encode({"timezone": "Z" * 5_000})
    return Event(
        user="ann", kind=kind, name=name, message_id=message_id, occurred=at - late, body=data, context=context
    )


def test_the_ways_in_let_no_longer_name_through_than_is_counted() -> None:
    assert ID_CHARACTERS_MAX * 4 + len(UNPROVEN) <= USER_BYTES_MAX


def test_visitors_who_turn_out_to_be_one_user_bring_no_more_runs_than_a_user_may_have() -> None:
    story = Story(
        campaign("a", "a", wait("for", "300d"), push(), key="k", concurrency="one_per_key", re_entry="always"),
        campaign("b", "b", push(), key="k", concurrency="one_per_key", re_entry="always", goal="c", within="300d"),
    )
    for visitor in range(5):
        for number in range(RUNS_MAX):
            story.tell(f"{visitor}s", "b", user=f"~{visitor}", k=f"{visitor}-{number}")
            story.tell(f"{visitor}s", "a", user=f"~{visitor}", k=f"{visitor}-{number}", text="x" * 12_000)
        story.alias(f"{visitor}s", f"~{visitor}")
    story.until("10s")
    ann = story.simulator.actors["ann"]
    assert len([run for run in ann.runs if run.pc >= 0]) == RUNS_MAX
    assert len(ann.runs) <= RUNS_MAX + WATCHED_MAX
    assert len(story.rows("exited")) == 4 * RUNS_MAX
    assert {row.reason for row in story.rows("exited")} == {"joined"}
    assert len(pack(ann)) < 200_000


def test_a_no_is_taken_however_full_the_traits_are() -> None:
    story = Story(campaign("a", "a", push()))
    for number in range(600):
        story.identify("1s", **{f"t{number}": "x" * 3_000})
    story.identify("2s", consent={"marketing": False, "tracking": True})
    traits = story.simulator.actors["ann"].traits
    assert traits["consent"] == {"marketing": False, "tracking": True}
    assert 9 < len(traits) < 20, "ten traits of 3 kB fit, the others are not taken"
    story.identify("3s", t0="short", t1=None, late="now there is room")
    assert traits["t0"] == "short"
    assert "t1" not in traits
    assert traits["late"]


def test_who_leaves_more_topics_than_are_kept_wants_none() -> None:
    story = Story(campaign("a", "a", push()))
    for number in range(64):
        story.tell("1s", "email_unsubscribed", source="engine", topic=f"t{number}")
    ann = story.simulator.actors["ann"]
    assert len(ann.unsubscribed) == 64
    assert "consent" not in ann.traits
    story.tell("2s", "email_unsubscribed", source="engine", topic="one more")
    assert len(ann.unsubscribed) == 64
    assert ann.traits["consent"] == {"marketing": False}


def test_what_is_not_kept_is_counted_in_its_turn() -> None:
    program = compile_site(load_site(ROOT / "templates/demo/site"))
    ann = new_actor("ann")
    turn = take(
        ann, _made("track", "product_added", {"product_id": "a", "text": "x" * 20_000}, "m1", START), START, program
    )
    assert turn.reached == ("event_bytes",)
    turn = take(ann, _made("identify", "", {"a": "x" * 40_000}, "m2", START), START, program)
    assert turn.reached == ("event_bytes", "traits")
    turn = take(ann, _made("identify", "", {"a": "x"}, "m3", START), START, program)
    assert turn.reached == ()


# --- what all users share -------------------------------------------------------------------------------------------


def _grown(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def test_a_consent_of_a_hundred_huge_parts_is_held_by_nobody() -> None:
    program, ann = _nothing(), new_actor("ann")

    def tell() -> None:
        for number in range(100):
            body = {"consent": {f"k{number}": "a" * 60_000}}
            take(ann, _made("identify", "", body, f"m{number}", START), START, program)

    assert _grown(tell) < 1_000_000


def test_zones_and_addresses_that_nobody_has_are_not_held() -> None:
    def ask() -> None:
        for number in range(200):
            assert zone.zone(f"Europe/{'x' * 100_000}{number}") is None
            assert valid_address("x" * 100_000 + str(number)) is None

    assert _grown(ask) < 1_000_000


def test_what_visitors_put_into_their_carts_fills_the_shared_table_to_a_bound() -> None:
    from actors.values import intern

    def share() -> None:
        for number in range(20_000):
            intern.shared(f"{number}" + "x" * 1_500)

    assert _grown(share) < intern.SHARED_BYTES_MAX + 8_000_000
    assert intern.shared("y" * 100_000) == "y" * 100_000
