"""The fold of a journal where one user's actor fails, and where there are more users than are kept as objects."""

from __future__ import annotations

import msgspec
import pytest

from actors.model.event import Event
from actors.model.program import Program, WaitFor, index
from actors.model.scope import Scope
from persistence.interface import JournalEntry
from replay.fold import Fold
from tests.unit.engine.town import MINUTE, START, campaign, event, send, site

HOUR = 60 * MINUTE


def hour(scope: Scope) -> float:
    return 3600.0


def failing(*users: str) -> Program:
    """A greeting, and one that is sent again an hour later; the wait for that fails for these users."""

    def fails(scope: Scope) -> float:
        if scope.actor.user in users:
            raise KeyError("a bug")
        return hour(scope)

    waits = (WaitFor(step="wait 1h", duration=hour), WaitFor(step="wait again", duration=fails))
    greeting = campaign("greeting", "signed_up", (), (*waits, send("hello")), "1")
    hurried = campaign("hurried", "product_added", (), (WaitFor(step="wait", duration=fails), send("soon")), "1")
    campaigns = (greeting, hurried)
    return msgspec.structs.replace(
        site(),
        campaigns=campaigns,
        versions={one.version: one for one in campaigns},
        interests=index(campaigns, ()),
    )


def play(fold: Fold, *inputs: tuple[int, Event]) -> list[tuple[str, int]]:
    """(user, when) of what was sent within a day."""
    for seq, (minutes, told) in enumerate(inputs, start=1):
        fold.take(JournalEntry(seq, START + minutes * MINUTE, told))
    fold.until(START + 24 * HOUR)
    return [(one.user, (one.at - START) // MINUTE) for one in fold.sends]


def joins(visitor: str, user: str) -> Event:
    return event(user, kind="alias", **{"from": visitor})


def test_a_user_whose_input_fails_is_left_out_and_the_others_go_on() -> None:
    fold = Fold(failing("bob"), spares=True)
    sent = play(
        fold, (0, event("bob", "product_added")), (0, event("ann", "product_added")), (1, event("bob", "signed_up"))
    )
    assert sent == [("ann", 60)]
    assert fold.left_out == {"bob": "KeyError: 'a bug'"}
    assert list(fold.actors) == ["ann"]


def test_a_user_whose_timer_fails_is_left_out_and_the_others_go_on() -> None:
    fold = Fold(failing("bob"), spares=True)
    assert play(fold, (0, event("bob", "signed_up")), (0, event("ann", "signed_up"))) == [("ann", 120)]
    assert fold.left_out == {"bob": "KeyError: 'a bug'"}


def test_who_is_joined_with_a_visitor_who_was_left_out_is_left_out() -> None:
    fold = Fold(failing("~v"), spares=True)
    sent = play(fold, (0, event("~v", "product_added")), (0, event("ann", "signed_up")), (1, joins("~v", "ann")))
    assert sent == []
    assert fold.left_out == {"~v": "KeyError: 'a bug'", "ann": "the visitor ~v was left out: KeyError: 'a bug'"}


def test_where_nobody_is_spared_the_fault_is_told() -> None:
    with pytest.raises(KeyError, match="a bug"):
        play(Fold(failing("bob")), (0, event("bob", "product_added")))


@pytest.mark.parametrize("live_max", [0, 1, 2])
def test_users_beyond_those_kept_as_objects_are_played_all_the_same(live_max: int) -> None:
    fold = Fold(failing(), live_max=live_max)
    sent = play(
        fold,
        (0, event("~v", "signed_up")),
        (1, event("ann", "page_viewed")),
        (2, event("bob", "signed_up")),
        (3, joins("~v", "ann")),
        (4, event("~v", "product_added")),
    )
    assert sent == [("ann", 64), ("ann", 120), ("bob", 122)]
    assert len(fold) == len(fold.actors) == 2


@pytest.mark.parametrize("live_max", [0, 1])
def test_the_only_user_there_is_may_be_put_away_between_two_inputs(live_max: int) -> None:
    fold = Fold(failing(), live_max=live_max)
    sent = play(
        fold, (0, event("ann", "signed_up")), (30, event("ann", "product_added")), (91, event("ann", "signed_up"))
    )
    assert sent == [("ann", 90), ("ann", 120)]


def test_an_independent_history_begins_with_nobody() -> None:
    fold = Fold(failing())
    first = play(fold, (0, event("~v", "signed_up")), (0, joins("~v", "ann")))
    fold.clear()
    fold.drain()
    assert len(fold) == 0
    assert play(fold, (0, event("~v", "signed_up"))) == [("~v", 120)]
    assert first == [("ann", 120)]


def test_entries_come_in_the_order_of_their_stamps() -> None:
    fold = Fold(failing())
    fold.take(JournalEntry(1, START, event("ann")))
    with pytest.raises(AssertionError, match=f"entries come in order: {START - 1} after {START}"):
        fold.take(JournalEntry(2, START - 1, event("ann")))
