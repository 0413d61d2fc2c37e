"""The templates of a site as they are handed over to be compiled: front matter read, bodies as texts with their places."""

from __future__ import annotations

from typing import Any

import msgspec


class Body(msgspec.Struct, frozen=True):
    """A text of Jinja. `file` is relative to `templates/`, `lines_before` how many lines of it stand above the text."""

    file: str
    text: str
    lines_before: int = 0


class LetterSource(msgspec.Struct, frozen=True, kw_only=True):
    """An e-mail. `html` and `text` are its own body and then those of its layouts, from the inside outwards; () if it has none."""

    headers: dict[str, Body] = {}
    """subject, preheader, from, reply_to, as far as the front matter has them."""
    html: tuple[Body, ...] = ()
    text: tuple[Body, ...] = ()


class PushSource(msgspec.Struct, frozen=True):
    """A live message. `content` is null, true, false, numbers, texts of Jinja, lists and mappings of them."""

    file: str
    content: dict[str, Any]


class TemplateSources(msgspec.Struct, frozen=True, kw_only=True):
    """By name."""

    letters: dict[str, LetterSource] = {}
    pushes: dict[str, PushSource] = {}
