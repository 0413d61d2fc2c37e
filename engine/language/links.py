"""What the links of a letter are called, read from its template without rendering it: `data-link`, else `id`, else a number.

What a template fills in (`id="item-{{ item.id }}"`) is not known here, so such a name stands for all that fit it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html.parser import HTMLParser
from typing import Final

from engine.language.problems import did_you_mean, nearest, one_of

FILLED: Final = "\0"
"""Stands in a name for what the template fills in."""

NUMBERED: Final = "#"
"""Stands for the links without a name, which go by their number from 0."""

SHOWN_MAX: Final = 10

_PERHAPS: Final = "\1"
"""Stands in a tag for a statement, on which it may hang what the tag has."""

_PRINTED: Final = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_STATEMENT: Final = re.compile(r"\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_UNESCAPED: Final = re.compile(r"\|\s*safe\b")


def link_names(text: str) -> frozenset[str]:
    """Of the `<a>` and `<area>` of a template's HTML; FILLED alone if a value may bring links of its own."""
    if _UNESCAPED.search(text):
        return frozenset({FILLED})
    finder = _Finder()
    finder.feed(_STATEMENT.sub(f" {_PERHAPS} ", _PRINTED.sub(FILLED, text)))
    finder.close()
    return frozenset(finder.names)


def is_link(told: str, names: Iterable[str]) -> bool:
    """Whether one of the names is, or may come out as, the one that was told."""
    return any(_fits(told, name) for name in names)


def no_such_link(told: str, names: Iterable[str]) -> str:
    """The sentence for a link that no letter has."""
    fixed = sorted(name for name in names if FILLED not in name and name != NUMBERED)
    there = f"; there is {one_of(fixed[:SHOWN_MAX])}" if fixed else ""
    hint = did_you_mean(nearest(told, fixed)) or there
    return f'no letter has a link `{told}`, that is data-link="{told}" or id="{told}" in its <a>{hint}'


def _fits(told: str, name: str) -> bool:
    if name == NUMBERED:
        return told.isdecimal()
    return re.fullmatch(".*".join(map(re.escape, name.split(FILLED))), told, re.DOTALL) is not None


class _Finder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.names: set[str] = set()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = [(key, (value or "").strip()) for key, value in attrs]
        if tag not in ("a", "area") or not any(key == "href" and value for key, value in told):
            return
        named = [value for key, value in told if key == "data-link" and value]
        named += [value for key, value in told if key == "id" and value]
        named.append(NUMBERED)
        # Of `{% if big %}id="a"{% else %}id="b"{% endif %}` both are here, and either may come.
        self.names |= set(named) if any(key == _PERHAPS for key, _ in told) else {named[0]}
