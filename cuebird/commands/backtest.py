"""`cuebird backtest SITE --against LIVE.db --since 30d`: what the changed site would have done with the recorded past."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from cuebird.changes.proposal import compile_source
from cuebird.changes.sites import open_site, refuse
from cuebird.playing.progress import Bar
from language.syntax import ast
from language.syntax.durations import FORMS, duration_ms, instant_ms, written
from language.syntax.problems import SiteErrors, did_you_mean, nearest
from persistence.interface import StoreError
from persistence.reader import reading
from replay.backtest.backtest import Backtest, backtest
from replay.backtest.compare import BacktestDifference, Shifted, UnmatchedRows
from replay.backtest.reach import TooShort
from replay.ledger import iso

USERS_MAX: Final = 20
"""Users of each kind that are listed; `--json` has them all."""


@click.command()
@click.argument("site", type=click.Path(path_type=Path), default=".")
@click.option(
    "--against", "db", type=click.Path(path_type=Path), required=True, help="The database that has the recorded past."
)
@click.option(
    "--since", default="30d", show_default=True, help="How long ago, or a time: what came from then on counts."
)
@click.option("--users", "listed", metavar="CAMPAIGN", help="Also list who is concerned in that campaign, and why.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object with everything, and nothing else.")
def command(site: Path, db: Path, since: str, listed: str | None, as_json: bool) -> None:
    """Play the recorded journal through SITE, beside the version that was there: what would have been entered and sent, what
    no longer, what sooner or later. Nothing is sent, and the database is only read."""
    try:
        changed = open_site(site)[0].site
    except SiteErrors as error:
        raise refuse(error, as_json=as_json, to_stderr=True) from None
    if listed is not None and listed not in {one.id for one in changed.campaigns}:
        meant = nearest(listed, {one.id for one in changed.campaigns})
        raise click.BadParameter(f"{site} has no campaign {listed}{did_you_mean(meant)}", param_hint="--users")
    try:
        found = asyncio.run(_played(db, changed, since))
    except (StoreError, TooShort, SiteErrors) as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps(_as_json(found), indent=2, ensure_ascii=False))
        return
    click.echo("\n".join(page(found, changed, listed)))


async def _played(db: Path, site: ast.Site, since: str) -> Backtest:
    async with reading(db) as store:
        head = await store.head()
        with Bar("entries") as bar:
            return await backtest(
                store, site, _since(since, head.at), compile_source=compile_source, progress=bar.reach
            )


def _since(told: str, now: int) -> int:
    """`now` is when the journal ends: a recording may be older than today."""
    span = duration_ms(told)
    at = instant_ms(told) if span is None else now - span
    if at is None:
        raise click.BadParameter(
            f"{told!r} is neither how long ago ({FORMS}) nor a time such as 2026-01-31T12:00:00Z", param_hint="--since"
        )
    return at


# --- for a reader -----------------------------------------------------------------------------------------------------


def page(found: Backtest, site: ast.Site, listed: str | None) -> Iterator[str]:
    yield f"{found.inputs:,} events from {_moment(found.since)} to {_moment(found.until)}, {found.people:,} people"
    yield from _left_out(found.left_out)
    unchanged = [one.campaign for one in found.campaigns if one.is_empty]
    for one in found.campaigns:
        if not one.is_empty or one.campaign == listed:
            yield ""
            yield from _campaign(one)
            if one.campaign == listed:
                yield from _users(one)
    if unchanged:
        yield ""
        yield f"no difference in {', '.join(unchanged)}"


def _left_out(users: dict[str, str]) -> Iterator[str]:
    if users:
        yield f"left out, for their actors failed: {len(users):,}; none of their messages is compared"
        yield from (f"  {user}: {why}" for user, why in list(users.items())[:USERS_MAX])
        if len(users) > USERS_MAX:
            yield f"  and {len(users) - USERS_MAX:,} more: --json has them all"


def _campaign(one: BacktestDifference) -> Iterator[str]:
    yield f"{one.campaign:<28}{'recorded':>12}{'changed':>12}"
    yield f"  {'entered':<26}{one.before.entered:>12,}{one.after.entered:>12,}"
    yield f"  {'sent':<26}{one.before.sent:>12,}{one.after.sent:>12,}"
    if one.before.goals or one.after.goals:
        yield f"  {'goal reached':<26}{one.before.goals:>12,}{one.after.goals:>12,}"
        yield f"  {'  worth':<26}{one.before.value:>12,.2f}{one.after.value:>12,.2f}"
    yield from _kind("no longer sent", one.gone)
    yield from _kind("newly sent", one.new)
    if one.shifted:
        later = sum(shift.later_ms > 0 for shift in one.shifted)
        assert one.later_ms is not None
        word = "later" if one.later_ms >= 0 else "sooner"
        median = written(max(1000, round(abs(one.later_ms) / 1000) * 1000)) if one.later_ms else "0s"
        yield f"  {len(one.shifted):,} at another time: {later:,} later, {len(one.shifted) - later:,} sooner; median {median} {word}"


def _kind(name: str, messages: list[UnmatchedRows]) -> Iterator[str]:
    if not messages:
        return
    people = len({message.user for message in messages})
    bought = [message for message in messages if message.converted]
    yield f"  {name}: {len(messages):,} to {people:,} people; the goal followed {len(bought):,} of them" + (
        f", worth {sum(message.value for message in bought):,.2f}" if any(message.value for message in bought) else ""
    )
    reasons: dict[str, int] = {}
    for message in messages:
        reasons[message.reason] = reasons.get(message.reason, 0) + 1
    side = "with the change" if name == "no longer sent" else "as it was"
    for reason, count in sorted(reasons.items(), key=lambda item: (-item[1], item[0])):
        yield f"    {count:,} because, {side}, {reason}"


def _users(one: BacktestDifference) -> Iterator[str]:
    kinds: tuple[tuple[str, list[str]], ...] = (
        ("no longer sent", [_message(message) for message in one.gone]),
        ("newly sent", [_message(message) for message in one.new]),
        ("at another time", [_shift(shift) for shift in one.shifted]),
    )
    for name, told in kinds:
        if told:
            yield f"  {name}:"
            yield from (f"    {line}" for line in told[:USERS_MAX])
        if len(told) > USERS_MAX:
            yield f"    and {len(told) - USERS_MAX:,} more: --json has them all"


def _message(message: UnmatchedRows) -> str:
    goal = "; the goal followed" if message.converted else ""
    return f"{_moment(message.at)}  {message.user}  {message.template}: {message.reason}{goal}"


def _shift(shift: Shifted) -> str:
    word = "later" if shift.later_ms > 0 else "sooner"
    return f"{_moment(shift.at)}  {shift.user}  {shift.template}: {written(abs(shift.later_ms))} {word}"


def _moment(at: int) -> str:
    return iso(at)[:16].replace("T", " ")


def _as_json(found: Backtest) -> dict[str, Any]:
    return {
        "since": iso(found.since),
        "until": iso(found.until),
        "events": found.inputs,
        "people": found.people,
        "left_out": found.left_out,
        "campaigns": [
            {
                "campaign": one.campaign,
                "recorded": msgspec.to_builtins(one.before),
                "changed": msgspec.to_builtins(one.after),
                "same": one.same,
                "no_longer_sent": [{**msgspec.to_builtins(each), "at": iso(each.at)} for each in one.gone],
                "newly_sent": [{**msgspec.to_builtins(each), "at": iso(each.at)} for each in one.new],
                "at_another_time": [{**msgspec.to_builtins(each), "at": iso(each.at)} for each in one.shifted],
                "median_later_ms": one.later_ms,
            }
            for one in found.campaigns
        ],
    }
