"""Random expressions, event patterns and windows."""

from __future__ import annotations

from typing import Literal

from hypothesis import strategies as st

from language.syntax import ast

EVENTS = ("a", "b", "c")
SPANS = (60.0, 600.0, 3600.0, 86_400.0)
"""Seconds. Few, so that windows, waits and gaps meet at their edges."""

TOPICS = ("news", "cart")
Where = Literal["entry", "run", "segment"]
"""Where an expression stands: what it may look at."""

Features = frozenset[str]

spans = st.sampled_from(SPANS)
events = st.sampled_from(EVENTS)
numbers = st.sampled_from((0, 1, 2, 3))


context_paths = st.sampled_from((("locale",), ("campaign", "source"), ("campaign", "term")))


def constant(value: float | str | bool | None) -> ast.Constant:
    return ast.Constant(value=value)


def name(*parts: str) -> ast.Name:
    return ast.Name(parts=parts)


contexts = st.sampled_from((constant("x"), constant("y"), constant("de"), constant(None)))
comparisons: st.SearchStrategy[ast.BinaryOperator] = st.sampled_from(("=", "!=", "<", "<=", ">", ">="))


@st.composite
def windows(draw: st.DrawFn, where: Where, features: Features = frozenset()) -> ast.Window | None:
    kinds = ["none", "last", "last", "today", "ever", "since_event"]
    if where == "run":
        kinds += ["since_entry", "after_entry"]
    if "session" in features:
        kinds += ["since_session", "since_session"]
    kind = draw(st.sampled_from(kinds))
    match kind:
        case "none":
            return None
        case "last":
            return ast.Window(kind="last", seconds=draw(spans))
        case "since_event":
            return ast.Window(kind="since_event", event=draw(events))
    assert kind in ("today", "ever", "since_entry", "after_entry", "since_session")
    return ast.Window(kind=kind)  # type: ignore[arg-type]  # one of the four


@st.composite
def conditions_of_event(draw: st.DrawFn, where: Where, features: Features) -> ast.Expression:
    """What stands behind `where`."""
    kinds = ["number", "text", "null"]
    if "context" in features:
        kinds += ["context"] * 3
    if "where history" in features and where != "segment":
        kinds += ["user", "history"] + (["entry"] if where == "run" else [])
    match draw(st.sampled_from(kinds)):
        case "number":
            return ast.Binary(operator=draw(comparisons), left=name("n"), right=constant(draw(numbers)))
        case "text":
            return ast.Binary(operator="=", left=name("k"), right=constant("x"))
        case "null":
            return ast.Binary(operator="!=", left=name("k"), right=constant(None))
        case "context":
            return ast.Binary(operator="=", left=name("context", *draw(context_paths)), right=draw(contexts))
        case "user":
            return ast.Binary(operator=draw(comparisons), left=name("n"), right=name("user", "level"))
        case "entry":
            return ast.Binary(operator="=", left=name("event", "k"), right=name("entry", "k"))
        case _:
            return draw(aggregates(where, features - {"where history"}))


def optional_where(where: Where, features: Features) -> st.SearchStrategy[ast.Expression | None]:
    if "where" not in features:
        return st.none()
    return st.one_of(st.none(), st.none(), conditions_of_event(where, features))


@st.composite
def aggregates(draw: st.DrawFn, where: Where, features: Features) -> ast.Expression:
    """A question about the history, compared with a number."""
    event, condition, window = (
        draw(events),
        draw(optional_where(where, features)),
        draw(windows(where, features)) if "windows" in features else None,
    )
    if draw(st.booleans()):
        return ast.Did(event=event, where=condition, window=window, negated=draw(st.booleans()))
    function = draw(st.sampled_from(("count", "count", "count", "sum", "avg", "min", "max", "distinct")))
    counted: ast.Expression = ast.Aggregate(
        function=function,  # type: ignore[arg-type]  # one of the literals
        event=event,
        property=None if function == "count" else "k" if function == "distinct" else "n",
        where=condition,
        window=window,
    )
    if draw(st.integers(0, 4)) == 0:
        operator: ast.BinaryOperator = draw(st.sampled_from(("%", "-", "*")))
        counted = ast.Binary(operator=operator, left=counted, right=constant(2))
    return ast.Binary(operator=draw(comparisons), left=counted, right=constant(draw(numbers)))


@st.composite
def conditions(draw: st.DrawFn, where: Where, features: Features, depth: int = 1) -> ast.Expression:
    """A whole condition, of an entry, a step or a segment."""
    kinds = ["history", "history", "user"]
    if where == "run":
        kinds += ["entry", "run", "named"]
    if where == "entry":
        kinds += ["event"]
    if "time" in features:
        kinds += ["hour", "age", "idle", "weekday"]
    if "score" in features:
        kinds += ["score", "score"]
    if "session" in features:
        kinds += ["session", "signed_in"]
    if "context" in features:
        kinds += ["context"] * 4 + (
            ["told context"] * 4 if where == "entry" else ["came with"] * 4 if where == "run" else []
        )
    if "remembered" in features:
        kinds += ["collection", "pick", "top", "collection", "list", "lookup"]
    if "segments" in features and where != "segment":
        kinds += ["segment"]
    if depth:
        kinds += ["both"]

    def compare(left: ast.Expression, right: ast.Expression) -> ast.Expression:
        return ast.Binary(operator=draw(comparisons), left=left, right=right)

    match draw(st.sampled_from(kinds)):
        case "user":
            return compare(name("user", "level"), constant(draw(numbers)))
        case "entry":
            return compare(name("entry", "n"), constant(draw(numbers)))
        case "event":
            return compare(name("event", "n"), constant(draw(numbers)))
        case "run":
            return compare(name("run", "sent"), constant(draw(numbers)))
        case "named":
            return name("came")
        case "hour":
            return compare(
                ast.Call(function="hour", arguments=(name("now"),)), constant(draw(st.sampled_from((9, 12))))
            )
        case "weekday":
            return compare(ast.Call(function="weekday", arguments=(name("now"),)), constant(2))
        case "age":
            age = ast.Binary(
                operator="-", left=name("now"), right=name("user", draw(st.sampled_from(("first_seen", "last_seen"))))
            )
            return compare(age, constant(draw(spans)))
        case "idle":
            return compare(name("idle"), constant(draw(spans)))
        case "score":
            weights = tuple(
                (event, float(draw(st.sampled_from((1, 3))))) for event in draw(st.sets(events, min_size=1))
            )
            return ast.Binary(
                operator=draw(st.sampled_from(("<", ">"))),
                left=ast.Score(weights=tuple(sorted(weights)), half_life=draw(spans)),
                right=constant(draw(st.sampled_from((0.7, 1.3, 2.6)))),
            )
        case "session":
            return compare(name("session", draw(st.sampled_from(("events", "duration")))), constant(draw(numbers)))
        case "context":
            return ast.Binary(operator="=", left=name("user", "context", *draw(context_paths)), right=draw(contexts))
        case "told context":
            return ast.Binary(operator="=", left=name("event", "context", *draw(context_paths)), right=draw(contexts))
        case "came with":
            return ast.Binary(operator="=", left=name("entry", "context", *draw(context_paths)), right=draw(contexts))
        case "signed_in":
            return name("signed_in")
        case "collection":
            parts = draw(
                st.sampled_from(
                    (("cart", "value"), ("cart", "quantity"), ("spent",), ("lately",), ("kinds",)),
                )
            )
            if parts in (("lately",), ("kinds",)):
                return compare(ast.Call(function="len", arguments=(name(*parts),)), constant(draw(numbers)))
            return compare(name(*parts), constant(draw(numbers)))
        case "pick":
            which: Literal["last", "first"] = draw(st.sampled_from(("last", "first")))
            return compare(
                ast.Pick(which=which, event=draw(events), property="n", where=draw(optional_where(where, features))),
                constant(draw(numbers)),
            )
        case "top":
            half_life = draw(st.one_of(st.none(), spans))
            window = draw(windows(where))
            top = ast.Top(event=draw(events), property="k", window=window, half_life=half_life)
            return ast.Binary(operator="=", left=top, right=constant(draw(st.sampled_from(("x", "y")))))
        case "list":
            items = ast.ListOf(items=(constant("x"), constant(2)))
            picked = ast.Pick(which="last", event=draw(events), property=draw(st.sampled_from(("k", "n"))))
            return ast.Binary(operator="in", left=picked, right=items)
        case "lookup":
            subject = ast.Aggregate(function="sum", event=draw(events), property="n", window=draw(windows(where)))
            steps = ((constant(2), constant(1)), (constant(4), constant(2)))
            return compare(ast.Lookup(subject=subject, steps=steps, otherwise=constant(3)), constant(2))
        case "segment":
            return ast.Call(function="segment", arguments=(constant("s"),))
        case "both":
            operator: ast.BinaryOperator = draw(st.sampled_from(("and", "or")))
            left = draw(conditions(where, features, 0))
            right = draw(conditions(where, features, 0))
            if draw(st.booleans()):
                right = ast.Unary(operator="not", operand=right)
            return ast.Binary(operator=operator, left=left, right=right)
        case _:
            return draw(aggregates(where, features))
