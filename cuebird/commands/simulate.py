"""`cuebird simulate SITE --events FILE`: recorded events through the campaigns, in virtual time."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import click

from actors.event import Event
from actors.program import Program
from actors.turn import Decision
from cuebird.oddities import Oddities
from cuebird.progress import progressing
from cuebird.replay import Arrival, BadLine, Replay, Unreadable, read_replay
from cuebird.sites import open_site, refuse
from cuebird.summary import Seen, summary
from cuebird.tally import Tally
from engine.language.durations import FORMS, duration_ms, instant_ms
from engine.language.problems import SiteErrors
from engine.ledger import line
from engine.simulate import Simulator

AFTERWARDS_MS: Final = 30 * 86_400_000
BAD_LINES_SHOWN_MAX: Final = 5
ROWS_KEPT_MAX: Final = 10_000


@click.command()
@click.argument("site", type=click.Path(path_type=Path), default=".")
@click.option("--events", "file", required=True, help="Segment messages, one a line, plain or gzip; - is stdin.")
@click.option(
    "--until", help="A time, or a duration after the last event; default: until nothing is due, at most 30 days after."
)
@click.option("--json", "as_json", is_flag=True, help="The ledger, one row a line, and nothing else.")
def command(site: Path, file: str, until: str | None, as_json: bool) -> None:
    """Play recorded events through the campaigns of SITE, and say what they would have done. Nothing is sent."""
    try:
        checked, program = open_site(site)
    except SiteErrors as error:
        raise refuse(error, as_json=as_json, to_stderr=True) from None
    replay = _read(file, program)
    _tell_bad(replay.bad)
    if not replay.arrivals:
        raise click.ClickException(f"{file}: there is no event in it that can be played")
    end = _end(until, replay)
    arrivals = [arrival for arrival in replay.arrivals if arrival.at <= end]
    simulator = Simulator(program, start=arrivals[0].at if arrivals else end, verbose=as_json)
    if as_json:
        _play(simulator, arrivals, end, _print)
        sys.stdout.buffer.flush()
        return
    tally, heard = Tally(), _Heard()
    duplicates = _play(simulator, arrivals, end, tally.count, heard.see)
    tally.refuse(simulator.refusals)
    told_before = [f"{_messages(duplicates)} told before"] if duplicates else []
    oddities = [*told_before, *_about_lines(replay, simulator), *heard.oddities.sentences()]
    live = [campaign for campaign in checked.site.campaigns if campaign.status not in ("draft", "archived")]
    click.echo(summary(_seen(simulator, arrivals, heard), live, tally, oddities))


def _print(decisions: list[Decision]) -> None:
    sys.stdout.buffer.writelines(line(decision) + b"\n" for decision in decisions)


def _read(file: str, program: Program) -> Replay:
    try:
        if file == "-":
            return read_replay(sys.stdin.buffer, program.aliases, program.policy.lateness)
        with Path(file).open("rb") as opened:
            return read_replay(opened, program.aliases, program.policy.lateness)
    except OSError as error:
        raise click.UsageError(f"{file} cannot be read: {error.strerror}") from None
    except Unreadable as error:
        raise click.ClickException(f"{file} {error}") from None


def _end(until: str | None, replay: Replay) -> int:
    """When the simulation ends, in ms since the epoch."""
    last = replay.arrivals[-1].at
    if until is None:
        return last + AFTERWARDS_MS
    span = duration_ms(until)
    at = instant_ms(until) if span is None else last + span
    if at is None:
        raise click.BadParameter(f"{until!r} is neither a time such as 2026-01-31T12:00:00Z nor a duration ({FORMS})")
    return at


class _Heard:
    """What was played, counted for the summary."""

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        self.users: dict[str, set[str]] = {}
        self.oddities = Oddities()

    def see(self, event: Event) -> None:
        self.oddities.see(event)
        if event.kind != "alias":
            name = event.name or event.kind
            self.events[name] += 1
            users = self.users.get(name)
            if users is None:
                users = self.users[name] = set()
            users.add(event.user)


def _play(
    simulator: Simulator,
    arrivals: Sequence[Arrival],
    end: int,
    tell: Callable[[list[Decision]], None],
    see: Callable[[Event], None] | None = None,
) -> int:
    """`tell` is given the rows in their order, some at a time, and `see` each event that is none told before; how many were
    is returned."""
    duplicates = 0
    for arrival in progressing(arrivals, len(arrivals), "events"):
        for event in arrival.events:
            if not simulator.take(event, arrival.at):
                duplicates += 1
            elif see is not None:
                see(event)
        if len(simulator.decisions) >= ROWS_KEPT_MAX:
            tell(simulator.drain()[0])
    simulator.run(end)
    tell(simulator.drain()[0])
    return duplicates


def _seen(simulator: Simulator, arrivals: Sequence[Arrival], heard: _Heard) -> Seen:
    actors = simulator.actors.values()
    return Seen(
        first=arrivals[0].at if arrivals else simulator.now,
        last=arrivals[-1].at if arrivals else simulator.now,
        until=simulator.now,
        people=len(actors),
        reachable=sum(isinstance(actor.traits.get("email"), str) for actor in actors),
        events=heard.events,
        users={name: heard.oddities.people(who) for name, who in heard.users.items()},
    )


def _tell_bad(bad: list[BadLine]) -> None:
    for one in bad[:BAD_LINES_SHOWN_MAX]:
        click.echo(f"line {one.line}: {one.code}: {one.why}", err=True)
    if len(bad) > BAD_LINES_SHOWN_MAX:
        click.echo(f"and {len(bad) - BAD_LINES_SHOWN_MAX} other lines that could not be read", err=True)


def _messages(count: int) -> str:
    return f"{count:,} {'message' if count == 1 else 'messages'}"


def _about_lines(replay: Replay, simulator: Simulator) -> list[str]:
    told = []
    if replay.bad:
        codes = ", ".join(f"{code} {count}" for code, count in Counter(one.code for one in replay.bad).most_common())
        told.append(f"{len(replay.bad):,} of {replay.lines:,} lines could not be read ({codes})")
    if replay.nobody:
        told.append(f"{_messages(replay.nobody)} with neither userId nor anonymousId")
    if replay.disorder:
        told.append(f"{_messages(replay.disorder)} stood after a later one")
    if simulator.untracked:
        told.append(
            f"{simulator.untracked:,} events are of people who do not want to be tracked; they count for nobody"
        )
    return told
