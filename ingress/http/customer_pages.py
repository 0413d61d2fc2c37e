"""Pages that customers of the shop see: in its name and its colours, without a script, a picture or a request more."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

PRIVATE: Final = {
    "Cache-Control": "no-store, private",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "X-Content-Type-Options": "nosniff",
}
"""Of every answer to who follows a link of a letter."""

_HEADERS: Final = PRIVATE | {
    # Under `no-referrer` a browser posts the page's own form as of the origin `null`, as it does for a page of anybody.
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
}
_PAGES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parents[2] / "templates" / "pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_COLOUR: Final = re.compile(r"#[0-9a-fA-F]{6}")

ACCENT: Final = "#0b6b60"
INK: Final = "#10201d"
"""On an accent that is too light for white."""
LIGHTER: Final = 0.55
"""So far towards white goes the accent on a dark ground."""
READABLE: Final = 4.5
"""Contrast of text, as WCAG 2 counts it."""


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """What letters of a topic are about, in words: `about {words}`."""

    topic: str
    words: str


class Shop(msgspec.Struct, frozen=True, kw_only=True):
    """How the shop looks to its customers."""

    name: str = ""
    """What the pages behind the links of letters call it; empty: `from_name` of [smtp]."""
    accent: str = ACCENT
    """Colour of the buttons of these pages, as `#` and six hexadecimal digits; on a dark ground it is made lighter."""
    topics: tuple[Topic, ...] = ()
    """`[[shop.topics]]`, each with `topic` and `words`: what the page to unsubscribe calls the topic, as in `about your cart`; one that is not listed goes by its name."""

    def __post_init__(self) -> None:
        if not _COLOUR.fullmatch(self.accent):
            raise ValueError(f"`accent` must be a colour such as {ACCENT!r}, not {self.accent!r}")

    def words(self, topic: str) -> str:
        """Return what letters of the topic are about: `your cart`, or its name in quotes."""
        found = next((one.words for one in self.topics if one.topic == topic), None)
        return found or f"“{topic.replace('_', ' ')}”"


class CustomerPages:
    """The templates of `templates/pages`, in the name and the colours of the shop."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        dark = lighter(shop.accent)
        self._colours = {"act": shop.accent, "on_act": on(shop.accent), "dark_act": dark, "on_dark_act": on(dark)}

    def page(
        self,
        template: str,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        topic: str = "",
        **more: object,
    ) -> Response:
        """Render a page. `topic` is put in words."""
        html = _PAGES.get_template(template).render(
            shop=self._shop.name, topic=self._shop.words(topic), **self._colours, **more
        )
        return HTMLResponse(html, status, headers=_HEADERS | dict(headers or {}))


def on(colour: str) -> str:
    """Return what is readable on a colour: white, or a dark ink."""
    return "#ffffff" if 1.05 / (_luminance(colour) + 0.05) >= READABLE else INK


def lighter(colour: str) -> str:
    """Return the colour for a dark ground."""
    return "#" + "".join(f"{round(part + (255 - part) * LIGHTER):02x}" for part in _parts(colour))


def _parts(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


def _luminance(colour: str) -> float:
    """As WCAG 2 defines it: 0 is black, 1 is white."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (p / 255 for p in _parts(colour))]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
