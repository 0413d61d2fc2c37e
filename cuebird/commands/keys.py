"""`cuebird keys new KIND`: a key for a page, a back end, or for vouching for users."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

import click

from cuebird.config import FILE, ConfigError
from cuebird.new_keys import KeyKind, NewKey, new_key, store_key

HOLDERS: Final = {
    "write": "Public: it goes into the page, as `writeKey` of cuebird.js.",
    "server": "Secret: it goes into your back end, as `Authorization: Bearer …`.",
    "proof": "Secret: your back end signs a JWT with it (HS256; sub: the user's id, aud: cuebird, exp).",
}


ORIGIN: Final = re.compile(r"https?://[^/\s]+")
"""Scheme, host and port, without a slash at the end: RFC 6454."""


def _host(origin: str) -> str:
    return origin.split("://")[-1].split("/")[0] or "shop.example"


@click.group()
def command() -> None:
    """Keys of those who may send events."""


@command.command()
@click.argument("kind", type=click.Choice(list(HOLDERS)))
@click.option("--site", type=click.Path(path_type=Path), default=".", show_default=True, help="Where cuebird.toml is.")
@click.option("--name", default="", help="What it is called in logs and figures; default: its kind.")
@click.option(
    "--origin", "origins", multiple=True, help="Of a write key: a page's origin, such as https://shop.example."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object, and nothing else.")
def new(kind: KeyKind, site: Path, name: str, origins: tuple[str, ...], as_json: bool) -> None:
    """Make a key of KIND, print it this once, and store its SHA-256 (of a proof key: the key itself) in cuebird.toml."""
    if origins and kind != "write":
        raise click.UsageError("--origin belongs to a write key: other keys are not used in pages")
    for origin in origins:
        if not ORIGIN.fullmatch(origin):
            raise click.UsageError(
                f"--origin {origin} can never match: write it as browsers do, https://{_host(origin)}"
            )
    if not (site / "campaigns").is_dir() and not (site / FILE).exists():
        raise click.ClickException(f"{site} is not a site (it has no campaigns/): say where yours is, --site shop")
    key = new_key(kind, name or kind, origins)
    try:
        store_key(site, key)
    except ConfigError as error:
        for problem in error.problems:
            click.echo(problem, err=True)
        raise SystemExit(1) from None
    except OSError as error:
        raise click.ClickException(f"{site / FILE} cannot be written: {error.strerror}") from None
    if as_json:
        click.echo(json.dumps({"kind": kind, "name": key.name, "key": key.token}))
        return
    click.echo(key.token)
    click.echo(_told(key, site), err=True)


def _told(key: NewKey, site: Path) -> str:
    stored = "It" if key.kind == "proof" else "Its SHA-256"
    return f"{HOLDERS[key.kind]}\n{stored} is in {site / FILE}; it is not shown again. A running server reads it at its next start."
