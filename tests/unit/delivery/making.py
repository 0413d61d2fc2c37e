"""What the delivery tests are made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from actors.model.turn import Send
from actors.values.token import Tokens
from delivery.render import Templates
from delivery.settings import DeliverySettings
from language.letters.templates import read_templates
from language.site.context import Context
from language.site.decode import Report
from language.syntax.problems import SiteErrors
from templating.sources import TemplateSources

TOKENS = Tokens([bytes(range(32))])
SETTINGS = DeliverySettings(public_url="https://t.shop.example", site_url="https://shop.example")
NOW = 1_767_607_200_000
HOUR = 3_600_000


def a_send(number: int = 1, **changes: Any) -> Send:
    """A marketing mail to Ann, decided at NOW and worth sending for a day."""
    told: dict[str, Any] = {
        "id": f"{number:032x}",
        "user": "ann",
        "campaign": "abandoned_cart",
        "version": "v1",
        "run": "0011223344556677",
        "step": "send cart_1",
        "channel": "email",
        "template": "cart_1",
        "purpose": "marketing",
        "topic": "cart",
        "to": "ann@example.test",
        "at": NOW,
        "expires": NOW + 24 * HOUR,
        "context": {},
    } | changes
    told["context"] = msgspec.json.encode(told["context"])
    return Send(**told)


def sources(path: Path) -> TemplateSources:
    """The templates of a directory, as a site is read. Raises SiteErrors."""
    context = Context(report=Report())
    found = read_templates(
        {
            file.relative_to(path).as_posix(): (file.name, file.read_bytes())
            for file in path.rglob("*")
            if file.is_file()
        },
        context,
    )
    context.report.problems = [one for one in context.report.problems if "there is no name" not in one.message]
    if context.report.failed:
        raise SiteErrors(context.report.problems)
    return found.sources


def templates(path: Path, settings: DeliverySettings = SETTINGS, **files: str) -> Templates:
    """Templates of a site with these files; `cart_1_html="…"` is `cart_1.html`, `nudge_push="…"` is `nudge.push.yaml`."""
    endings = {"html": ".html", "txt": ".txt", "push": ".push.yaml"}
    for name, text in files.items():
        stem, _, kind = name.rpartition("_")
        (path / (stem + endings[kind])).write_text(text)
    return Templates.of(sources(path), settings, TOKENS)
