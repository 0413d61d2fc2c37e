"""The keys in a site's cuebird.toml: which there are, and one of them taken out, with every other line left as it is."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from cuebird.settings.config import FILE, ConfigError, Keys, load
from cuebird.settings.new_keys import KeyKind
from ingress.principals.keys import ProofKey, ServerKey, WriteKey

FINGERPRINT_CHARACTERS: Final = 12

_HEADER: Final = re.compile(r"\s*\[\[?\s*([^\]]+?)\s*\]")


class HeldKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key as it may be shown. `fingerprint` begins the SHA-256 of what its holder shows (of a proof key: signs with)."""

    kind: KeyKind
    name: str
    fingerprint: str
    origins: tuple[str, ...] = ()
    """Of a write key: where its pages are; empty: from anywhere."""

    def __str__(self) -> str:
        return f"{self.kind} key {self.name or '-'} ({self.fingerprint})"


def held(keys: Keys) -> list[HeldKey]:
    """All of them, in the order of the file within each kind."""
    return [*_held("write", keys.write), *_held("server", keys.server), *_held("proof", keys.proof)]


def _held(
    kind: KeyKind, keys: tuple[WriteKey, ...] | tuple[ServerKey, ...] | tuple[ProofKey, ...]
) -> Iterator[HeldKey]:
    for key in keys:
        origins = key.allowed_origins if isinstance(key, WriteKey) else ()
        yield HeldKey(kind=kind, name=key.name, fingerprint=key.digest[:FINGERPRINT_CHARACTERS], origins=origins)


def revoke(site: Path, told: str, kind: str | None = None) -> HeldKey:
    """Take out of the site's cuebird.toml the one key that has this name, or this fingerprint. Raises ConfigError, OSError."""
    keys = held(load(site).settings.keys)
    found = [key for key in keys if told and told in (key.name, key.fingerprint) and kind in (None, key.kind)]
    if len(found) != 1:
        many = "; ".join(map(str, found or keys)) or "none"
        text = (
            f"there are several keys {told!r}, say which by its fingerprint" if found else f"there is no key {told!r}"
        )
        raise ConfigError([f"{FILE}: {text}: {many}"])
    (key,) = found
    number = [one for one in keys if one.kind == key.kind].index(key)
    file = (site / FILE).resolve()
    _replace(file, _without(file.read_text(encoding="utf-8"), key.kind, number))
    return key


def _without(text: str, kind: KeyKind, number: int) -> str:
    """The text without its `number`th table of keys, counted from 0. Raises ConfigError."""
    lines = text.splitlines(keepends=True)
    heads = [index for index, line in enumerate(lines) if _HEADER.match(line)]
    ours = [index for index in heads if _name(lines[index]) == f"keys.{kind}"]
    if number < len(ours):
        first = ours[number]
        end = next((index for index in heads if index > first), len(lines))
        # What is said just before the next table is said of it.
        while end > first + 1 and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
            end -= 1
        rest = "".join(lines[:first]).removesuffix("\n" if first and not lines[first - 1].strip() else "")
        rest += "".join(lines[end:])
        if _parsed(rest) == _expected(text, kind, number):
            return rest
    raise ConfigError(
        [f"{FILE}: number {number + 1} of `keys.{kind}` is not a [[keys.{kind}]] of its own: take it out by hand"]
    )


def _name(header: str) -> str:
    found = _HEADER.match(header)
    return re.sub(r"[\s\"']", "", found[1]) if found else ""


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def _expected(text: str, kind: KeyKind, number: int) -> dict[str, Any]:
    document = tomllib.loads(text)
    keys = document["keys"]
    del keys[kind][number]
    if not keys[kind]:
        del keys[kind]
    if not keys:
        del document["keys"]
    return document


def _replace(file: Path, text: str) -> None:
    """Whole or not at all, with the rights that it has: a server may look at it any time."""
    half = file.with_name(file.name + ".new")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(
            descriptor
        )  # the secret that signs the links of letters is in it: half a file after a power cut has none
    half.chmod(file.stat().st_mode & 0o777)
    half.replace(file)
