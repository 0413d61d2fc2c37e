"""What a start writes to the log: who runs here, on what, what recovery did, which site counts, where mail goes, what is off."""

from __future__ import annotations

import logging
import os
import platform
import sqlite3
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import msgspec

from cuebird.settings.config import Settings
from cuebird.settings.logs import FIELDS
from language.syntax import ast

log = logging.getLogger(__name__)


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """What a start found, and did."""

    users: int
    position: int
    """Of the newest entry of the journal."""
    replayed: int
    """Entries that were taken again."""
    seconds: float


def tell_begin(site: Path, database: Path) -> None:
    """Before anything is opened: what fails later is told of a known version and place."""
    name, python, sqlite = version("cuebird"), platform.python_version(), sqlite3.sqlite_version
    _tell(
        f"cuebird {name} starts: Python {python}, SQLite {sqlite}, process {os.getpid()}, site {site.absolute()}, database {database.absolute()}",
        version=name,
        python=python,
        sqlite=sqlite,
        pid=os.getpid(),
        site=str(site.absolute()),
        database=str(database.absolute()),
    )


def tell_recovered(found: Recovered, site: ast.Site, program: str) -> None:
    _tell(
        f"recovery: {found.users:,} users, journal at {found.position:,}, {found.replayed:,} of its entries taken again, in {found.seconds:.1f} s",
        **msgspec.structs.asdict(found),
    )
    resting = [f"{one.id} ({one.status})" for one in site.campaigns if one.status != "live"]
    _tell(
        f"site: {len(site.campaigns)} campaigns, version {program[:12]}{'; not live: ' if resting else ''}{', '.join(resting)}",
        campaigns=len(site.campaigns),
        program=program,
        not_live=[one.id for one in site.campaigns if one.status != "live"],
    )


def tell_serving(settings: Settings, site: Path, url: str) -> None:
    """The last of them: whoever waits for the server reads the address here."""
    smtp, delivery = settings.smtp, settings.delivery
    _tell(
        f"mail goes to {smtp.host}:{smtp.port} ({smtp.security}) as {smtp.from_address or 'nobody'}; its links lead to {delivery.public_url}",
        relay=f"{smtp.host}:{smtp.port}",
        security=smtp.security,
        public_url=delivery.public_url,
    )
    for what in off(settings):
        _tell(what)
    _tell(f"cuebird serves {site} at {url}", url=url)


def off(settings: Settings) -> Iterator[str]:
    """What somebody may miss, each with what puts it on."""
    keys, delivery = settings.keys, settings.delivery
    if settings.server.dev:
        yield "development mode: everybody is believed, and the dashboard is at /"
    elif not keys.proof:
        yield (
            "no proof key: what pages say counts as an anonymous visitor's, whoever is signed in "
            "(`cuebird keys new proof` makes one)"
        )
    if not settings.smtp.from_address:
        yield "smtp.from_address is not set: only letters with a `from` of their own can go"
    if silent := [name for name in ("track_opens", "track_clicks", "utm") if not getattr(delivery, name)]:
        yield f"switched off: {', '.join(f'delivery.{name}' for name in silent)}"


def _tell(text: str, **fields: object) -> None:
    log.info("%s", text, extra={FIELDS: fields})
