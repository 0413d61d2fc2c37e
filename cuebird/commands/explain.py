"""`cuebird explain USER [CAMPAIGN]`: why did it, or did it not?"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from cuebird.changes.sites import refuse
from cuebird.playing.explaining import printed
from cuebird.settings.config import ConfigError, load
from engine.clock import SystemClock
from language.load import load_site
from language.syntax.durations import FORMS, duration_ms, instant_ms
from language.syntax.problems import SiteErrors, did_you_mean, nearest
from persistence.interface import StoreError
from persistence.reader import reading
from replay.explain.explain import NoSuchCampaign, explained, recall
from replay.explain.model import Explanation, as_json
from replay.explain.recall import KnownPrograms, Recalled, known_site
from replay.ledger import iso

WIDTH_MAX: Final = 120
"""Of what is not a terminal."""


@click.command()
@click.argument("user")
@click.argument("campaign", required=False)
@click.option("--site", type=click.Path(path_type=Path), default=".", show_default=True, help="The site's directory.")
@click.option("--db", type=click.Path(path_type=Path), help="Another database than the site's, such as that of a demo.")
@click.option("--at", "told", metavar="TIME", help="A moment of the past, or how long ago (2h); default: now.")
@click.option("--json", "as_plain", is_flag=True, help="One JSON object, and nothing else.")
def command(user: str, campaign: str | None, site: Path, db: Path | None, told: str | None, as_plain: bool) -> None:
    """Where USER stands in each campaign, or in CAMPAIGN in full: every part of every condition as true, false or
    pending until a time, what stopped each message, and what would make it fire. The engine may be running."""
    try:
        path = db or site / load(site, os.environ).settings.store.path
        recalled, now, others = asyncio.run(_recalled(path, user, _site(site, as_plain), told))
        if recalled is None:
            raise SystemExit(_unknown(user, others, as_plain))
        explanation = explained(recalled, now, campaign)
    except ConfigError as error:
        for problem in error.problems:
            click.echo(problem, err=True)
        raise SystemExit(1) from None
    except NoSuchCampaign as error:
        raise click.ClickException(f"{error}{did_you_mean(nearest(error.name, error.known))}") from None
    except (StoreError, SiteErrors) as error:
        raise click.ClickException(str(error)) from None
    _print(explanation, as_plain, whole=campaign is not None)


def _moment(told: str, now: int) -> int:
    ago, at = duration_ms(told), instant_ms(told)
    if ago is not None:
        return now - ago
    if at is None:
        raise click.BadParameter(
            f"{told!r} is neither a time such as 2026-01-31T12:00:00Z nor how long ago ({FORMS})", param_hint="--at"
        )
    if at > now:
        raise click.BadParameter(f"{told!r} has not come yet", param_hint="--at")
    return at


def _site(path: Path, as_plain: bool) -> KnownPrograms | None:
    """The site as its files are now; None if they are broken, for what counts is what the engine took."""
    try:
        return known_site(load_site(path))
    except SiteErrors as error:
        if not path.is_dir():
            raise refuse(error, as_json=as_plain, to_stderr=True) from None
        return None


async def _recalled(
    path: Path, user: str, current: KnownPrograms | None, told: str | None
) -> tuple[Recalled | None, int, list[str]]:
    """What is known of the user, and the moment to explain; of one who is not known, those who are called alike."""
    async with reading(path) as store:
        # The clock of a demo runs ahead of ours.
        now = max(SystemClock().now_ms(), (await store.head()).at)
        at = None if told is None else _moment(told, now)
        recalled = await recall(store, user, current, at)
        if recalled is None and at is not None:
            later = await recall(store, user, current)
            if later is not None and later.entries:
                first = iso(later.entries[0].at)
                raise click.ClickException(
                    f"at {iso(at)} nothing had been heard of {user} yet; the first was at {first}"
                )
        if recalled is None:
            return None, now, await store.users_like(user)
        return recalled, at if at is not None else max(now, recalled.latest), []


def _unknown(user: str, others: Sequence[str], as_plain: bool) -> int:
    meant = nearest(user, others) or next((one for one in others if one.startswith(user)), None)
    if as_plain:
        click.echo(json.dumps({"user": user, "known": False, "nearest": meant}))
    else:
        click.echo(f"nothing was ever heard of {user}{did_you_mean(meant)}", err=True)
    return 1


def _print(explanation: Explanation, as_plain: bool, *, whole: bool) -> None:
    if as_plain:
        click.echo(json.dumps(as_json(explanation), indent=2, ensure_ascii=False))
        return
    console = Console(highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH_MAX)
    printed(explanation, console, whole=whole)
