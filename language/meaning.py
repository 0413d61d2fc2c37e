"""What a campaign does, as lines that do not depend on how its file is laid out: for saying what a change changes."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

import msgspec

from language.syntax import ast
from language.syntax.durations import written
from language.syntax.unparse import expression_text, pattern_text

_PATTERNS = (
    ast.EventPattern,
    ast.ThenPattern,
    ast.AllPattern,
    ast.SessionPattern,
    ast.SilencePattern,
    ast.SegmentPattern,
    ast.CalledPattern,
)


def meaning(campaign: ast.Campaign) -> list[str]:
    """One line a rule or step; equal meaning, equal lines."""
    return list(_lines(campaign))


def changed_meaning(before: ast.Campaign, after: ast.Campaign) -> tuple[str, ...]:
    """The lines that went (`- `) and came (`+ `), in their order."""
    compared = difflib.ndiff(meaning(before), meaning(after), charjunk=None)
    return tuple(line for line in compared if line[:2] in ("- ", "+ "))


def status(campaign: ast.Campaign) -> str:
    """As it is written: `live`, `canary 5%`."""
    return f"canary {campaign.canary:g}%" if campaign.status == "canary" else campaign.status


def _lines(campaign: ast.Campaign) -> Iterator[str]:
    yield f"status: {status(campaign)}"
    yield f"purpose: {campaign.purpose}, topic: {campaign.topic}, priority: {campaign.priority}"
    entry = campaign.entry
    for pattern in entry.patterns:
        yield f"entry: {_text(pattern)}"
    for name, value in (("key", entry.key), ("if", entry.condition), ("audience", entry.audience)):
        if value is not None:
            yield f"entry {name}: {_text(value)}"
    after = f" {_span(entry.re_entry_after)}" if entry.re_entry == "after" else ""
    yield f"re_entry: {entry.re_entry}{after}, concurrency: {entry.concurrency}"
    for pattern in campaign.exits:
        yield f"exit when: {_text(pattern)}"
    if campaign.goal is not None:
        within = "" if campaign.goal.within is None else f" within {_span(campaign.goal.within)}"
        value = f", value: {campaign.goal.value}" if campaign.goal.value else ""
        for pattern in campaign.goal.patterns:
            yield f"goal: {_text(pattern)}{within}{value}{', continue' if campaign.goal.go_on else ''}"
    if campaign.holdout:
        yield f"holdout: {campaign.holdout:g}%"
    if campaign.cap is not None:
        yield f"cap: {_text(campaign.cap)}"
    if campaign.experiment is None:
        yield from _steps(campaign.steps, "")
        return
    for way in campaign.experiment.ways:
        yield f"experiment {campaign.experiment.id}: {way.name}, weight {way.weight:g}"
        yield from _steps(way.steps, "  ")


def _steps(steps: tuple[ast.AnyStep, ...], indent: str) -> Iterator[str]:
    for step in steps:
        if isinstance(step, ast.Branch):
            for condition, body in step.cases:
                yield f"{indent}when {_text(condition)}"
                yield from _steps(body, indent + "  ")
            if step.otherwise:
                yield f"{indent}else"
                yield from _steps(step.otherwise, indent + "  ")
        elif isinstance(step, ast.Split):
            for way in step.ways:
                yield f"{indent}split {step.id}: {way.name}, weight {way.weight:g}"
                yield from _steps(way.steps, indent + "  ")
        else:
            yield indent + _step(step)


_NAMES = {
    "WaitFor": "wait for",
    "WaitIdle": "wait idle",
    "WaitUntil": "wait until",
    "WaitWhen": "wait when",
    "WaitAt": "wait at",
    "SendStep": "send",
    "SetTraits": "set",
    "Emit": "emit",
    "Exit": "exit",
}


def _step(step: msgspec.Struct) -> str:
    """`wait idle: duration 30m`: the fields that are not as they are by default."""
    told = []
    for field in msgspec.structs.fields(step):
        value = getattr(step, field.name)
        if field.name == "line" or (not field.required and value == field.default):
            continue
        is_duration = field.name in ("duration", "up_to", "expires")
        told.append(f"{field.name} {_text(value, duration=is_duration)}")
    return f"{_NAMES.get(type(step).__name__, type(step).__name__)}: {', '.join(told)}"


def _text(value: Any, *, duration: bool = False) -> str:
    if isinstance(value, _PATTERNS):
        return pattern_text(value)
    if isinstance(value, ast.Node):
        return expression_text(value, duration=duration)  # type: ignore[arg-type]  # what is no pattern is an expression
    if isinstance(value, ast.Cap):
        return f"{value.limit} per {'day' if value.seconds is None else _span(value.seconds)}"
    if isinstance(value, tuple):
        return "[" + ", ".join(_text(part) for part in value) + "]"
    return str(value)


def _span(seconds: float) -> str:
    return written(round(seconds * 1000))
