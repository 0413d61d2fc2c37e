"""The memory plan: what the expressions of a site ask to be remembered, each thing once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from actors.model import slots as kinds
from actors.model.context import ContextPart, Path
from actors.model.memory import LOG_KEEP, First, Log, Slot, Totals, slot_key
from actors.model.scope import Evaluate
from language.syntax import ast

_POSITIONS: Final = frozenset({"at", "line", "text", "file", "why"})


def plain(node: Any) -> Any:
    """A syntax tree as plain values without positions: equal meaning, equal value."""
    return _plain(msgspec.to_builtins(node))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        # No cap is as if there were none to write: campaigns keep the version that they had before there were any.
        gone = _POSITIONS | {"cap"} if value.get("cap", "") is None else _POSITIONS
        return {name: _plain(part) for name, part in value.items() if name not in gone}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value


def canonical_text(*parts: Any) -> str:
    return msgspec.json.encode([plain(part) for part in parts], order="sorted").decode()


def names_in(node: ast.Expression | None) -> Iterator[ast.Name]:
    """Every name an expression looks at, those of its parts included."""
    if isinstance(node, ast.Name):
        yield node
    elif isinstance(node, msgspec.Struct):
        for name in node.__struct_fields__:
            yield from _names_in_value(getattr(node, name))


def _names_in_value(value: Any) -> Iterator[ast.Name]:
    if isinstance(value, tuple):
        for part in value:
            yield from _names_in_value(part)
    elif isinstance(value, ast.Node):
        yield from names_in(value)  # type: ignore[arg-type]  # every node inside an expression is one


ALL_ROWS: Final = 0
"""As many of a log as are kept of any, for a question that is about all of them."""


class Plan:
    """Collects slots while a site is compiled. Equal questions share a slot, which remembers enough for all of them."""

    def __init__(self, collections: Mapping[str, ast.Collection]) -> None:
        self._slots: dict[int, Slot] = {}
        self._collections = collections

    @property
    def slots(self) -> tuple[Slot, ...]:
        return tuple(self._slots.values())

    def _add(self, slot: Slot) -> int:
        known = self._slots.get(slot.key)
        self._slots[slot.key] = slot if known is None else slot.joined(known)
        return slot.key

    def log(
        self,
        event: str,
        where: ast.Expression | None,
        evaluate: Evaluate | None,
        properties: tuple[str, ...] = (),
        *,
        keep: int = ALL_ROWS,
        horizon_ms: int = 0,
    ) -> int:
        """`where` (with its compiled form) only if it can be decided from the event alone."""
        key = slot_key(canonical_text("log", event, where, properties))
        return self._add(
            Log(
                key=key,
                event=event,
                where=evaluate,
                properties=properties,
                keep=keep or LOG_KEEP,
                horizon=horizon_ms,
                whole=keep == ALL_ROWS,
            )
        )

    def totals(self, event: str, of: str | None, where: ast.Expression | None, evaluate: Evaluate | None) -> int:
        key = slot_key(canonical_text("totals", event, of, where))
        return self._add(Totals(key=key, event=event, of=of, where=evaluate))

    def context(self, path: Path) -> int:
        """A part of the newest context that was told of the user."""
        key = slot_key(canonical_text("context", path))
        return self._add(ContextPart(key=key, path=path))

    def first(self, event: str, of: str, where: ast.Expression | None, evaluate: Evaluate | None) -> int:
        key = slot_key(canonical_text("first", event, of, where))
        return self._add(First(key=key, event=event, of=of, where=evaluate))

    def tally(self, event: str, of: str, half_life: float | None, keep: int = 10) -> int:
        key = slot_key(canonical_text("tally", event, of, half_life))
        span = None if half_life is None else round(half_life * 1000)
        return self._add(kinds.Tally(key=key, event=event, of=of, half_life=span, keep=keep))

    def score(self, weights: tuple[tuple[str, float], ...], half_life: float) -> int:
        key = slot_key(canonical_text("score", weights, half_life))
        return self._add(kinds.Score(key=key, weights=weights, half_life=round(half_life * 1000)))

    def collection(self, name: str) -> int:
        """The slot of a collection of the profile."""
        match self._collections[name]:
            case ast.Bag() as bag:
                key = slot_key(canonical_text("dated bag", bag))
                return self._add(
                    kinds.Bag(key=key, event=bag.event, by=bag.key, remove=bag.remove, clear=tuple(bag.clear))
                )
            case ast.LastOf() as last:
                key = slot_key(canonical_text("last", last.event, last.distinct))
                return self._add(kinds.LastOf(key=key, event=last.event, keep=last.keep, distinct=last.distinct))
            case ast.Tally() as tally:
                return self.tally(tally.event, tally.property, tally.half_life, tally.keep)
            case ast.SumOf() as total:
                key = slot_key(canonical_text("sum", total.event, total.property))
                return self._add(kinds.SumOf(key=key, event=total.event, of=total.property))
