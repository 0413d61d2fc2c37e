"""`cuebird simulate SITE --events FILE`: recorded events through the campaigns, in virtual time."""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from actors.model.program import Program
from actors.model.recent import IDS_MAX
from cuebird.changes.sites import open_site, refuse
from cuebird.playing.parallel_play import census, rows
from cuebird.playing.process_pool import PartFailed
from cuebird.playing.recordings import BadLine, Replay, Unreadable, read_replay
from cuebird.playing.report import PlayReport
from cuebird.playing.summary import SummaryInput, summary
from language.syntax.durations import FORMS, duration_ms, instant_ms
from language.syntax.problems import SiteErrors
from replay.ledger import iso

AFTERWARDS_MS: Final = 30 * 86_400_000
BAD_LINES_SHOWN_MAX: Final = 5


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
    played = replay.arrivals[: bisect_right(replay.arrivals, end, key=lambda one: one.at)]
    if not played:
        first = iso(replay.arrivals[0].at)
        raise click.ClickException(f"nothing in {file} comes before --until: its first event is of {first}")
    try:
        if as_json:
            sys.stdout.buffer.writelines(row + b"\n" for row in rows(program, played, end))
            sys.stdout.buffer.flush()
            return
        found = census(program, played, end)
    except PartFailed as error:
        raise click.ClickException(str(error)) from None
    seen = SummaryInput(first=played[0].at, last=played[-1].at, until=end, census=found)
    live = [campaign for campaign in checked.site.campaigns if campaign.status not in ("draft", "archived")]
    click.echo(summary(seen, live, [*_about(replay, found), *found.oddities.sentences()]))


def _read(file: str, program: Program) -> Replay:
    try:
        if file == "-":
            return read_replay(sys.stdin.buffer, program.aliases)
        with Path(file).open("rb") as opened:
            return read_replay(opened, program.aliases)
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
        raise click.BadParameter(
            f"{until!r} is neither a time such as 2026-01-31T12:00:00Z nor a duration ({FORMS})", param_hint="--until"
        )
    return at


def _tell_bad(bad: list[BadLine]) -> None:
    for one in bad[:BAD_LINES_SHOWN_MAX]:
        click.echo(f"line {one.line}: {one.code}: {one.why}", err=True)
    if len(bad) > BAD_LINES_SHOWN_MAX:
        others = len(bad) - BAD_LINES_SHOWN_MAX
        click.echo(f"and {others} other {'line' if others == 1 else 'lines'} that could not be read", err=True)


def _messages(count: int) -> str:
    return f"{count:,} {'message' if count == 1 else 'messages'}"


def _about(replay: Replay, found: PlayReport) -> Iterator[str]:
    if found.duplicates:
        yield f"{_messages(found.duplicates)} told before"
    if found.too_old:
        yield f"{_messages(found.too_old)} from before the {IDS_MAX:,} newest of their user: told before, perhaps, and not taken"
    if replay.bad:
        codes = ", ".join(f"{code} {count}" for code, count in Counter(one.code for one in replay.bad).most_common())
        yield f"{len(replay.bad):,} of {replay.lines:,} lines could not be read ({codes})"
    if replay.nobody:
        yield f"{_messages(replay.nobody)} with neither userId nor anonymousId"
    if replay.disorder:
        yield f"{_messages(replay.disorder)} stood after a later one"
    if found.untracked:
        yield f"{found.untracked:,} events are of people who do not want to be tracked; they count for nobody"
