"""Which step of the syntax tree each instruction of a campaign's code was made of: the order of `compile_code.py`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from language.syntax import ast
from language.syntax.durations import written
from language.syntax.unparse import expression_text, pattern_text
from replay.explain.words import joined

Source = ast.AnyStep | ast.Expression | None
"""The step; of a case of a branch its condition; None: a jump, or the end."""

_DAYS = ("", "mon", "tue", "wed", "thu", "fri", "sat", "sun")


def steps_of(campaign: ast.Campaign, variant: str) -> tuple[ast.AnyStep, ...]:
    """The steps of a variant of the experiment, else the campaign's."""
    ways = campaign.experiment.ways if campaign.experiment is not None else ()
    return next((way.steps for way in ways if way.name == variant), campaign.steps)


def layout(steps: Iterable[ast.AnyStep]) -> list[Source]:
    """One for each instruction."""
    return [*_sources(steps), None]


def _sources(steps: Iterable[ast.AnyStep]) -> Iterator[Source]:
    for step in steps:
        match step:
            case ast.Branch(cases=cases, otherwise=otherwise):
                for condition, body in cases:
                    yield condition
                    yield from _sources(body)
                    yield None
                yield from _sources(otherwise)
            case ast.Split(ways=ways):
                yield step
                for way in ways:
                    yield from _sources(way.steps)
                    yield None
            case _:
                yield step


def step_text(step: ast.AnyStep) -> str:
    """As the author could have written it, on one line."""
    match step:
        case ast.WaitFor(duration=duration):
            return f"wait for {_duration(duration)}"
        case ast.WaitIdle(duration=duration, of=of):
            return f"wait idle {_duration(duration)}" + (f" of {joined(list(of))}" if of else "")
        case ast.WaitUntil(patterns=patterns, up_to=up_to):
            return f"wait until {joined([pattern_text(one) for one in patterns], 'or')}{_up_to(up_to)}"
        case ast.WaitWhen(condition=condition, up_to=up_to):
            return f"wait when {expression_text(condition)}{_up_to(up_to)}"
        case ast.WaitAt(minute=minute, days=days):
            shown = joined([_DAYS[day] for day in days], "or")
            return f"wait at {minute // 60:02}:{minute % 60:02}" + (f" on {shown}" if shown else "")
        case ast.SendStep(template=template):
            return f"send {template}"
        case ast.Branch():
            return "branch"
        case ast.Split(id=name):
            return f"split {name}"
        case ast.SetTraits(traits=traits):
            return f"set {joined([name for name, _ in traits])}"
        case ast.Emit(event=event):
            return f"emit {event}"
        case ast.Exit(reason=reason):
            return f"exit {reason}"


def _up_to(duration: ast.Expression | None) -> str:
    return "" if duration is None else f", up to {_duration(duration)}"


def _duration(node: ast.Expression) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return written(round(node.value * 1000))
    return expression_text(node)
