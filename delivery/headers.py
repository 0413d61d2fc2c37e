"""Header lines of a mail, written out here instead of by `email.policy`: its parser reads what people write as mail syntax,
so that a visitor who calls himself `=?utf-8?q?eve=40evil=2Etest=2C?=` becomes a second address in `From`; and its folding
breaks a `List-Unsubscribe` for mail clients that do not unfold.
"""

from __future__ import annotations

import re
from email.header import Header
from typing import Final

LINE_CHARACTERS_MAX: Final = 998
"""RFC 5322 §2.1.1, without the line end."""

FOLDED_CHARACTERS_MAX: Final = 76
"""RFC 2047 §2: of a line that holds an encoded word."""

_PHRASE = re.compile(r"[\w !#$%&'*+/=?^`{|}~-]*", re.ASCII)
_QUOTED = re.compile(r'(["\\])')


def text_header(name: str, value: str) -> str:
    """Return the line(s) of a header that people read. ValueError if the value holds a line end or a control character."""
    return f"{name}: {_words(name, value, 0)}\r\n"


def mailbox_header(name: str, display: str, address: str) -> str:
    """Return the line(s) of a header with one mailbox, whatever the display name holds. ValueError as `text_header`'s.

    `address` is what `valid_address` returned."""
    if not display:
        return whole_header(name, address)
    words = _words(name, display, 2)
    if words == display and not _PHRASE.fullmatch(display):
        words = '"' + _QUOTED.sub(r"\\\1", display) + '"'
    last = words.rpartition("\r\n")[2]
    fits = len(name) + len(last) + len(address) + 5 <= FOLDED_CHARACTERS_MAX
    return f"{name}: {words}" + (" " if fits else "\r\n ") + f"<{address}>\r\n"


def whole_header(name: str, value: str) -> str:
    """Return the one line of a header that programs read. ValueError if it is not ASCII, or too long for one line."""
    line = f"{name}: {value}"
    if len(line) > LINE_CHARACTERS_MAX or not line.isascii() or not line.isprintable():
        raise ValueError(f"header {name} is too long or holds what a header may not: {value[:100]!r}")
    return f"{line}\r\n"


def _words(name: str, value: str, quotes: int) -> str:
    """The value as it is if it is short, ASCII and nothing in it looks like an encoded word; else in encoded words."""
    if any(character < " " or "\x7f" <= character <= "\x9f" for character in value):
        raise ValueError(f"header {name} holds what a header may not: {value[:100]!r}")
    short = len(name) + len(value) + quotes + 2 <= FOLDED_CHARACTERS_MAX
    if short and value.isascii() and "=?" not in value:
        return value
    return Header(value, "utf-8", maxlinelen=FOLDED_CHARACTERS_MAX, header_name=name).encode(linesep="\r\n")
