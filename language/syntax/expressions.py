"""Text to syntax trees: expressions (language.md §4) and patterns (§3).

Whatever the text, the answer is a tree or a LanguageError, soon: texts are at most 10,000 characters and trees at most
64 deep. Which names exist is not looked at here (`resolve.py`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

from lark import Lark, Token, Tree, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from actors.values.names import ALIASES
from language.syntax.ast import Expression, Pattern
from language.syntax.build import Builder
from language.syntax.durations import FORMS, duration_ms, seconds
from language.syntax.habits import amount, of_expression, of_pattern
from language.syntax.problems import LanguageError, nearest
from language.syntax.vocabulary import COLLECTIONS, HINTS

CHARACTERS_MAX: Final = 10_000

_READABLE: Final[Mapping[str, str]] = {
    "COLON": ":",
    "COMMA": ",",
    "DOT": ".",
    "LPAR": "(",
    "RPAR": ")",
    "LSQB": "[",
    "RSQB": "]",
    "$END": "the end",
}
_VALUES: Final = frozenset({"NUMERIC", "STRING", "NAME", "LPAR", "LSQB", "MINUS", "NOT", "DID"})
_OPERATORS: Final = frozenset(
    {"EQUAL", "UNEQUAL", "LESS", "LESS_OR_EQUAL", "MORE", "MORE_OR_EQUAL", "IN", "CONTAINS", "STARTS_WITH", "MATCHES"}
    | {"PLUS", "MINUS", "STAR", "SLASH", "PERCENT", "_OR", "_AND"}
)
_SOFT: Final = frozenset(
    {"NO", "DID", "LAST", "SINCE", "AFTER", "ENTRY", "TODAY", "EVER", "HALF_LIFE", "ALL", "ENTERED", "LEFT"}
)
_WORDS: Final = frozenset(
    {
        "IN",
        "CONTAINS",
        "STARTS_WITH",
        "MATCHES",
        "_OR",
        "_AND",
        "_WHERE",
        "_THEN",
        "_WITHIN",
        "_FOR",
        "LAST",
        "SINCE",
        "AFTER",
    }
)

_UNIT: Final = re.compile(r"\b\d+\s+$")
_SPACED: Final = re.compile(r"\s*[A-Z][\w:./-]*(\s[\w:./-]+)*\s*")


def parse_expression(
    text: str, aliases: Mapping[str, str] = ALIASES, collections: Collection[str] = COLLECTIONS
) -> Expression:
    """Raises LanguageError. `aliases`: folded event name -> canonical name. `collections`: names of the site's
    collections, which tell `min(cart.value)` from `min(order_completed.total)`."""
    tree = _parse(text, "only_expression")
    return Builder(text, aliases, collections).expression(tree)


def parse_pattern(
    text: str, aliases: Mapping[str, str] = ALIASES, collections: Collection[str] = COLLECTIONS
) -> Pattern:
    """Raises LanguageError."""
    tree = _parse(text, "only_pattern")
    return Builder(text, aliases, collections).pattern(tree)


def parse_duration(text: str) -> int | float:
    """Seconds. Raises LanguageError for anything but a literal duration."""
    found = duration_ms(text.strip())
    if found is None:
        raise LanguageError(f"`{_short(text)}` is no duration: write {FORMS}", text, 0)
    return seconds(found)


@lru_cache(maxsize=1)
def _parser() -> Lark:
    return Lark(
        Path(__file__).with_name("grammar.lark").read_text(),
        parser="lalr",
        start=["only_expression", "only_pattern"],
        propagate_positions=True,
        maybe_placeholders=True,
    )


def _parse(text: str, start: str) -> Tree[Token]:
    if len(text) > CHARACTERS_MAX:
        raise LanguageError(f"{len(text)} characters; at most {CHARACTERS_MAX} are read", text, 0)
    try:
        tree = _parser().parse(text, start=start)
    except UnexpectedToken as error:
        raise _unexpected(text, error, is_pattern=start == "only_pattern") from None
    except UnexpectedCharacters as error:
        raise _strange(text, error) from None
    except UnexpectedInput as error:
        raise LanguageError("this cannot be read", text, error.pos_in_stream or 0) from None
    inner = tree.children[0]
    assert isinstance(inner, Tree)
    return inner


def _strange(text: str, error: UnexpectedCharacters) -> LanguageError:
    at = error.pos_in_stream or 0
    came = text[at]
    number = amount(text, at)
    if number is not None:
        return LanguageError(f"unexpected {came!r}: write {number}, an amount has no sign here", text, at, came=came)
    hint = HINTS.get(came, "nothing here begins with it")
    return LanguageError(f"unexpected {came!r}: {hint}", text, at, came=came)


def _unexpected(text: str, error: UnexpectedToken, *, is_pattern: bool) -> LanguageError:
    token = error.token
    at = error.pos_in_stream if error.pos_in_stream is not None else len(text)
    accepted = set(error.accepts or error.expected)
    expected = tuple(_readable(accepted))
    if token.type == "$END":
        what = "it is empty" if not text.strip() else "it ends too soon"
        message = f"{what}: expected {_listed(expected)}{_limit(accepted)}"
        return LanguageError(message, text, len(text.rstrip()), expected=expected)
    came = str(token)
    if came in ("<", ">") and text[:at].rstrip().endswith("="):
        return LanguageError(f"`={came}` is written `{came}=`", text, at, expected=expected, came=came)
    if accepted & _OPERATORS and token.type in _OPERATORS:
        message = f"`{came}` cannot follow a comparison: join comparisons by `and` or `or`"
        return LanguageError(message, text, at, expected=expected, came=came)
    words = [word.strip("_").lower() for word in accepted & _WORDS]
    return LanguageError(
        f"expected {_listed(expected)}, came `{_short(came)}`{_habit(text, at, came, accepted, is_pattern)}",
        text,
        at,
        expected=expected,
        came=came,
        nearest=nearest(came, words) if token.type == "NAME" and came not in words else None,
    )


def _limit(accepted: set[str]) -> str:
    """What to say where a pattern over time has no end."""
    if "_WITHIN" in accepted:
        session = ", or write `in session`" if "_IN_SESSION" in accepted else ""
        return f"; say in how long, as in `within 48h`{session}"
    return "; say for how long, as in `for 30d`" if "_FOR" in accepted else ""


def _habit(text: str, at: int, came: str, accepted: set[str], is_pattern: bool) -> str:
    """What to say of spellings that people bring along: `30 days`, the event `Product Added`, `a then no b then c`."""
    if came == "then" and "_WITHIN" in accepted:
        return "; what must not come is the last of a chain"
    brought = of_expression(text, at, came) or (of_pattern(text, at, came) if is_pattern else "")
    if brought:
        return brought
    if _UNIT.search(text[:at]) and came[:1] in "smhdw":
        return f"; durations are written {FORMS}"
    if _SPACED.fullmatch(text):
        return f'; a name with spaces or signs in it is written in quotes: "{text.strip()}"'
    return ""


def _readable(terminals: set[str]) -> Iterable[str]:
    """What may come, as an author would say it; values and operators in one word each."""
    rest = terminals - {"_IN_SESSION"}  # `within` stands for both
    if rest >= _VALUES - {"DID", "NOT", "MINUS"}:
        yield "a value"
        rest = rest - _VALUES - _SOFT - {"STRING", "NUMERIC"}
    elif "NAME" in rest:
        yield "a name"
        rest = rest - _SOFT - _OPERATORS - {"NAME", "DOT", "LPAR", "$END"}
    elif rest & _OPERATORS:
        yield "an operator"
        rest = rest - _OPERATORS
    for terminal, words in (("STRING", "a text in quotes"), ("NUMERIC", "a number or duration")):
        if terminal in rest:
            yield words
    for terminal in sorted(rest - {"STRING", "NUMERIC", "$END"}):
        yield f"`{_READABLE.get(terminal, terminal.strip('_').lower())}`"
    if "$END" in rest:
        yield "the end"


def _listed(expected: tuple[str, ...]) -> str:
    return " or ".join([", ".join(expected[:-1]), expected[-1]]) if len(expected) > 1 else "".join(expected)


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "…"
