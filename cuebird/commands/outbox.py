"""`cuebird outbox`: the messages that wait to go out, and an operator's word on those that are on hold."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

import click
import msgspec

from actors.model.turn import Channel
from cuebird.changes.alone import engine_alone
from cuebird.changes.database_state import database, holder
from cuebird.control.client import NoAnswer, ask
from cuebird.control.order import Order, OrderResult, new_id
from cuebird.serving.outbox import Choice, OutboxRefused, chosen, decide
from delivery.feedback import Feedback
from delivery.settings import DeliverySettings
from delivery.settling import Settling
from engine.clock import SystemClock
from language.syntax.durations import FORMS, duration_ms, instant_ms
from language.syntax.problems import SiteErrors
from persistence.interface import Outboxed, StoreError
from persistence.reader import reading
from replay.ledger import iso

LISTED_MAX: Final = 20
"""Messages that are listed for people, the first due; `--json` has them all."""

F = TypeVar("F", bound=Callable[..., None])


class WaitingSends(msgspec.Struct, frozen=True, kw_only=True):
    """One message that waits."""

    id: str
    decided: str
    due: str
    channel: Channel
    campaign: str
    user: str
    to: str
    reply: str


class FoundSends(msgspec.Struct, frozen=True, kw_only=True):
    hold: str
    """Why nothing goes out, "" if it does."""
    hold_at: str
    """The journal's last stamp when it was put on hold."""
    in_doubt: int
    """Messages of which nobody knows whether they arrived."""
    waiting: list[WaitingSends]


@click.group()
def command() -> None:
    """Messages that were decided and have not gone out. A database that was restored, copied or moved to another machine, and
    one that was served with --no-send, has its outbox on hold: what the original has sent must not go out twice. Release what is
    right, drop what is not. The engine may be running."""


def _choosing(function: F) -> F:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="One JSON object, and nothing else."),
        click.option("--db", type=click.Path(path_type=Path), help="Another database than the site's."),
        click.option(
            "--site", type=click.Path(path_type=Path), default=".", show_default=True, help="The site's directory."
        ),
        click.option("--channel", type=click.Choice(["email", "push"]), help="Those of one channel."),
        click.option("--campaign", default="", help="Those of one campaign."),
        click.option("--before", default="", help="Those decided before a time, or so long ago."),
    ):
        function = option(function)
    return function


@command.command("list")
@_choosing
def listed(before: str, campaign: str, channel: Channel | None, site: Path, db: Path | None, as_json: bool) -> None:
    """What waits, how much of it, and whether it is on hold."""
    try:
        found = asyncio.run(_found(database(site, db), _choice(before, campaign, channel)))
    except StoreError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(found), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(_page(found)))


@command.command()
@_choosing
def release(before: str, campaign: str, channel: Channel | None, site: Path, db: Path | None, as_json: bool) -> None:
    """Let messages that are on hold go out: at once while the server runs, else when it is started. Without an option it is all
    of them, and the hold ends."""
    _decided("release_outbox", _choice(before, campaign, channel), database(site, db), site, as_json)


@command.command()
@click.option("--yes", is_flag=True, help="Do it without asking.")
@_choosing
def drop(
    before: str, campaign: str, channel: Channel | None, site: Path, db: Path | None, as_json: bool, yes: bool
) -> None:
    """Settle messages that wait as failed: they never go out. A hold stays as it is."""
    choice = _choice(before, campaign, channel)
    if not yes and not click.confirm(f"Never send {_said(choice)}?", err=True):
        raise SystemExit(1)
    _decided("drop_outbox", choice, database(site, db), site, as_json)


def _choice(before: str, campaign: str, channel: Channel | None) -> Choice:
    if not before:
        return Choice(campaign=campaign, channel=channel)
    span = duration_ms(before)
    at = instant_ms(before) if span is None else SystemClock().now_ms() - span
    if at is None:
        raise click.BadParameter(
            f"{before!r} is neither how long ago ({FORMS}) nor a time such as 2026-01-31T12:00:00Z",
            param_hint="--before",
        )
    return Choice(before=at, campaign=campaign, channel=channel)


def _said(choice: Choice) -> str:
    parts = ["what waits"]
    if choice.channel:
        parts.append(f"as {choice.channel}")
    if choice.campaign:
        parts.append(f"of {choice.campaign}")
    if choice.before is not None:
        parts.append(f"and was decided before {iso(choice.before)}")
    return " ".join(parts)


async def _found(path: Path, choice: Choice) -> FoundSends:
    async with reading(path) as store:
        hold = await store.hold()
        return FoundSends(
            hold=hold.reason if hold else "",
            hold_at=iso(hold.at) if hold else "",
            in_doubt=(await store.unsettled())["unknown"],
            waiting=[_waiting(row) async for page in chosen(store, choice) for row in page],
        )


def _waiting(row: Outboxed) -> WaitingSends:
    send = row.send
    return WaitingSends(
        id=send.id,
        decided=iso(send.at),
        due=iso(row.due),
        channel=send.channel,
        campaign=send.campaign,
        user=send.user,
        to=send.to,
        reply=row.reply,
    )


def _page(found: FoundSends) -> Iterator[str]:
    if found.hold:
        yield f"on hold, nothing goes out: {found.hold}. Its journal ended at {found.hold_at} then."
    for (campaign, channel), count in Counter((one.campaign, one.channel) for one in found.waiting).items():
        decided = [one.decided for one in found.waiting if (one.campaign, one.channel) == (campaign, channel)]
        yield f"{count:,} x {channel} of {campaign}, decided {min(decided)} to {max(decided)}"
    if not found.waiting:
        yield "nothing waits"
    for one in found.waiting[:LISTED_MAX]:
        yield f"  {one.decided}  {one.channel}  {one.campaign}  {one.to}" + (f"  ({one.reply})" if one.reply else "")
    if len(found.waiting) > LISTED_MAX:
        yield f"  and {len(found.waiting) - LISTED_MAX:,} more: --json has them all"


def _decided(what: str, choice: Choice, path: Path, site: Path, as_json: bool) -> None:
    order = msgspec.convert({"id": new_id(), "what": what, **msgspec.structs.asdict(choice)}, Order)
    pid = holder(path)
    try:
        answer = ask(path, pid, order) if pid is not None else asyncio.run(_alone(site, path, order))
        if not answer.taken:
            raise click.ClickException("\n".join(answer.problems))
        hold = asyncio.run(_hold(path))
    except (NoAnswer, OSError, StoreError, SiteErrors, OutboxRefused) as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps({"messages": answer.messages, "hold": hold}, indent=2, ensure_ascii=False))
        return
    count = f"{answer.messages:,} {'message' if answer.messages == 1 else 'messages'}"
    done = "may go out" if what == "release_outbox" else "will not go out"
    rest = f"the rest is on hold: {hold}" if hold else "nothing is on hold"
    click.echo(f"{count} {done}; {rest}")


async def _hold(path: Path) -> str:
    async with reading(path) as store:
        hold = await store.hold()
    return hold.reason if hold else ""


async def _alone(site: Path, path: Path, order: Order) -> OrderResult:
    """Where no server runs: what becomes of the messages is told to an engine all the same."""
    async with engine_alone(site, path) as (engine, store):
        now_ms = SystemClock().now_ms
        settling = Settling(engine.write, Feedback(engine.submit, now_ms), DeliverySettings(), now_ms)

        async def settle(rows: Sequence[Outboxed], why: str) -> int:
            await settling.drop(rows, why)
            return len(rows)

        count = await decide(store, order, store.release, settle)
    return OrderResult(taken=True, messages=count)
