"""A recording played on several cores comes to the same as on one."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from bench import month
from cuebird.playing.campaign_counts import PlayedFigures
from cuebird.playing.parallel_play import census, rows
from cuebird.playing.process_pool import PartFailed, in_processes
from cuebird.playing.recordings import read_replay
from cuebird.playing.summary import SummaryInput, summary
from language.compiler.compile import compile_site
from language.load import load_site
from replay.recording import Arrival

SITE = load_site(Path("templates/site"))
USERS = 25


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> list[Arrival]:
    file = tmp_path_factory.mktemp("month") / "events.jsonl"
    month.write(USERS, file)
    with file.open("rb") as opened:
        replay = read_replay(opened, {})
    assert not replay.bad
    return replay.arrivals


def test_three_cores_write_the_ledger_that_one_writes(recorded: list[Arrival]) -> None:
    program, until = compile_site(SITE), recorded[-1].at + month.DAY_MS

    alone, shared = (list(rows(program, recorded, until, parts)) for parts in (1, 3))

    assert alone == shared
    assert len(alone) > USERS


def test_three_cores_count_what_one_counts(recorded: list[Arrival]) -> None:
    program, until = compile_site(SITE), recorded[-1].at + month.DAY_MS

    def page(parts: int) -> str:
        found = census(program, recorded, until, parts)
        seen = SummaryInput(first=recorded[0].at, last=recorded[-1].at, until=until, census=found)
        return summary(seen, SITE.campaigns, list(found.oddities.sentences()))

    assert page(1) == page(3)
    assert f"\n{USERS} people, {USERS} of them with an e-mail address\n" in page(1)


def test_every_figure_of_one_part_is_added_to_those_of_another() -> None:
    def different(number: int) -> PlayedFigures:
        """Every field with something of its own in it."""
        found = PlayedFigures()
        for field in msgspec.structs.fields(PlayedFigures):
            value = getattr(found, field.name)
            filled = {int: number, set: {str(number)}, list: [number], dict: {str(number): number}}
            setattr(found, field.name, Counter({str(number): 1}) if isinstance(value, Counter) else filled[type(value)])
        return found

    one, other = different(1), different(2)
    one.add(other)
    for field in msgspec.structs.fields(PlayedFigures):
        value = getattr(one, field.name)
        assert value == 3 or len(value) == 2, field.name


@pytest.mark.parametrize("parts", [1, 2])
def test_what_a_part_tells_comes_in_its_order(parts: int) -> None:
    def work(part: int) -> Iterator[tuple[int, int]]:
        for word in range(3):
            yield part, word

    with in_processes(work, parts) as words:
        assert [list(told) for told in words] == [[(part, word) for word in range(3)] for part in range(parts)]


def test_a_process_that_dies_in_the_middle_is_no_short_answer() -> None:
    def work(part: int) -> Iterator[int]:
        yield part
        if part:
            os._exit(9)

    with in_processes(work, 2) as (whole, broken):
        assert list(whole) == [0]
        assert next(broken) == 1
        with pytest.raises(PartFailed):
            next(broken)
