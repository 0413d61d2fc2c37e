"""What holds of the operators that compare, whatever they compare."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

MIRRORED: Final[Mapping[str, str]] = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}
"""`a < b` is `b > a`. Those that are not here have no mirror image: `in`, `contains`, `starts_with`."""

NEGATED: Final[Mapping[str, str]] = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "=": "!=", "!=": "="}
"""`not a < b` is `a >= b`, where both are known."""

COMPARISONS: Final = frozenset(MIRRORED)
