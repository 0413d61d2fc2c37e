"""`cuebird quarantine`: the events that no actor has taken, the users who are held, and an operator's word on them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from cuebird.changes.alone import engine_alone
from cuebird.changes.database_state import database, holder
from cuebird.control.client import NoAnswer, ask
from cuebird.control.order import Order, OrderResult, new_id
from cuebird.serving.releasing import release
from engine.release import Released
from language.syntax.problems import SiteErrors
from persistence.interface import StoreError
from persistence.reader import reading
from replay.ledger import iso

_site = click.option(
    "--site", type=click.Path(path_type=Path), default=".", show_default=True, help="The site's directory."
)
_db = click.option("--db", type=click.Path(path_type=Path), help="Another database than the site's.")
_json = click.option("--json", "as_json", is_flag=True, help="One JSON object, and nothing else.")
_user = click.argument("user", default="")


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """One event in quarantine."""

    at: str
    kind: str
    name: str
    message_id: str
    reason: str


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One user in quarantine."""

    user: str
    held: str
    """Why, "" if the user's other events are taken."""
    since: str
    events: list[Kept]


@click.group()
def command() -> None:
    """Events that an actor failed on are kept apart, and a user whose actor cannot be read, written or made again is held:
    it takes no turns, its timers rest, and what it does is kept here. Everybody else goes on. The engine may be running."""


@command.command("list")
@_user
@_site
@_db
@_json
def listed(user: str, site: Path, db: Path | None, as_json: bool) -> None:
    """Who is in quarantine, with what, and why."""
    found = _cases(database(site, db), user)
    if as_json:
        click.echo(json.dumps({"users": [msgspec.to_builtins(one) for one in found]}, indent=2, ensure_ascii=False))
        return
    for one in found:
        click.echo(f"{one.user}: held since {one.since}: {one.held}" if one.held else f"{one.user}: not held")
        for event in one.events:
            click.echo(f"  {event.at}  {event.name or event.kind} ({event.message_id}): {event.reason}")
    if not found:
        click.echo(f"{user} is not in quarantine" if user else "nobody is in quarantine")


@command.command()
@_user
@_site
@_db
@_json
def retry(user: str, site: Path, db: Path | None, as_json: bool) -> None:
    """Make the actor of USER (without one: of everybody) from its row and the journal again, and let it take its events, in
    their order. Do this after an upgrade, or when the site was mended."""
    _released("retry", user, site, db, as_json, anew=False)


@command.command()
@_user
@click.option(
    "--actor",
    "anew",
    is_flag=True,
    help="All else that is known of the user too: it begins anew, without consent to marketing.",
)
@click.option("--yes", is_flag=True, help="Do it without asking.")
@_site
@_db
@_json
def drop(user: str, anew: bool, yes: bool, site: Path, db: Path | None, as_json: bool) -> None:
    """Forget the events of USER (without one: of everybody) that are in quarantine. They were acknowledged, so nobody sends
    them again."""
    if not yes and not click.confirm(f"Forget for good what {user or 'everybody'} has in quarantine?", err=True):
        raise SystemExit(1)
    _released("drop", user, site, db, as_json, anew=anew)


def _cases(path: Path, user: str) -> list[Case]:
    async def read() -> list[Case]:
        async with reading(path) as store:
            held = {one.user: one for one in await store.held() if user in ("", one.user)}
            events = await store.quarantined(user or None)
        return [
            Case(
                user=name,
                held=held[name].reason if name in held else "",
                since=iso(held[name].at) if name in held else "",
                events=[
                    Kept(
                        at=iso(one.at),
                        kind=one.event.kind,
                        name=one.event.name,
                        message_id=one.event.message_id,
                        reason=one.reason,
                    )
                    for one in events
                    if one.user == name
                ],
            )
            for name in dict.fromkeys([*held, *(one.user for one in events)])
        ]

    try:
        return asyncio.run(read())
    except StoreError as error:
        raise click.ClickException(str(error)) from None


def _released(what: str, user: str, site: Path, db: Path | None, as_json: bool, *, anew: bool) -> None:
    path = database(site, db)
    users = tuple(one.user for one in _cases(path, user))
    if not users:
        raise click.ClickException(f"{user} is not in quarantine" if user else "nobody is in quarantine")
    order = msgspec.convert({"id": new_id(), "what": what, "users": users, "anew": anew}, Order)
    pid = holder(path)
    try:
        answer = ask(path, pid, order) if pid is not None else asyncio.run(_alone(site, path, order))
    except (NoAnswer, OSError, StoreError, SiteErrors) as error:
        raise click.ClickException(str(error)) from None
    if not answer.taken:
        raise click.ClickException("\n".join(answer.problems))
    if as_json:
        told = {"users": [msgspec.to_builtins(one) for one in answer.released]}
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(_lines(answer.released)))


def _lines(released: Sequence[Released]) -> list[str]:
    lines = []
    for one in released:
        done = [
            f"{count:,} {_events(count)} {what}"
            for count, what in ((one.taken, "taken"), (one.dropped, "forgotten"))
            if count
        ]
        if one.left:
            done.append(f"{one.left:,} {_events(one.left)} still in quarantine")
        if one.begun_anew:
            done.append("the actor begins anew, without consent to marketing")
        done.append(f"still held: {one.held}" if one.held else "not held")
        lines.append(f"{one.user}: {'; '.join(done)}")
    return lines


def _events(count: int) -> str:
    return "event" if count == 1 else "events"


async def _alone(site: Path, path: Path, order: Order) -> OrderResult:
    async with engine_alone(site, path) as (engine, _):
        released = await release(engine, order)
    return OrderResult(taken=True, released=released)
