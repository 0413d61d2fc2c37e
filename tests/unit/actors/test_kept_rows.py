"""Of an event so many rows are kept of a user; who loses one that is asked for is counted."""

from __future__ import annotations

import pytest

from actors.actor import new_actor, take
from actors.model.event import Event
from actors.model.memory import LOG_KEEP
from language.compiler.compile import compile_site
from tests.unit.actors.making import START, campaign, site

SECOND = 1_000
HOUR = 3_600_000


def limits_reached(events: int, segment: str, apart: int = SECOND) -> list[str]:
    """By so many events on a site with such a segment."""
    program, actor = (
        compile_site(site(campaign("c", 'entered segment("s")'), segments={"s": segment})),
        new_actor("ann"),
    )
    reached: list[str] = []
    for number in range(events):
        at = START + number * apart
        turn = take(
            actor,
            Event(user="ann", kind="track", name="a", message_id=f"m{number}", occurred=at, body=b'{"n":1}'),
            at,
            program,
        )
        reached += turn.reached
    return reached


@pytest.mark.parametrize("question", ["sum(a.n, last 1d)", "distinct(a.n, last 1d)", "avg(a.n, today)"])
def test_a_row_that_a_sum_has_to_do_without_is_counted(question: str) -> None:
    assert limits_reached(LOG_KEEP, f"{question} > 5") == []
    assert limits_reached(LOG_KEEP + 2, f"{question} > 5") == ["log_rows", "log_rows"]


@pytest.mark.parametrize("condition", ["sum(a.n, last 10s) > 5", "count(a, last 1d) > 5", "sum(a.n) > 5"])
def test_rows_that_nobody_asks_for_any_more_are_forgotten_without_a_word(condition: str) -> None:
    assert limits_reached(LOG_KEEP + 44, condition) == []


def test_what_was_done_on_earlier_days_is_no_loss_to_a_question_about_today() -> None:
    assert limits_reached(LOG_KEEP + 44, "avg(a.n, today) > 5", apart=HOUR) == []
