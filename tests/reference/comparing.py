"""The same site and history through the actors and through the reference: the same ledger, row by row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import zip_longest

import msgspec

from actors.model.event import Event
from actors.model.turn import Decision
from language.compiler.compile import compile_site
from language.syntax import ast
from replay.simulate import Simulator
from tests.reference.interpreter import play
from tests.reference.telling import history_text, site_text
from tests.reference.turns import Row

DAY_MS = 86_400_000
AFTERWARDS_MS = 4 * DAY_MS


def simulated(site: ast.Site, start: int, inputs: list[tuple[Event, int]]) -> Simulator:
    """The actors, played up to a few days after the last input."""
    simulator = Simulator(compile_site(site), start)
    for event, at in inputs:
        simulator.take(event, at)
    simulator.run(until(start, inputs))
    return simulator


def until(start: int, inputs: list[tuple[Event, int]]) -> int:
    return max([start, *(at for _, at in inputs)]) + AFTERWARDS_MS


def agree(site: ast.Site, start: int, inputs: list[tuple[Event, int]]) -> None:
    """Raises AssertionError with the site, the history and the first rows that differ, if any do."""
    actual = by_user(as_row(row) for row in simulated(site, start, inputs).decisions)
    expected = by_user(play(site, inputs, start, until(start, inputs)))
    if actual != expected:
        raise AssertionError(
            "\n".join(["", site_text(site), "", history_text(start, inputs), "", _differences(start, actual, expected)])
        )


def as_row(decision: Decision) -> Row:
    detail = msgspec.json.decode(decision.detail)
    if decision.decision == "waiting" and decision.step == "wait when":
        detail = {}  # when it will be looked at next is the engine's own business
    return Row(
        at=decision.at,
        user=decision.user,
        campaign=decision.campaign,
        decision=decision.decision,
        reason=decision.reason,
        step=decision.step,
        channel=decision.channel,
        template=decision.template,
        variant=decision.variant,
        run=decision.run,
        detail=msgspec.json.encode(detail, order="sorted").decode(),
    )


def by_user(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Each user's rows in order, runs numbered as they were entered."""
    found: dict[str, list[Row]] = {}
    names: dict[str, str] = {"": ""}
    for row in rows:
        mine = found.setdefault(row.user, [])
        if row.decision == "entered":
            names[row.run] = f"{row.user}#{sum(other.decision == 'entered' for other in mine) + 1}"
        mine.append(replace(row, run=names[row.run]))
    return found


def _differences(start: int, actual: dict[str, list[Row]], expected: dict[str, list[Row]]) -> str:
    lines = []
    for user in sorted(actual.keys() | expected.keys()):
        for mine, theirs in zip_longest(actual.get(user, []), expected.get(user, [])):
            mark = " " if mine == theirs else "!"
            lines.append(f"{mark} actors     {_shown(start, mine)}")
            if mine != theirs:
                lines.append(f"{mark} reference  {_shown(start, theirs)}")
    return "\n".join(lines)


def _shown(start: int, row: Row | None) -> str:
    if row is None:
        return "-"
    parts = [row.campaign, row.run, row.decision, row.reason, row.step, row.channel, row.variant, row.detail]
    return f"+{row.at - start} {row.user} {' '.join(part for part in parts if part and part != '{}')}"
