"""Ways over the syntax tree that several readers of it need: all steps, all patterns, the events they name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from language.syntax import ast


def all_steps(steps: Iterable[ast.AnyStep]) -> Iterator[ast.AnyStep]:
    """The steps and those within their branches, in the order of the file."""
    for step in steps:
        yield step
        for body in bodies(step):
            yield from all_steps(body)


def bodies(step: ast.AnyStep) -> tuple[tuple[ast.AnyStep, ...], ...]:
    """The steps within a step, one group for each way through it."""
    match step:
        case ast.Branch(cases=cases, otherwise=otherwise):
            return (*(body for _, body in cases), otherwise)
        case ast.Split(ways=ways):
            return tuple(way.steps for way in ways)
    return ()


def steps_of(campaign: ast.Campaign) -> Iterator[ast.AnyStep]:
    """Of all variants."""
    if campaign.experiment is None:
        yield from all_steps(campaign.steps)
    else:
        for way in campaign.experiment.ways:
            yield from all_steps(way.steps)


def patterns_of(campaign: ast.Campaign) -> Iterator[ast.Pattern]:
    yield from campaign.entry.patterns
    yield from campaign.exits
    yield from campaign.goal.patterns if campaign.goal else ()
    for step in steps_of(campaign):
        if isinstance(step, ast.WaitUntil):
            yield from step.patterns


def conditions_of(campaign: ast.Campaign) -> Iterator[ast.Expression]:
    """What decides something: `if`, `audience`, cases of branches, waits."""
    entry = campaign.entry
    yield from (one for one in (entry.condition, entry.audience) if one is not None)
    for step in steps_of(campaign):
        if isinstance(step, ast.WaitWhen):
            yield step.condition
        elif isinstance(step, ast.Branch):
            yield from (condition for condition, _ in step.cases)


def simple_patterns(pattern: ast.Pattern) -> tuple[ast.EventPattern, ...]:
    """The events that a pattern waits for, what must not come included."""
    match pattern:
        case ast.EventPattern():
            return (pattern,)
        case ast.ThenPattern(steps=steps, absent=absent):
            return (*steps, *((absent,) if absent is not None else ()))
        case ast.AllPattern(patterns=patterns) | ast.SessionPattern(steps=patterns):
            return patterns
    return ()


def events_in(node: Any) -> Iterator[tuple[str, int]]:
    """Every event that a pattern or expression names, and where in its text."""
    if isinstance(node, tuple):
        for part in node:
            yield from events_in(part)
    elif isinstance(node, ast.Node):
        event = getattr(node, "event", "")
        if event:
            yield event, node.at
        if isinstance(node, ast.Score):
            yield from ((name, node.at) for name, _ in node.weights)
        for field in node.__struct_fields__:
            yield from events_in(getattr(node, field))
