"""New keys, and their lines in a site's cuebird.toml. What is shown once is never stored, but for proof secrets: with
those the server has to reckon itself."""

from __future__ import annotations

import json
import secrets
import tomllib
from pathlib import Path
from typing import Final, Literal

import msgspec

from cuebird.settings.config import FILE, ConfigError, load
from ingress.principals.keys import digest

KeyKind = Literal["write", "server", "proof"]

_PREFIXES: Final = {"write": "wk_", "server": "sk_"}


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """`token` is what its holder shows (of a proof key: what it signs with); `lines` is what is stored, as TOML."""

    kind: KeyKind
    name: str
    token: str
    lines: str


def new_key(kind: KeyKind, name: str, origins: tuple[str, ...] = ()) -> NewKey:
    """A key that nobody has seen. `origins`: of a write key, where its pages are (`https://shop.example`)."""
    if kind == "proof":
        token = secrets.token_hex(32)
        return NewKey(
            kind=kind,
            name=name,
            token=token,
            lines=f'\n[[keys.proof]]\nname = {json.dumps(name)}\nkey = "{token}"\nalgorithm = "HS256"\n',
        )
    token = _PREFIXES[kind] + secrets.token_urlsafe(24)
    lines = f'\n[[keys.{kind}]]\nname = {json.dumps(name)}\nsha256 = "{digest(token)}"\n'
    if kind == "write":
        lines += f"allowed_origins = {json.dumps(list(origins))}\n"
    return NewKey(kind=kind, name=name, token=token, lines=lines)


def store_key(site: Path, key: NewKey) -> None:
    """Writes it at the end of the site's cuebird.toml, which is made (mode 0600) if it is not there. Raises ConfigError."""
    settings = load(site).settings
    if any(one.name == key.name for one in getattr(settings.keys, key.kind)):
        raise ConfigError([f"{FILE}: there is a {key.kind} key {key.name!r} already: choose another --name"])
    file = site / FILE
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    lines = key.lines if not before or before.endswith("\n") else f"\n{key.lines}"
    try:
        tomllib.loads(before + lines)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{FILE}: cannot take a [[keys.{key.kind}]] at its end ({error}): add it by hand"]) from None
    file.touch(mode=0o600)
    with file.open("a", encoding="utf-8") as opened:
        opened.write(lines)
