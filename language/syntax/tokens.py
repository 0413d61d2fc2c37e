"""What the grammar gives: trees and tokens, and what can be read from them at once."""

from __future__ import annotations

import re
from typing import Final

from lark import Token, Tree

_ESCAPES: Final = {"\\": "\\", '"': '"', "'": "'", "n": "\n", "t": "\t"}
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)

Part = Tree[Token] | Token | None
"""A part of a rule; None where the grammar says it may be missing."""


def position(where: Tree[Token] | Token) -> int:
    """Offset in the text."""
    if isinstance(where, Token):
        return where.start_pos or 0
    return 0 if where.meta.empty else where.meta.start_pos


def word(part: Part) -> str:
    """The text of a token, or of the one token below a tree."""
    while isinstance(part, Tree):
        part = part.children[0]
    return str(part)


def unquoted(token: Token) -> str:
    r"""The text of a STRING token. `\"`, `\\`, `\n` and `\t` are read; another backslash stays, for regular expressions."""
    return _ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[0]), str(token)[1:-1])
