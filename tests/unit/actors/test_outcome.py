"""What became of an input is said by its turn, and read from there: not from which object it is."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from actors.actor import new_actor, pack, take
from actors.joining import join
from actors.model.event import Event, Kind
from actors.model.recent import OlderIds
from actors.model.state import Actor
from language.compiler.compile import compile_site
from language.load import read_site

AT = 1_767_607_200_000
HOUR = 3_600_000

PROGRAM = compile_site(
    read_site(
        {
            "campaigns/c.yaml": b"why: x\nentry: {event: a}\nsteps: [{send: {push: p}}]",
            "templates/p.push.yaml": b"title: t",
        }
    ).site
)


def event(message_id: str, *, kind: Kind = "track", **body: object) -> Event:
    return Event(
        user="ann",
        kind=kind,
        name="a" if kind == "track" else "",
        message_id=message_id,
        occurred=AT,
        body=msgspec.json.encode(body),
    )


def forgetful() -> Actor:
    """It has forgotten what it was told until AT."""
    actor = new_actor("ann")
    actor.older_ids = OlderIds(forgotten=AT)
    return actor


def untracked() -> Actor:
    actor = new_actor("ann")
    take(actor, event("no", kind="identify", consent={"tracking": False}), AT, PROGRAM)
    return actor


def known() -> Actor:
    actor = new_actor("ann")
    take(actor, event("m"), AT, PROGRAM)
    return actor


CASES = [(known, "duplicate"), (untracked, "untracked"), (forgetful, "too_old"), (lambda: new_actor("ann"), "taken")]


@pytest.mark.parametrize(("actor", "outcome"), CASES)
def test_what_became_of_an_event_is_said_in_its_turn(actor: Callable[[], Actor], outcome: str) -> None:
    ann = actor()
    before = pack(ann)
    turn = take(ann, event("m"), AT + HOUR, PROGRAM)
    assert turn.outcome == outcome
    assert (pack(ann) == before) == (outcome != "taken")


@pytest.mark.parametrize(("actor", "outcome"), [(known, "duplicate"), (forgetful, "too_old"), (untracked, "taken")])
def test_who_turns_out_to_be_somebody_twice_does_so_once(actor: Callable[[], Actor], outcome: str) -> None:
    ann = actor()
    visitor = new_actor("~v")
    alias = event("m", kind="alias", **{"from": "~v"})
    turn = join(ann, visitor, alias, AT + HOUR, PROGRAM)
    assert turn.outcome == outcome
    assert (visitor.moved_to == "ann") == (outcome == "taken")


def test_what_was_not_taken_differs_from_what_concerned_nobody_by_more_than_identity() -> None:
    nothing = take(new_actor("ann"), msgspec.structs.replace(event("m"), name="other"), AT, PROGRAM)
    told = [take(actor(), event("m"), AT + HOUR, PROGRAM) for actor in (known, untracked, forgetful)]
    assert len({(one.outcome, one.decisions) for one in (nothing, *told)}) == 4
    assert nothing not in told
    assert all(one != two for place, one in enumerate(told) for two in told[:place])
