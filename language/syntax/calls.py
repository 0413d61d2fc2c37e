"""Calls: which arguments each function takes. `count(E where C, last 10m)` and `min(a, b)` look alike to the grammar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

import msgspec
from lark import Token, Tree

from language.syntax import ast
from language.syntax.problems import LanguageError, nearest
from language.syntax.tokens import Part, position, unquoted, word
from language.syntax.vocabulary import AGGREGATES, CALLABLE, FUNCTIONS, LATER, NAMESPACES

if TYPE_CHECKING:
    from language.syntax.build import Builder

SCORED_EVENTS_MAX = 32


class Arguments(msgspec.Struct):
    """The arguments of one call, by how they are written."""

    plain: list[Tree[Token]] = []
    filtered: list[tuple[Tree[Token], Tree[Token]]] = []
    """(what, condition) of `what where condition`."""
    weighted: list[tuple[Tree[Token], Tree[Token]]] = []
    """(left, right) of `left: right`."""
    otherwise: Tree[Token] | None = None
    half_life: Token | None = None
    window: ast.Window | None = None


class Calls:
    """The functions of language.md §4, for one Builder."""

    def __init__(self, builder: Builder) -> None:
        self._builder = builder

    def call(self, tree: Tree[Token]) -> ast.Expression:
        head, *written = tree.children[:-1]
        behind = tree.children[-1]
        name = word(cast(Part, head))
        arguments = self._sorted(tree, name, [part for part in written if part is not None])
        at = position(tree)
        if behind is not None and name not in ("last", "first"):
            raise self._error(f"nothing can be read from {name}(…) by a dot", cast("Tree[Token]", behind))
        match name:
            case "last" | "first":
                return self._pick(at, name, tree, arguments, None if behind is None else word(cast(Part, behind)))
            case "segment":
                return self._segment(at, tree, arguments)
            case "lookup":
                return self._lookup(at, tree, arguments)
            case "top":
                return self._top(at, tree, arguments)
            case "score":
                return self._score(at, tree, arguments)
        if name in AGGREGATES and (name not in FUNCTIONS or self._is_over_events(arguments)):
            return self._aggregate(at, name, tree, arguments)
        return self._function(at, name, tree, arguments)

    def _error(self, message: str, where: Tree[Token] | Token) -> LanguageError:
        return self._builder.error(message, where)

    def _sorted(self, tree: Tree[Token], name: str, written: list[Tree[Token] | Token]) -> Arguments:
        if name not in CALLABLE:
            message = LATER.get(name, f"there is no function `{name}`")
            raise self._builder.error(message, tree, None if name in LATER else nearest(name, CALLABLE))
        found = Arguments()
        for part in written:
            assert isinstance(part, Tree)
            match part.data:
                case "filtered":
                    found.filtered.append(cast("tuple[Tree[Token], Tree[Token]]", tuple(part.children)))
                case "weighted":
                    found.weighted.append(cast("tuple[Tree[Token], Tree[Token]]", tuple(part.children)))
                case "otherwise" if found.otherwise is None:
                    found.otherwise = cast("Tree[Token]", part.children[1])
                case "half_life" if found.half_life is None:
                    found.half_life = cast(Token, part.children[1])
                case "last" | "since" | "after" if found.window is None:
                    found.window = self._builder.window(part)
                case "otherwise" | "half_life" | "last" | "since" | "after":
                    raise self._error("this is said twice", part)
                case _ if (found.plain or found.filtered) and (window := self._named_window(part)) is not None:
                    found.window = window
                case _:
                    found.plain.append(part)
        self._refuse_strangers(tree, name, found)
        return found

    def _named_window(self, part: Tree[Token]) -> ast.Window | None:
        """`today` and `ever` look like names; in second place they are windows."""
        if part.data == "path" and len(part.children) == 1 and word(part) in ("today", "ever"):
            return ast.Window(at=position(part), kind=cast(Literal["today", "ever"], word(part)))
        return None

    def _refuse_strangers(self, tree: Tree[Token], name: str, found: Arguments) -> None:
        """What only other functions take."""
        if found.weighted and name not in ("lookup", "score"):
            raise self._error(f"{name}(…) takes no `a: b`", found.weighted[0][0])
        if found.otherwise is not None and name != "lookup":
            raise self._error(f"{name}(…) takes no `else`", found.otherwise)
        if found.half_life is not None and name not in ("top", "score"):
            raise self._error(f"{name}(…) takes no `half_life`", found.half_life)
        over_events = name in AGGREGATES or name in ("last", "first", "top")
        if found.filtered and not over_events:
            raise self._error(f"{name}(…) takes no `where`", found.filtered[0][1])
        if found.window is not None and not (name in AGGREGATES or name == "top"):
            raise self._builder.error(f"{name}(…) takes no window", found.window)

    # --- functions over values ------------------------------------------------------------------------------------

    def _function(self, at: int, name: str, tree: Tree[Token], found: Arguments) -> ast.Expression:
        fewest, most = FUNCTIONS[name]
        if not fewest <= len(found.plain) <= most:
            wanted = str(fewest) if fewest == most else f"{fewest} to {most}"
            noun = "argument" if wanted == "1" else "arguments"
            raise self._error(f"{name}(…) takes {wanted} {noun}, here are {len(found.plain)}", tree)
        return ast.Call(at=at, function=name, arguments=tuple(map(self._builder.expression, found.plain)))

    def _segment(self, at: int, tree: Tree[Token], found: Arguments) -> ast.Expression:
        arguments = tuple(map(self._builder.expression, found.plain))
        if len(arguments) != 1 or not isinstance(arguments[0], ast.Constant) or not isinstance(arguments[0].value, str):
            raise self._error('segment takes one name in quotes, as in segment("vip")', tree)
        return ast.Call(at=at, function="segment", arguments=arguments)

    def _lookup(self, at: int, tree: Tree[Token], found: Arguments) -> ast.Expression:
        if len(found.plain) != 1 or not found.weighted or found.otherwise is None:
            raise self._error("lookup is written lookup(x, 50: a, 500: b, else c)", tree)
        return ast.Lookup(
            at=at,
            subject=self._builder.expression(found.plain[0]),
            steps=tuple((self._builder.expression(a), self._builder.expression(b)) for a, b in found.weighted),
            otherwise=self._builder.expression(found.otherwise),
        )

    # --- functions over events ------------------------------------------------------------------------------------

    def _is_over_events(self, found: Arguments) -> bool:
        """`min(order_completed.total)` is over events, `min(cart.value, 50)` and `min(price)` are over values."""
        if found.filtered or found.window is not None:
            return True
        if len(found.plain) != 1:
            return False
        (only,) = found.plain
        if only.data == "quoted_path":
            return True
        built = self._builder.expression(only) if only.data == "path" else None
        return (
            isinstance(built, ast.Name)
            and len(built.parts) > 1
            and built.parts[0] not in NAMESPACES
            and built.parts[0] not in self._builder.collections
        )

    def _subject(self, name: str, tree: Tree[Token], found: Arguments) -> tuple[Tree[Token], ast.Expression | None]:
        """The one event argument, and its condition."""
        subjects: list[tuple[Tree[Token], Tree[Token] | None]] = [
            *found.filtered,
            *((one, None) for one in found.plain),
        ]
        if len(subjects) != 1:
            raise self._error(f"{name}(…) takes one event, here are {len(subjects)}", tree)
        what, condition = subjects[0]
        return what, None if condition is None else self._builder.expression(condition)

    def _event_and_property(self, what: Tree[Token]) -> tuple[str, str | None]:
        """`E` or `E.p`, where E may be in quotes."""
        builder = self._builder
        if what.data in ("string", "quoted_path"):
            name = unquoted(cast(Token, what.children[0]))
            part = word(cast(Part, what.children[1])) if what.data == "quoted_path" else None
            return builder.event_name(name, what), part
        if what.data != "path" or len(what.children) > 2:
            raise self._error("expected an event, or one of its properties as in order_completed.total", what)
        parts = [word(cast(Part, part)) for part in what.children]
        if parts[0] in NAMESPACES or parts[0] in builder.collections:
            raise self._error(f"`{'.'.join(parts)}` is no event; len(…) counts what is in a list", what)
        return builder.event_name(parts[0], what), parts[1] if len(parts) == 2 else None

    def _property(self, name: str, what: Tree[Token]) -> tuple[str, str]:
        event, part = self._event_and_property(what)
        if part is None:
            raise self._error(f"{name} needs a property of the event, as in {name}({event}.total)", what)
        return event, part

    def _aggregate(self, at: int, name: str, tree: Tree[Token], found: Arguments) -> ast.Expression:
        what, where = self._subject(name, tree, found)
        if name == "count":
            event, part = self._event_and_property(what)
            if part is not None:
                raise self._error(f"count counts events; distinct({event}.{part}) counts different values", what)
        else:
            event, part = self._property(name, what)
        function = cast(Literal["count", "distinct", "sum", "avg", "min", "max"], name)
        return ast.Aggregate(at=at, function=function, event=event, property=part, where=where, window=found.window)

    def _pick(
        self, at: int, name: Literal["last", "first"], tree: Tree[Token], found: Arguments, part: str | None
    ) -> ast.Expression:
        what, where = self._subject(name, tree, found)
        event, inner = self._event_and_property(what)
        if part is None or inner is not None:
            raise self._error(
                f"say which property behind the bracket, as in {name}({event}).{inner or 'product_id'}", what
            )
        return ast.Pick(at=at, which=name, event=event, property=part, where=where)

    def _top(self, at: int, tree: Tree[Token], found: Arguments) -> ast.Expression:
        if found.filtered:
            raise self._error("top(…) takes no `where`", found.filtered[0][1])
        what, _ = self._subject("top", tree, found)
        event, part = self._property("top", what)
        half_life = None if found.half_life is None else float(self._positive(found.half_life))
        return ast.Top(at=at, event=event, property=part, window=found.window, half_life=half_life)

    def _score(self, at: int, tree: Tree[Token], found: Arguments) -> ast.Expression:
        if found.plain or not found.weighted or found.half_life is None:
            raise self._error("score is written score(E: 1, F: 5, half_life 2d)", tree)
        if len(found.weighted) > SCORED_EVENTS_MAX:
            raise self._error(f"score(…) takes at most {SCORED_EVENTS_MAX} events", tree)
        weights = tuple(self._weight(what, weight) for what, weight in found.weighted)
        return ast.Score(at=at, weights=weights, half_life=float(self._positive(found.half_life)))

    def _weight(self, what: Tree[Token], weight: Tree[Token]) -> tuple[str, float]:
        event, part = self._event_and_property(what)
        if part is not None:
            raise self._error("score takes events, not their properties", what)
        value = self._builder.expression(weight)
        number = value.value if isinstance(value, ast.Constant) else None
        if not isinstance(number, int | float) or isinstance(number, bool):
            raise self._error("a weight is a number", weight)
        return event, float(number)

    def _positive(self, half_life: Token) -> int | float:
        found = self._builder.duration(half_life)
        if found <= 0:
            raise self._error("a half-life is longer than nothing", half_life)
        return found
