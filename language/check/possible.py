"""Whether a condition can ever hold: contradictions between its parts, found by trying.

Every part that compares a value with constants is asked about one value of each kind that the constants tell apart
(below, at, between and above the numbers; each text, other text, null, true, false), by the same functions that run
campaigns. So nothing is called impossible that is possible; some that is impossible is not found.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from actors.model.memory import COUNT_KEEP_MAX, LOG_KEEP
from actors.values import values
from language.compiler.memory import canonical_text
from language.syntax import ast
from language.syntax.operators import MIRRORED

WAYS_MAX: Final = 128
"""Ways in which a condition may hold (its disjunctive form) that are looked at; past it, it is taken to be possible."""

FACTS_MAX: Final = 60
"""Comparisons of one value that are looked at together; past it, they are taken to be possible."""

_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": lambda value, constant: value is None if constant is None else values.equal(value, constant),
    "!=": lambda value, constant: value is not None if constant is None else values.unequal(value, constant),
    "<": values.less,
    "<=": values.less_or_equal,
    ">": values.greater,
    ">=": values.greater_or_equal,
    "in": values.contained,
    "true": lambda value, _: values.truth(value),
}
_ORDER: Final = frozenset({"<", "<=", ">", ">="})


class Fact(msgspec.Struct, frozen=True):
    """What one part of a condition says of one value: `holds(> 5)` or not."""

    term: str
    node: ast.Node
    operator: str
    constant: Any
    holds: bool

    def __str__(self) -> str:
        shown = f"{self.operator} {_written(self.constant)}" if self.operator != "true" else "true"
        return f"`{shown}`" if self.holds else f"not `{shown}`"


Way = tuple[Fact, ...]


def why_never(condition: ast.Expression) -> str | None:
    """Why the condition can never hold, None if it may."""
    found = ways(condition, holds=True)
    if found is None:
        return None
    reasons = [_conflict(way) for way in found]
    if any(reason is None for reason in reasons):
        return None
    return next((reason for reason in reasons if reason), "")


def never_parts(node: ast.Expression) -> Iterator[tuple[ast.Expression, str]]:
    """The smallest parts of a condition that can never hold, with the reason; conditions within `where` included."""
    reason = why_never(node)
    inner = _parts(node)
    if reason is not None:
        narrower = [found for part in inner for found in never_parts(part)]
        if isinstance(node, ast.Binary) and node.operator in ("and", "or") and narrower:
            yield from narrower
        else:
            yield node, reason
    else:
        for part in (*inner, *_wheres(node)):
            yield from never_parts(part)


def _parts(node: ast.Expression) -> tuple[ast.Expression, ...]:
    if isinstance(node, ast.Binary) and node.operator in ("and", "or"):
        return (node.left, node.right)
    return ()


def _wheres(node: Any) -> Iterator[ast.Expression]:
    """Conditions on events within an expression that is no `and` or `or`."""
    if isinstance(node, tuple):
        for part in node:
            yield from _wheres(part)
    elif isinstance(node, ast.Node) and not (isinstance(node, ast.Binary) and node.operator in ("and", "or")):
        for field in node.__struct_fields__:
            if field == "where":
                if node.where is not None:  # type: ignore[attr-defined]  # the field is there, its name was just read
                    yield node.where  # type: ignore[attr-defined]
            else:
                yield from _wheres(getattr(node, field))


def negated(condition: ast.Expression) -> ast.Expression:
    return ast.Unary(operator="not", operand=condition)


def all_of(conditions: Sequence[ast.Expression]) -> ast.Expression:
    """Joined by `and`; true if there is none."""
    if not conditions:
        return ast.Constant(value=True)
    joined = conditions[0]
    for condition in conditions[1:]:
        joined = ast.Binary(operator="and", left=joined, right=condition)
    return joined


# --- the ways in which a condition may hold ---------------------------------------------------------------------------


def ways(node: ast.Expression, *, holds: bool) -> list[Way] | None:
    """Each way in which it comes out so, as what must be true of the values in it; None if there are too many."""
    match node:
        case ast.Unary(operator="not", operand=operand):
            return ways(operand, holds=not holds)
        case ast.Binary(operator=("and" | "or") as operator, left=left, right=right):
            a, b = ways(left, holds=holds), ways(right, holds=holds)
            if a is None or b is None:
                return None
            if (operator == "or") is holds:
                return _few([*a, *b])
            return _few([x + y for x, y in itertools.product(a, b)]) if len(a) * len(b) <= WAYS_MAX else None
        case ast.Constant(value=value):
            return [()] if values.truth(value) is holds else []
        case ast.Did(negated=True):
            return [(_truth(msgspec.structs.replace(node, negated=False), not holds),)]
        case ast.Binary():
            return _compared(node, holds)
    return [(_truth(node, holds),)]


def _few(found: list[Way]) -> list[Way] | None:
    return found if len(found) <= WAYS_MAX else None


def _truth(node: ast.Expression, holds: bool) -> Fact:
    return Fact(canonical_text(node), node, "true", None, holds)


def _compared(node: ast.Binary, holds: bool) -> list[Way]:
    operator, left, right = node.operator, node.left, node.right
    if isinstance(left, ast.Constant) and operator in MIRRORED and not isinstance(right, ast.Constant):
        operator, left, right = MIRRORED[operator], right, left  # type: ignore[assignment]  # of the same six
    constant = _constant(right)
    if operator not in _COMPARE or constant is _UNKNOWN:
        return [(_truth(node, holds),)]
    if isinstance(left, ast.Constant):
        return [()] if _COMPARE[operator](left.value, constant) is holds else []
    return [(Fact(canonical_text(left), left, operator, constant, holds),)]


_UNKNOWN: Final = object()


def _constant(node: ast.Expression) -> Any:
    """The value of a literal, also of a list of them; _UNKNOWN if it is none."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.ListOf(items=items) if all(isinstance(item, ast.Constant) for item in items):
            return [item.value for item in items if isinstance(item, ast.Constant)]
    return _UNKNOWN


# --- whether there is a value of which all is true ---------------------------------------------------------------------


def _conflict(way: Way) -> str | None:
    """Which of the facts exclude each other; None if none do."""
    terms: dict[str, list[Fact]] = {}
    for fact in way:
        terms.setdefault(fact.term, []).append(fact)
    for facts in terms.values():
        if len(facts) > FACTS_MAX or _possible(facts):
            continue
        for fact in facts:
            if not _possible([fact]):
                return f"{_nature(fact.node)}, never {fact}"
        for pair in itertools.combinations(facts, 2):
            if not _possible(pair):
                return _told(pair)
        return "its parts exclude each other"
    return None


def _told(pair: Sequence[Fact]) -> str:
    first, second = pair
    if first.operator == second.operator == "true":
        return "it would have to be true and false at once"
    return f"{first} and {second} exclude each other"


def _possible(facts: Sequence[Fact]) -> bool:
    constants = [fact.constant for fact in facts]
    flat = [inner for one in constants for inner in (one if isinstance(one, list) else [one])]
    texts = [fact for fact in facts if fact.operator in _ORDER and isinstance(fact.constant, str)]
    if texts and any(values.number(one) is not None for one in flat):
        return True  # a text may be less than another and spell a greater number
    return any(
        all(_COMPARE[fact.operator](value, fact.constant) is fact.holds for fact in facts)
        for value in _candidates(facts[0].node, flat)
    )


def _candidates(node: ast.Node, constants: Iterable[Any]) -> Iterator[Any]:
    """One value of each kind that the constants tell apart."""
    told = list(constants)
    numbers = sorted({float(found) for one in told if (found := values.number(one)) is not None})
    limits = _range(node)
    if limits is not None:
        low, high = limits
        # Where something holds up to a number, it holds at that number or at the one before it; else up to `high`.
        whole = {low, high, *(int(one) - step for one in numbers if abs(one) < 1e15 for step in (0, 1))}
        yield from (one for one in whole if low <= one <= high)
        return
    yield from (None, True, False, 0, "", "\x00", [], *told)
    yield from numbers
    yield from ((a + b) / 2 for a, b in itertools.pairwise(numbers))
    if numbers:
        yield from (numbers[0] - 1, numbers[-1] + 1)
    yield from (f"{one}\x00" for one in told if isinstance(one, str))
    yield from (repr(one) for one in numbers)
    yield 1


WHOLE_MAX: Final = 10**9


def _range(node: ast.Node) -> tuple[int, int] | None:
    """The least and the greatest of what is always a whole number between them."""
    match node:
        case ast.Call(function="hour", arguments=(ast.Name(parts=("now",)),)):
            return 0, 23
        case ast.Call(function="weekday", arguments=(ast.Name(parts=("now",)),)):
            return 1, 7
        case ast.Aggregate(function="count", window=ast.Window(kind=kind)) if kind != "ever":
            return 0, COUNT_KEEP_MAX
        case ast.Aggregate(function="count"):
            return 0, WHOLE_MAX
        case ast.Aggregate(function="distinct"):
            return 0, LOG_KEEP
        case ast.Name(parts=("run", "sent") | ("session", "events")):
            return 0, WHOLE_MAX
    return None


def _nature(node: ast.Node) -> str:
    limits = _range(node)
    if limits is None:
        return "it"
    low, high = limits
    return f"it is a whole number from {low} to {high}" if high < WHOLE_MAX else "it is a whole number from 0 on"


def _written(constant: Any) -> str:
    return msgspec.json.encode(constant).decode()
