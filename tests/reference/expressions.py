"""What is true now: an expression's value, read off its syntax tree and the whole history each time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from language.syntax import ast
from tests.reference.history import Happening, History
from tests.reference.remembered import collection, left_of, tally
from tests.reference.values import Value, compared, number, operate

if TYPE_CHECKING:
    from tests.reference.runs import Run


@dataclass(frozen=True)
class Moment:
    """From where one looks: whose history, when, in which run, at which event."""

    site: ast.Site
    history: History
    now: int
    run: Run | None = None
    properties: dict[str, Any] | None = None
    """Of the event at hand."""
    in_run: bool = False
    """Windows that are not written mean `since entry`."""
    in_where: bool = False
    """Bare names are the event's."""

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.history.time_zone(self.site.policy.time_zone))

    def local(self, at: int) -> datetime:
        return datetime.fromtimestamp(at / 1000, self.zone)


def is_true(node: ast.Expression | None, moment: Moment) -> bool:
    return node is None or bool(evaluate(node, moment))


def evaluate(node: ast.Expression, moment: Moment) -> Value:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.ListOf(items=items):
            return [evaluate(item, moment) for item in items]
        case ast.Name(parts=parts):
            return _name(parts, moment)
        case ast.Unary(operator="not", operand=operand):
            return not evaluate(operand, moment)
        case ast.Unary(operand=operand):
            found = number(evaluate(operand, moment))
            return None if found is None else -found
        case ast.Binary():
            return _binary(node, moment)
        case ast.Call():
            return _call(node, moment)
        case ast.Lookup(subject=subject, steps=steps, otherwise=otherwise):
            value = evaluate(subject, moment)
            for threshold, result in steps:
                if compared("<", value, evaluate(threshold, moment)):
                    return evaluate(result, moment)
            return evaluate(otherwise, moment)
        case ast.Did(event=event, where=where, window=window, negated=negated):
            return bool(_events(event, where, _asked(window, moment), moment)) is not negated
        case ast.Aggregate():
            return _aggregate(node, moment)
        case ast.Pick(which=which, event=event, property=property_, where=where):
            events = _events(event, where, ast.Window(kind="ever"), moment)
            return events[-1 if which == "last" else 0].properties.get(property_) if events else None
        case ast.Top(event=event, property=property_, window=window, half_life=half_life):
            events = _events(event, None, window or ast.Window(kind="ever"), moment)
            ranking = tally(events, property_, moment.now, half_life)
            return ranking[0] if ranking else None
        case ast.Score(weights=weights, half_life=half_life):
            return sum(
                left_of(weight, moment.now - one.occurred, half_life)
                for event, weight in weights
                for one in moment.history.events(event)
            )


def _binary(node: ast.Binary, moment: Moment) -> Value:
    for part, other in ((node.left, node.right), (node.right, node.left)):
        if part == ast.Constant(value=None) and node.operator in ("=", "!="):
            return (evaluate(other, moment) is None) is (node.operator == "=")
    if node.operator in ("and", "or"):
        left, right = bool(evaluate(node.left, moment)), bool(evaluate(node.right, moment))
        return (left and right) if node.operator == "and" else (left or right)
    return operate(node.operator, evaluate(node.left, moment), evaluate(node.right, moment))


def _call(node: ast.Call, moment: Moment) -> Value:
    if node.function == "segment":
        (name,) = node.arguments
        assert isinstance(name, ast.Constant)
        return is_member(str(name.value), moment)
    values = [evaluate(argument, moment) for argument in node.arguments]
    numbers = [found for value in values if (found := number(value)) is not None]
    match node.function:
        case "hour" | "weekday":
            local = moment.local(round(numbers[0] * 1000)) if numbers else None
            return None if local is None else local.hour if node.function == "hour" else local.isoweekday()
        case "len":
            return len(values[0]) if isinstance(values[0], str | list | dict) else None
        case "lower":
            return values[0].lower() if isinstance(values[0], str) else None
        case "upper":
            return values[0].upper() if isinstance(values[0], str) else None
        case "round":
            return round(numbers[0]) if numbers else None
        case "min":
            return min(numbers, default=None)
        case "max":
            return max(numbers, default=None)
        case "coalesce":
            return next((value for value in values if value is not None), None)
    raise AssertionError(node.function)


def is_member(segment: str, moment: Moment) -> bool:
    """Whether the user is in a segment now; windows in it that are not written mean `ever`."""
    outside = replace(moment, run=None, in_run=False, in_where=False)
    return bool(evaluate(dict(moment.site.profile.segments)[segment], outside))


# --- the history ------------------------------------------------------------------------------------------------------


def _events(event: str, where: ast.Expression | None, window: ast.Window | None, moment: Moment) -> list[Happening]:
    """The events in a window that fit a condition, in the order in which they happened."""
    happened = moment.history.did_anything() if event == "activity" else moment.history.events(event)
    return [
        one
        for one in happened
        if _in_window(one, window, moment)
        and (where is None or bool(evaluate(where, replace(moment, properties=one.properties, in_where=True))))
    ]


def _asked(window: ast.Window | None, moment: Moment) -> ast.Window | None:
    """Of `did` and `no`: the entry event never answers whether something was done since."""
    since_entry = moment.in_run if window is None else window.kind == "since_entry"
    return ast.Window(kind="after_entry") if since_entry else window


def _in_window(one: Happening, window: ast.Window | None, moment: Moment) -> bool:
    kind = window.kind if window is not None else "since_entry" if moment.in_run else "ever"
    match kind:
        case "last":
            assert window is not None
            return moment.now - round(window.seconds * 1000) < one.occurred <= moment.now
        case "since_entry":
            return moment.run is not None and one.place >= moment.run.entry_place
        case "after_entry":
            return moment.run is not None and one.place > moment.run.entry_place
        case "since_session":
            session = moment.history.session(moment.now)
            return bool(session) and one.occurred >= session[0].occurred
        case "since_event":
            assert window is not None
            marks = moment.history.events(window.event)
            return not marks or one.place > marks[-1].place
        case "today":
            return moment.local(one.occurred).date() == moment.local(moment.now).date()
        case _:
            return True


def _aggregate(node: ast.Aggregate, moment: Moment) -> Value:
    events = _events(node.event, node.where, node.window, moment)
    if node.function == "count":
        return len(events)
    values = [one.properties.get(node.property or "") for one in events]
    if node.function == "distinct":
        return len({repr(value) for value in values if value is not None})
    numbers = [found for value in values if (found := number(value)) is not None]
    if node.function == "sum":
        return sum(numbers)
    if not numbers:
        return None
    return {"avg": sum(numbers) / len(numbers), "min": min(numbers), "max": max(numbers)}[node.function]


# --- names ------------------------------------------------------------------------------------------------------------


def _name(parts: tuple[str, ...], moment: Moment) -> Value:
    first, rest = parts[0], parts[1:]
    properties = moment.properties or {}
    last_seen = moment.history.last_seen() or 0
    if parts == ("now",):
        return moment.now / 1000
    if parts == ("idle",):
        return (moment.now - last_seen) / 1000
    if parts == ("signed_in",):
        return moment.history.signed_in()
    if first == "event" and rest:
        return _field(properties, rest)
    if first == "entry" and rest:
        return _field(properties if moment.run is None else moment.run.entry, rest)
    if first == "user" and rest:
        return _user(rest, moment)
    if first == "run" and rest:
        return _run(rest[0], moment)
    if first == "session" and rest:
        session = moment.history.session(moment.now)
        if rest == ("events",):
            return len(session)
        return (moment.now - session[0].occurred) / 1000 if session else 0
    if moment.in_where and first in properties:
        return _field(properties, parts)
    collections = dict(moment.site.profile.remember)
    if first in collections:
        return collection(collections[first], moment.history, moment.now).get(rest[0] if rest else "")
    if moment.in_where:
        return None
    return moment.run.named.get(first) if moment.run else None


def _field(value: Value, parts: tuple[str, ...]) -> Value:
    for part in parts:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _user(parts: tuple[str, ...], moment: Moment) -> Value:
    history = moment.history
    if parts[0] == "context":
        return history.context(parts[1:])
    if parts == ("id",):
        return None if history.user.startswith("~") else history.user
    if parts in (("first_seen",), ("last_seen",)):
        seen = history.first_seen() if parts == ("first_seen",) else history.last_seen()
        return None if seen is None else seen / 1000
    return _field(history.traits(), parts)


def _run(part: str, moment: Moment) -> Value:
    run = moment.run
    if run is None:
        return 0 if part == "sent" else None
    match part:
        case "entered_at":
            return run.entered / 1000
        case "sent":
            return run.sent
        case "variant":
            return run.variant
        case _:
            return run.named.get(part)
