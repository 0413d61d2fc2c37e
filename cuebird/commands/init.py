"""`cuebird init DIR`: a site to begin with, its keys and its secret."""

from __future__ import annotations

import html
import os
import re
import secrets
import shutil
import sys
from pathlib import Path
from typing import Final

import click

from cuebird.settings.config import FILE
from cuebird.settings.new_keys import NewKey, new_key
from cuebird.settings.placeholders import ADDRESS, NAME
from ingress.http.dashboard_pages import TEMPLATES

STARTER: Final = TEMPLATES / "site"

_CHARACTERS = re.compile(r"[^\x00-\x1f\x7f{}<>\"\\]{1,120}")
"""What a name or an address may hold: it is put into HTML, templates and TOML."""


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--name", default=NAME, show_default=True, help="Your shop, as the letters call it.")
@click.option("--address", default=ADDRESS, show_default=True, help="Where it is; many laws want it in each letter.")
def command(directory: Path, name: str, address: str) -> None:
    """Make a site in DIRECTORY: seven campaigns with their tests and letters, rules, settings and keys."""
    for option, text in (("--name", name), ("--address", address)):
        if not _CHARACTERS.fullmatch(text) or not text.strip():
            raise click.UsageError(f'{option} is one line of at most 120 characters without {{ }} < > \\ and "')
    _refuse_what_is_there(directory)
    keys = (new_key("write", "page"), new_key("server", "backend"))
    try:
        _make(directory, name, address, keys)
    except OSError as error:
        raise click.ClickException(f"{error.filename or directory} cannot be written: {error.strerror}") from None
    click.echo(_told(directory, keys, _left(name, address)))


def _refuse_what_is_there(directory: Path) -> None:
    if not directory.exists():
        return
    if not directory.is_dir():
        raise click.ClickException(f"{directory} is a file: name a directory that is empty or not there yet")
    if any(directory.iterdir()):
        raise click.ClickException(f"{directory} is not empty: name a directory that is empty or not there yet")


def _make(directory: Path, name: str, address: str, keys: tuple[NewKey, ...]) -> None:
    for source in sorted(STARTER.rglob("*")):
        if source.is_dir() or source.name == FILE:
            continue
        target = directory / source.relative_to(STARTER)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.suffix == ".html":
            target.write_text(_letter(source.read_text("utf-8"), name, address), "utf-8")
        else:
            shutil.copyfile(source, target)
    (directory / ".gitignore").write_text(f"data/\n{FILE}\n", "utf-8")
    settings = _personal((STARTER / FILE).read_text("utf-8"), name, address)
    secret = secrets.token_hex(32)
    settings = settings.replace('secret = ""', f'secret = "{secret}"', 1) + "".join(key.lines for key in keys)
    # Never readable by others, not even for the moment between making the file and changing its mode.
    with os.fdopen(
        os.open(directory / FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write(settings)


def _letter(text: str, name: str, address: str) -> str:
    """Front matter is text in YAML quotes, what follows it is HTML; a layout has none."""
    if not text.startswith("---\n"):
        return _personal(text, html.escape(name), html.escape(address))
    _, front, body = text.split("---\n", 2)
    quoted = _personal(front, name.replace("'", "''"), address.replace("'", "''"))
    return f"---\n{quoted}---\n{_personal(body, html.escape(name), html.escape(address))}"


def _personal(text: str, name: str, address: str) -> str:
    return text.replace(NAME, name).replace(ADDRESS, address)


def called() -> str:
    """How the program was called, to be typed again."""
    return sys.argv[0] if sys.argv[0].endswith("cuebird") else "cuebird"


def _left(name: str, address: str) -> list[tuple[str, str]]:
    """What of the starter's own words is still in the letters, each with the option that changes it."""
    told = ((name, NAME, "--name"), (address, ADDRESS, "--address"))
    return [(ours, option) for given, ours, option in told if given == ours]


def _told(directory: Path, keys: tuple[NewKey, ...], left: list[tuple[str, str]]) -> str:
    write, server = keys
    lines = [
        f"{directory} is a site now. Its keys, shown this once (cuebird.toml has their SHA-256):",
        "",
        f"  for your pages      {write.token}",
        f"  for your back end   {server.token}",
        "",
        "Next:",
        "",
        *(f"  {called()} {step} {directory}" for step in ("check", "test", "serve")),
    ]
    if left:
        words, options = (
            " and ".join(parts) for parts in zip(*((repr(word), option) for word, option in left), strict=True)
        )
        lines += ["", f"The letters say {words}: change that in templates/, or begin again with {options}."]
    lines += ["Before the first letter leaves: [smtp] and site_url in cuebird.toml."]
    return "\n".join(lines)
