"""From what the grammar saw to the syntax tree: here a function's name decides what its arguments mean."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final, Literal, cast

from lark import Token, Tree

from actors.values.names import canonical
from actors.values.regex import RegexRefused, program
from language.syntax import ast
from language.syntax.calls import Calls
from language.syntax.durations import FORMS, duration_ms, seconds
from language.syntax.habits import clock
from language.syntax.problems import LanguageError
from language.syntax.tokens import Part, position, unquoted, word

DEPTH_MAX: Final = 64

EVENT_CHARACTERS_MAX: Final = 200
PATTERNS_MAX: Final = 16
"""Events of one chain or one `all(…)`."""

_CALLED: Final = '`called` stands alone: what the call must hold is a condition of the entry, `if: event.plan = "gold"`'

_QUOTES: Final = ('"', "'")

_NUMBER = re.compile(r"\d+(\.\d+)?([eE][+-]?\d+)?")
_LITERALS: Final[Mapping[str, bool | None]] = {"true": True, "false": False, "null": None}


class Builder:
    """Builds the tree of one text. Raises LanguageError."""

    def __init__(self, text: str, aliases: Mapping[str, str], collections: Collection[str]) -> None:
        self.text = text
        self.collections = collections
        self._aliases = aliases
        self._depth = 0
        self._calls = Calls(self)

    def error(self, message: str, where: Tree[Token] | Token | ast.Node, nearest: str | None = None) -> LanguageError:
        at = where.at if isinstance(where, ast.Node) else position(where)
        return LanguageError(message, self.text, at, nearest=nearest)

    # --- expressions ----------------------------------------------------------------------------------------------

    def expression(self, tree: Part) -> ast.Expression:
        assert isinstance(tree, Tree)
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise self.error(f"nested more than {DEPTH_MAX} deep", tree)
        built = self._expression(tree)
        self._depth -= 1
        return built

    def _expression(self, tree: Tree[Token]) -> ast.Expression:
        at, parts = position(tree), tree.children
        match tree.data:
            case "disjunction" | "conjunction":
                return self._joined("or" if tree.data == "disjunction" else "and", parts)
            case "negated":
                return ast.Unary(at=at, operator="not", operand=self.expression(cast(Part, parts[1])))
            case "compared":
                return self._compared(at, *cast("list[Tree[Token]]", parts))
            case "arithmetic":
                left, operator, right = parts
                return ast.Binary(
                    at=at,
                    operator=cast(ast.BinaryOperator, str(operator)),
                    left=self.expression(cast(Part, left)),
                    right=self.expression(cast(Part, right)),
                )
            case "minus":
                return self._minus(at, self.expression(cast(Part, parts[1])))
            case "numeric":
                return self._numeric(cast(Token, parts[0]))
            case "string":
                return ast.Constant(at=at, value=unquoted(cast(Token, parts[0])))
            case "list":
                return ast.ListOf(at=at, items=tuple(self.expression(part) for part in parts if part is not None))
            case "path":
                return self._path(at, tuple(word(part) for part in parts))
            case "call":
                return self._calls.call(tree)
            case "did":
                return self._did(at, parts)
            case "quoted_path":
                raise self.error(
                    "a text has no parts; an event's property is read by last(…), sum(…) and the like", tree
                )
        raise self.error("this stands only between the brackets of a function over events", tree)

    def _joined(self, operator: Literal["or", "and"], parts: Sequence[Part]) -> ast.Expression:
        """`a or b or c …` as a balanced tree: it means the same, and a hundred of them are not a hundred deep."""
        if len(parts) == 1:
            return self.expression(parts[0])
        middle = (len(parts) + 1) // 2
        left = self._joined(operator, parts[:middle])
        return ast.Binary(at=left.at, operator=operator, left=left, right=self._joined(operator, parts[middle:]))

    def _compared(self, at: int, left: Tree[Token], comparing: Tree[Token], right: Tree[Token]) -> ast.Expression:
        operator = word(comparing)
        made = ast.Binary(
            at=at,
            operator=cast(ast.BinaryOperator, "=" if operator == "==" else operator),
            left=self.expression(left),
            right=self.expression(right),
        )
        if operator == "matches":
            self._check_regex(made.right)
        return made

    def _check_regex(self, pattern: ast.Expression) -> None:
        if not isinstance(pattern, ast.Constant) or not isinstance(pattern.value, str):
            raise self.error(
                '`matches` takes a regular expression in quotes, as in `matches "@shop.example$"`', pattern
            )
        try:
            program(pattern.value)
        except RegexRefused as error:
            at = min(pattern.at + 1 + error.at, max(0, len(self.text) - 1))
            raise LanguageError(error.why, self.text, at) from None

    def _minus(self, at: int, operand: ast.Expression) -> ast.Expression:
        value = operand.value if isinstance(operand, ast.Constant) else None
        if isinstance(value, int | float) and not isinstance(value, bool):
            return ast.Constant(at=at, value=-value)
        return ast.Unary(at=at, operator="-", operand=operand)

    def _numeric(self, token: Token) -> ast.Constant:
        text = str(token)
        if _NUMBER.fullmatch(text) and len(text) <= 30:
            value = float(text) if not text.isdigit() else int(text)
            if abs(value) < 1e300:
                return ast.Constant(at=position(token), value=value)
        return ast.Constant(at=position(token), value=self.duration(token))

    def duration(self, token: Part) -> int | float:
        """Seconds of a duration token."""
        assert isinstance(token, Token)
        found = duration_ms(str(token))
        if found is None:
            shown = str(token) if len(token) <= 30 else str(token)[:29] + "…"
            time = clock(shown)
            if time is not None:
                hour = int(time.partition(":")[0])
                raise self.error(f"`{shown}` is no number: hours are written 0 to 23, as in hour(now) >= {hour}", token)
            what = "a duration without a unit" if shown.isdigit() else "no number or duration"
            raise self.error(f"`{shown}` is {what}: durations are written {FORMS}", token)
        return seconds(found)

    def _path(self, at: int, parts: tuple[str, ...]) -> ast.Expression:
        if len(parts) == 1 and parts[0] in _LITERALS:
            return ast.Constant(at=at, value=_LITERALS[parts[0]])
        return ast.Name(at=at, parts=parts)

    # --- events ---------------------------------------------------------------------------------------------------

    def _did(self, at: int, parts: Sequence[Part]) -> ast.Did:
        how, event, where, window = parts
        return ast.Did(
            at=at,
            negated=word(how) == "no",
            event=self.event(event),
            where=None if where is None else self.expression(where),
            window=None if window is None else self.window(window),
        )

    def event(self, tree: Part) -> str:
        """The canonical name of an event that is written as a name or in quotes."""
        found = tree
        while isinstance(found, Tree):
            found = found.children[0]
        assert found is not None
        return self.event_name(unquoted(found) if found.type == "STRING" else str(found), found)

    def event_name(self, told: str, where: Tree[Token] | Token | ast.Node) -> str:
        name = canonical(told, self._aliases)
        if not name:
            raise self.error("an event needs a name", where)
        if len(told) > EVENT_CHARACTERS_MAX:
            raise self.error(f"an event's name has at most {EVENT_CHARACTERS_MAX} characters", where)
        return name

    def window(self, tree: Part) -> ast.Window:
        assert isinstance(tree, Tree)
        at = position(tree)
        match tree.data:
            case "last":
                return ast.Window(at=at, kind="last", seconds=self.duration(cast(Token, tree.children[1])))
            case "since":
                told = cast("Tree[Token]", tree.children[1])
                event = self.event(told)
                if event == "entry":
                    return ast.Window(at=at, kind="since_entry")
                if event == "session" and self.text[position(told)] not in _QUOTES:
                    return ast.Window(at=at, kind="since_session")
                return ast.Window(at=at, kind="since_event", event=event)
            case "after":
                return ast.Window(at=at, kind="after_entry")
        return ast.Window(at=at, kind="today" if tree.data == "today" else "ever")

    # --- patterns -------------------------------------------------------------------------------------------------

    def pattern(self, tree: Tree[Token]) -> ast.Pattern:
        text, parts = " ".join(self.text.split()), tree.children
        match tree.data:
            case "then":
                events = self._events(tree, parts[:-1])
                return ast.ThenPattern(steps=events, within=self.duration(cast(Token, parts[-1])), text=text)
            case "all":
                events = self._gathered(tree, parts[1:-1])
                return ast.AllPattern(patterns=events, within=self.duration(cast(Token, parts[-1])), text=text)
            case "then_in_session":
                return ast.SessionPattern(steps=self._events(tree, parts), ordered=True, text=text)
            case "all_in_session":
                return ast.SessionPattern(steps=self._gathered(tree, parts[1:]), ordered=False, text=text)
            case "then_no":
                *steps, _, absent, within = parts
                return ast.ThenPattern(
                    steps=self._events(tree, steps),
                    absent=self._event_pattern(cast(Part, absent)),
                    within=self.duration(cast(Token, within)),
                    text=text,
                )
            case "silence":
                return self._silence(tree, text)
            case "membership":
                how, name = cast("list[Token]", parts)
                return ast.SegmentPattern(
                    at=position(name), segment=unquoted(name), entered=str(how) == "entered", text=text
                )
        if text == "called":
            return ast.CalledPattern()
        return self._event_pattern(tree)

    def _events(self, tree: Tree[Token], parts: Sequence[Part]) -> tuple[ast.EventPattern, ...]:
        if len(parts) > PATTERNS_MAX:
            raise self.error(f"more than {PATTERNS_MAX} events in one pattern", tree)
        return tuple(self._event_pattern(part) for part in parts)

    def _gathered(self, tree: Tree[Token], parts: Sequence[Part]) -> tuple[ast.EventPattern, ...]:
        events = self._events(tree, parts)
        if len(events) == 1:
            raise self.error("all(…) takes two events or more: one alone is that event", tree)
        return events

    def _silence(self, tree: Tree[Token], text: str) -> ast.SilencePattern:
        _, event, where, span = cast("list[Part]", tree.children)
        name = self.event(event)
        if name == "called":
            raise self.error(_CALLED, cast("Tree[Token]", event))
        if name == "activity" and where is not None:
            raise self.error(
                "`no activity` takes no `where`: it is about whatever the user does", cast("Tree[Token]", where)
            )
        seconds = self.duration(span)
        if seconds <= 0:
            raise self.error("a silence is longer than nothing", cast(Token, span))
        condition = None if where is None else self.expression(where)
        return ast.SilencePattern(event=name, where=condition, seconds=seconds, text=text)

    def _event_pattern(self, tree: Part) -> ast.EventPattern:
        assert isinstance(tree, Tree)
        event, where = tree.children
        end = tree.meta.end_pos
        name = self.event(event)
        if name == "called":
            raise self.error(_CALLED, tree)
        if name == "activity":
            raise self.error("`activity` is whatever the user does: it stands in `no activity for 30d` alone", tree)
        return ast.EventPattern(
            at=position(tree),
            event=name,
            where=None if where is None else self.expression(where),
            text=" ".join(self.text[position(tree) : end].split()),
        )
