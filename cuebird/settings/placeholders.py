"""What of the starter site's own words is still in a site: nobody means to send them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from cuebird.settings.config import FILE, Loaded
from language.syntax.ast import Site
from language.syntax.problems import Problem, SourceText

NAME: Final = "Your Shop"
ADDRESS: Final = "Street 1, 12345 Town"

_RESERVED: Final = (".example", "example.com", "example.net", "example.org")
"""Domains of documentation (RFC 2606): nothing that is sent from there arrives, and nothing that leads there."""


def placeholders(site: Site, loaded: Loaded) -> Iterator[Problem]:
    """Advice, each at its place: settings once each, the words in letters once for all of them."""
    yield from _settings(site.path, loaded)
    for words in (NAME, ADDRESS):
        files = [(name, text) for name, text in site.sources if name.startswith("templates/") and words in text]
        if files:
            name, text = files[0]
            where = "1 template" if len(files) == 1 else f"{len(files)} templates"
            source = SourceText(f"{site.path}/{name}", text)
            yield source.problem(
                text.index(words), f"{where} still say{'s' * (len(files) == 1)} {words!r}: write your own", "advice"
            )


def _settings(path: str, loaded: Loaded) -> Iterator[Problem]:
    settings = loaded.settings
    told = (
        ("smtp.from_address", settings.smtp.from_address, settings.smtp.from_address.rpartition("@")[2]),
        ("smtp.return_path", settings.smtp.return_path, settings.smtp.return_path.rpartition("@")[2]),
        ("server.public_url", settings.server.public_url, _host(settings.server.public_url)),
        ("delivery.site_url", settings.delivery.site_url, _host(settings.delivery.site_url)),
    )
    for key, value, host in told:
        if _is_reserved(host):
            yield _at(path, loaded, key, f"`{key}` is still {value!r}: {host} is a domain for examples, and nobody's")
    if settings.smtp.from_name == NAME:
        yield _at(path, loaded, "smtp.from_name", f"`smtp.from_name` is still {NAME!r}: write your own")


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _is_reserved(host: str) -> bool:
    return any(host == one.lstrip(".") or host.endswith(f".{one.lstrip('.')}") for one in _RESERVED)


def _at(path: str, loaded: Loaded, key: str, message: str) -> Problem:
    origin = loaded.origins.get(key, FILE)
    file, _, line = origin.partition(":")
    shown = f"{path}/{file}" if file == FILE else file
    return Problem(file=shown, line=int(line) if line.isdigit() else 1, column=1, message=message, severity="advice")
