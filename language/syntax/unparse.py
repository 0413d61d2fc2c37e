"""The syntax tree as text again: what the author could have written."""

from __future__ import annotations

import json
import re
from typing import Final

from language.syntax import ast
from language.syntax.durations import written

_TIGHTNESS: Final = {"or": 1, "and": 2, "+": 5, "-": 5, "*": 6, "/": 6, "%": 6}
_COMPARISON: Final = 4
_NOT: Final = 3
_TIGHTEST: Final = 9

_PLAIN: Final = re.compile(r"[^\W\d]\w*")

_DURATIONS: Final = frozenset({("idle",), ("session", "duration")})
_INSTANTS: Final = frozenset({("now",), ("user", "first_seen"), ("user", "last_seen"), ("run", "entered_at")})


def is_duration(node: ast.Expression) -> bool:
    """Whether its numbers are seconds that are better read as a duration."""
    if isinstance(node, ast.Name):
        return node.parts in _DURATIONS
    return isinstance(node, ast.Binary) and node.operator == "-" and is_instant(node.left)


def is_instant(node: ast.Expression) -> bool:
    """Whether its numbers are seconds since the epoch."""
    return isinstance(node, ast.Name) and node.parts in _INSTANTS


def expression_text(node: ast.Expression, *, duration: bool = False) -> str:
    """`duration`: it is compared with a duration, so a number is one too."""
    return _text(node, 0, duration)


def _text(node: ast.Expression, around: int, duration: bool = False) -> str:
    match node:
        case ast.Constant(value=value):
            if duration and isinstance(value, int | float) and not isinstance(value, bool):
                return written(round(value * 1000))
            return _constant(value)
        case ast.ListOf(items=items):
            return f"[{', '.join(_text(item, 0) for item in items)}]"
        case ast.Name(parts=parts):
            return ".".join(parts)
        case ast.Unary(operator="not", operand=operand):
            return _bracketed(f"not {_text(operand, _NOT)}", _NOT, around)
        case ast.Unary(operand=operand):
            return f"-{_text(operand, _TIGHTEST)}"
        case ast.Binary(operator=operator, left=left, right=right):
            own = _TIGHTNESS.get(operator, _COMPARISON)
            seconds = own == _COMPARISON and (is_duration(left) or is_duration(right))
            first = own + 1 if own == _COMPARISON else own  # comparisons do not follow each other
            second = own if operator in ("and", "or") else own + 1
            shown = f"{_text(left, first, seconds)} {operator} {_text(right, second, seconds)}"
            return _bracketed(shown, own, around)
        case ast.Call(function=function, arguments=arguments):
            return f"{function}({', '.join(_text(argument, 0) for argument in arguments)})"
        case ast.Lookup(subject=subject, steps=steps, otherwise=otherwise):
            cases = "".join(f", {_text(a, 0)}: {_text(b, 0)}" for a, b in steps)
            return f"lookup({_text(subject, 0)}{cases}, else {_text(otherwise, 0)})"
        case ast.Did(event=event, where=where, window=window, negated=negated):
            shown = f"{'no' if negated else 'did'} {event_text(event)}{where_text(where)}{_spaced(window)}"
            return _bracketed(shown, _NOT, around)
        case ast.Aggregate(function=function, event=event, property=of, where=where, window=window):
            subject_text = event_text(event) + (f".{of}" if of else "") + where_text(where)
            return f"{function}({subject_text}{_comma(window)})"
        case ast.Pick(which=which, event=event, property=of, where=where):
            return f"{which}({event_text(event)}{where_text(where)}).{of}"
        case ast.Top(event=event, property=of, window=window, half_life=half_life):
            decay = f" half_life {_seconds(half_life)}" if half_life is not None else ""
            return f"top({event_text(event)}.{of}{_comma(window)}{',' + decay if decay else ''})"
        case ast.Score(weights=weights, half_life=half_life):
            pairs = ", ".join(f"{event_text(event)}: {_constant(weight)}" for event, weight in weights)
            return f"score({pairs}, half_life {_seconds(half_life)})"


def _bracketed(shown: str, own: int, around: int) -> str:
    return f"({shown})" if own < around else shown


def _constant(value: bool | float | str | None) -> str:
    if isinstance(value, float):
        return f"{int(value)}" if value.is_integer() and abs(value) < 1e15 else repr(value)
    return json.dumps(value, ensure_ascii=False)


def since_text(event: str) -> str:
    """Behind `since`: an event that has the name of something else there stands in quotes."""
    return json.dumps(event) if event == "session" else event_text(event)


def event_text(event: str) -> str:
    return event if _PLAIN.fullmatch(event) else json.dumps(event, ensure_ascii=False)


def where_text(where: ast.Expression | None) -> str:
    return "" if where is None else f" where {_text(where, 0)}"


def window_text(window: ast.Window) -> str:
    match window.kind:
        case "last":
            return f"last {_seconds(window.seconds)}"
        case "since_entry":
            return "since entry"
        case "since_session":
            return "since session"
        case "after_entry":
            return "after entry"
        case "since_event":
            return f"since {since_text(window.event)}"
        case _:
            return window.kind


def _comma(window: ast.Window | None) -> str:
    return "" if window is None else f", {window_text(window)}"


def _spaced(window: ast.Window | None) -> str:
    return "" if window is None else f" {window_text(window)}"


def _seconds(seconds: float) -> str:
    return written(round(seconds * 1000))


def pattern_text(pattern: ast.Pattern) -> str:
    """As it was written, if that is known."""
    if pattern.text:
        return pattern.text
    match pattern:
        case ast.EventPattern(event=event, where=where):
            return event_text(event) + where_text(where)
        case ast.ThenPattern(steps=steps, within=within, absent=absent):
            chain = " then ".join(map(pattern_text, steps)) + (f" then no {pattern_text(absent)}" if absent else "")
            return f"{chain} within {_seconds(within)}"
        case ast.AllPattern(patterns=patterns, within=within):
            return f"all({', '.join(map(pattern_text, patterns))}) within {_seconds(within)}"
        case ast.SessionPattern(steps=steps, ordered=ordered):
            parts = list(map(pattern_text, steps))
            listed = f"all({', '.join(parts)})"
            return f"{' then '.join(parts) if ordered else listed} in session"
        case ast.SilencePattern(event=event, seconds=seconds, where=where):
            return f"no {event_text(event)}{where_text(where)} for {_seconds(seconds)}"
        case ast.SegmentPattern(segment=segment, entered=entered):
            return f"{'entered' if entered else 'left'} segment({json.dumps(segment)})"
        case ast.CalledPattern():
            return "called"
