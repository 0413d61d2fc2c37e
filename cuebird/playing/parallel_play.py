"""A recording played on all cores, the people shared out among them."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import Any, Final

from actors.model.program import Program
from cuebird.playing.process_pool import cores, in_processes
from cuebird.playing.progress import Bar
from cuebird.playing.report import PlayReport
from engine.memory.gc_pause import uncollected
from replay.ledger import line
from replay.recording import Arrival, Player, Rank, people, rank

ALONE_BELOW: Final = 5_000
"""Fewer inputs are played sooner than a second process has begun."""
ROWS_A_WORD: Final = 2_000
STEP: Final = 500
"""Inputs between two words of a part about how far it is."""

Person = list[Arrival]
Line = tuple[Rank, bytes]


def census(program: Program, inputs: Sequence[Arrival], until: int, parts: int | None = None) -> PlayReport:
    """What the campaigns would have done with it, the same on any number of cores (`parts`)."""
    shares = _shares(inputs, parts)

    def count(part: int) -> Iterator[int | PlayReport]:
        counted = PlayReport()
        player = Player(program, until, verbose=False)
        for person, done in _with_how_far(shares[part]):
            if done:
                yield done
            for one, decided in player.play(person):
                if one is not None:
                    counted.see(one.event)
                counted.tally.count(decided)
            counted.meet(player.actors.values())
        counted.tally.refuse(player.refusals)
        counted.untracked, counted.duplicates, counted.too_old = player.untracked, player.duplicates, player.too_old
        yield counted

    whole = PlayReport()
    with uncollected(), in_processes(count, len(shares)) as words, Bar("events", len(inputs)) as bar:
        for word in _in_turns(words):
            if isinstance(word, int):
                bar.step(word)
            else:
                whole.add(word)
    return whole


def rows(program: Program, inputs: Sequence[Arrival], until: int, parts: int | None = None) -> Iterator[bytes]:
    """Every row of it as a line of JSON, in order of time."""
    shares = _shares(inputs, parts)

    def write(part: int) -> Iterator[int | list[Line]]:
        lines: list[Line] = []
        player = Player(program, until, verbose=True)
        for person, done in _with_how_far(shares[part]):
            if done:
                yield done
            for one, decided in player.play(person):
                lines += [(rank(row, one), line(row)) for row in decided]
        # By rank alone, and stable: rows of one turn, and of one user's timers at one instant, are in order already.
        lines.sort(key=_rank)
        for start in range(0, len(lines), ROWS_A_WORD):
            yield lines[start : start + ROWS_A_WORD]

    with uncollected(), in_processes(write, len(shares)) as words, Bar("events", len(inputs)) as bar:
        yield from (told for _, told in heapq.merge(*(_lines(part, bar) for part in words), key=_rank))


def _rank(told: Line) -> Rank:
    return told[0]


def _lines(part: Iterator[Any], bar: Bar) -> Iterator[Line]:
    for word in part:
        if isinstance(word, int):
            bar.step(word)
        else:
            yield from word


def _in_turns(parts: list[Iterator[Any]]) -> Iterator[Any]:
    """A word of each in turn: they are about as far as each other."""
    while parts:
        for part in parts[:]:
            try:
                yield next(part)
            except StopIteration:
                parts.remove(part)


def _shares(inputs: Sequence[Arrival], parts: int | None) -> list[list[Person]]:
    """The people, shared out evenly by what happened to them."""
    if parts is None:
        parts = 1 if len(inputs) < ALONE_BELOW else cores()
    shares: list[list[Person]] = [[] for _ in range(parts)]
    load = [0] * parts
    for person in people(inputs):
        least = min(range(parts), key=load.__getitem__)
        shares[least].append(person)
        load[least] += len(person)
    return shares


def _with_how_far(persons: list[Person]) -> Iterator[tuple[Person, int]]:
    """Each person, now and then with how many inputs have been played since that was last told; else 0."""
    done = 0
    for person in persons:
        if done >= STEP:
            yield person, done
            done = 0
        else:
            yield person, 0
        done += len(person)
