"""The words of the expression language: what stands for what, and which functions take what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

WORDS: Final = frozenset({"now", "idle", "signed_in"})
"""Names that stand for themselves everywhere."""

NAMESPACES: Final = frozenset({"event", "entry", "user", "run", "session"})
"""Names that mean something only with a dot behind them."""

SESSION_PARTS: Final = ("duration", "events")
RUN_PARTS: Final = ("id", "entered_at", "sent", "variant")
BAG_PARTS: Final = ("items", "value", "quantity")

COLLECTIONS: Final = ("cart", "recent_views", "top_categories", "spent")
"""Those that are there by default."""

FUNCTIONS: Final[Mapping[str, tuple[int, int]]] = {
    "len": (1, 1),
    "lower": (1, 1),
    "upper": (1, 1),
    "round": (1, 2),
    "min": (1, 50),
    "max": (1, 50),
    "coalesce": (1, 50),
    "hour": (1, 1),
    "weekday": (1, 1),
}
"""Plain functions over values: name -> fewest and most arguments."""

AGGREGATES: Final = frozenset({"count", "distinct", "sum", "avg", "min", "max"})
"""Functions over events. `min` and `max` are also plain functions; which is meant is seen from the argument."""

CALLABLE: Final = frozenset(FUNCTIONS) | AGGREGATES | {"last", "first", "top", "score", "segment", "lookup"}

LATER: Final[Mapping[str, str]] = {
    "recommend": "recommend() is not in this version",
    "coupon": "coupon() is not in this version",
    "image": "image() is not in this version",
}
"""Functions of the language that a later version brings."""

HINTS: Final[Mapping[str, str]] = {
    "&": "write `and`",
    "|": "write `or`",
    "!": "write `not`, or `!=`",
    "$": "`$name` is a value of the campaign's `experiment`, and stands only in its steps",
    "~": "write `matches`",
    ";": "one expression, no statements",
    "{": "lists are written [a, b]; there are no objects",
    "“": 'text is written in straight quotes: "text"',
    "”": 'text is written in straight quotes: "text"',
    '"': "this text has no closing quote",
    "'": "this text has no closing quote",
}
"""What to say of a character that nothing begins with."""
