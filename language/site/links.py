"""What the links of a letter are called, read from its template without rendering it: `data-link`, else `id`, else a number.

What a template fills in (`id="item-{{ item.id }}"`) is not known here, so such a name stands for all that fit it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import unescape
from typing import Final

from language.syntax.problems import did_you_mean, nearest, one_of

FILLED: Final = "\0"
"""Stands in a name for what the template fills in."""

NUMBERED: Final = "#"
"""Stands for the links without a name, which go by their number from 0."""

SHOWN_MAX: Final = 10

_PERHAPS: Final = "\1"
"""Stands in a tag for a statement, on which it may hang what the tag has."""

TAGS_MAX: Final = 2_000
TAG_CHARACTERS_MAX: Final = 10_000
"""What is past these is not read: then a link may have any name."""

_ENDS: Final = {"{{": "}}", "{%": "%}", "{#": "#}", "<!--": "-->"}
_OPENING: Final = re.compile(r"\{\{|\{%|\{#|<!--")
_TAG: Final = re.compile(r"<(?:a|area)(?=[\s\1/])", re.IGNORECASE)
_BODY: Final = re.compile(r"""(?:[^<>"']|"[^"]*"|'[^']*')*+""")
_ATTRIBUTE: Final = re.compile(r"""([^\s"'<>/=]+)(?:\s*=\s*("[^"]*"|'[^']*'|[^\s"'<>]+))?""")
_UNESCAPED: Final = re.compile(r"\|\s*safe\b")


def link_names(text: str) -> frozenset[str]:
    """Of the `<a>` and `<area>` of a template's HTML; FILLED alone if a value may bring links of its own."""
    plain = _without_code(text)
    starts = [found.end() for found in _TAG.finditer(plain)]
    if len(starts) > TAGS_MAX or _UNESCAPED.search(text):
        return frozenset({FILLED})
    return frozenset(name for start in starts for name in _names(plain[start : start + TAG_CHARACTERS_MAX]))


def _without_code(text: str) -> str:
    """What is printed as FILLED, statements as _PERHAPS, comments as nothing."""
    pieces, at = [], 0
    while found := _OPENING.search(text, at):
        end = text.find(_ENDS[found[0]], found.end())
        if end < 0:
            break
        stands = {"{{": FILLED, "{%": f" {_PERHAPS} "}.get(found[0], " ")
        pieces += [text[at : found.start()], stands]
        at = end + len(_ENDS[found[0]])
    return "".join([*pieces, text[at:]])


def _names(rest: str) -> Iterable[str]:
    """What the tag may be called that goes on so; nothing if it leads nowhere."""
    body = _BODY.match(rest)
    assert body is not None, "it matches the empty text"
    told = [
        (found[1].lower(), unescape((found[2] or "").strip("\"'")).strip()) for found in _ATTRIBUTE.finditer(body[0])
    ]
    if not any(key == "href" and value for key, value in told):
        return ()
    named = [value for key, value in told if key == "data-link" and value]
    named += [value for key, value in told if key == "id" and value]
    named.append(NUMBERED)
    # Of `{% if big %}id="a"{% else %}id="b"{% endif %}` both are here, and either may come.
    return named if any(key == _PERHAPS for key, _ in told) else named[:1]


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
