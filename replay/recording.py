"""A recording taken person by person: what happens to one is nobody else's business, so each can be played alone.

The rows are those of a `Simulator` that is told everything in order of time; `Rank` puts them into that order again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from actors.actor import Actor
from actors.identity import named_by
from actors.model.event import Event
from actors.model.program import Program
from actors.model.turn import Decision
from persistence.interface import JournalEntry
from replay.fold import Fold


class Arrival(NamedTuple):
    """An event of a recording, and when it comes."""

    at: int
    """When it comes, in ms since the epoch."""
    number: int
    """Its place in the recording: at one instant the lower comes first."""
    event: Event


Rank = tuple[int, int, int | str]
"""Where a row stands in the ledger of all: by its time; then inputs before timers; then by input, or by user."""


def people(inputs: Iterable[Arrival]) -> list[list[Arrival]]:
    """The arrivals of each person, in the order in which they were given: a user and the visitors who turn out to be that
    user are one."""
    known_as: dict[str, str] = {}

    def root(name: str) -> str:
        while (other := known_as.get(name, name)) != name:
            known_as[name] = known_as.get(other, other)  # else a computer that a thousand share makes a chain of them
            name = other
        return name

    by_name: dict[str, list[Arrival]] = {}
    joined = False
    for one in inputs:
        event = one.event
        mine = by_name.get(event.user)
        if mine is None:
            mine = by_name[event.user] = []
        mine.append(one)
        if event.kind == "alias" and (visitor := named_by(event)):
            joined = True  # or will be, if it is said of a visitor who turns out to be somebody
            known_as[root(visitor)] = root(event.user)
    if not joined:
        return list(by_name.values())
    by_person: dict[str, list[list[Arrival]]] = {}
    for name, mine in by_name.items():
        by_person.setdefault(root(name), []).append(mine)
    return [parts[0] if len(parts) == 1 else _in_order(parts) for parts in by_person.values()]


def _in_order(parts: list[list[Arrival]]) -> list[Arrival]:
    # By number alone: events are not ordered, and two of one message keep their order.
    return sorted((one for part in parts for one in part), key=lambda one: (one.at, one.number))


class Player:
    """Plays people, one after the other, and counts what leaves no row."""

    def __init__(self, program: Program, until: int, *, verbose: bool) -> None:
        """`until`: when time ends for everybody. `verbose`: rows `not_entered` too."""
        self._fold = Fold(program, tells_all=verbose)
        self._until = until
        self.duplicates = 0
        self.too_old = 0

    @property
    def refusals(self) -> dict[tuple[str, str], int]:
        """(campaign, reason) -> entries refused."""
        return self._fold.refusals

    @property
    def untracked(self) -> int:
        return self._fold.untracked

    @property
    def actors(self) -> dict[str, Actor]:
        """Of the person who was played last; a visitor who turned out to be somebody is not among them."""
        return self._fold.actors

    def play(self, arrivals: Sequence[Arrival]) -> Iterator[tuple[Arrival | None, Sequence[Decision]]]:
        """Each input that is neither a duplicate nor too old with the rows that came of it and of the time before it; at the end None, with
        the rows of the time after the last."""
        fold = self._fold
        fold.clear()
        for one in arrivals:
            turn = fold.take(JournalEntry(one.number, one.at, one.event))
            assert turn is not None, "this fold leaves nobody out"
            if turn.outcome == "duplicate":
                self.duplicates += 1
            elif turn.outcome == "too_old":
                self.too_old += 1
            else:
                yield one, fold.drain()
        fold.until(self._until)
        if fold.decisions:
            yield None, fold.drain()


def rank(row: Decision, by: Arrival | None) -> Rank:
    """Where the row stands. `by`: the input with which it was yielded; a row from before it is a timer's."""
    if by is not None and by.at == row.at:
        return (row.at, 0, by.number)
    return (row.at, 1, row.user)
