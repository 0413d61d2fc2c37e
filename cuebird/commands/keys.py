"""`cuebird keys new|list|revoke`: keys for pages, back ends, and for vouching for users."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

import click
import msgspec

from cuebird.settings.config import FILE, ConfigError, load
from cuebird.settings.key_file import HeldKey, held, revoke
from cuebird.settings.new_keys import KeyKind, NewKey, new_key, store_key

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
    """Keys of those who may send events. A server that runs follows the file within a second."""


_site = click.option(
    "--site", type=click.Path(path_type=Path), default=".", show_default=True, help="Where cuebird.toml is."
)


@command.command()
@click.argument("kind", type=click.Choice(list(HOLDERS)))
@_site
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
        raise _refused(error) from None
    except OSError as error:
        raise click.ClickException(f"{site / FILE} cannot be written: {error.strerror}") from None
    if as_json:
        click.echo(json.dumps({"kind": kind, "name": key.name, "key": key.token}))
        return
    click.echo(key.token)
    click.echo(_told(key, site), err=True)


def _told(key: NewKey, site: Path) -> str:
    stored = "It" if key.kind == "proof" else "Its SHA-256"
    return f"{HOLDERS[key.kind]}\n{stored} is in {site / FILE}; it is not shown again. A server that runs takes it within a second."


@command.command("list")
@_site
@click.option("--json", "as_json", is_flag=True, help="One JSON object, and nothing else.")
def listed(site: Path, as_json: bool) -> None:
    """All keys of a site: kind, name, the beginning of the SHA-256, and the origins of a write key."""
    try:
        keys = held(load(site).settings.keys)
    except ConfigError as error:
        raise _refused(error) from None
    if as_json:
        click.echo(json.dumps({"keys": msgspec.to_builtins(keys)}, indent=2))
        return
    width = max([0, *(len(key.name) for key in keys)])
    for key in keys:
        click.echo(f"{key.kind:<6}  {key.name or '-':<{width}}  {key.fingerprint}  {_from(key)}".rstrip())
    if not keys:
        click.echo("there are no keys: `cuebird keys new` makes one")


@command.command("revoke")
@click.argument("key")
@click.option("--kind", type=click.Choice(list(HOLDERS)), help="If several kinds have a key of that name.")
@_site
def revoked(key: str, kind: KeyKind | None, site: Path) -> None:
    """Take KEY, by its name or its fingerprint (`cuebird keys list`), out of cuebird.toml. It opens nothing any more, and who came
    in by it is put out."""
    try:
        gone = revoke(site, key, kind)
    except ConfigError as error:
        raise _refused(error) from None
    except OSError as error:
        raise click.ClickException(f"{site / FILE} cannot be written: {error.strerror}") from None
    click.echo(f"{gone} is revoked. A server that runs puts out who came in by it within a second.")


def _from(key: HeldKey) -> str:
    if key.kind != "write":
        return ""
    return ", ".join(key.origins) or "from anywhere"


def _refused(error: ConfigError) -> SystemExit:
    for problem in error.problems:
        click.echo(problem, err=True)
    return SystemExit(1)
