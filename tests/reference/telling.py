"""A random site and its history as an author would write them, to read a failure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from actors.model.event import Event
from language.syntax import ast


def expression_text(node: ast.Expression) -> str:
    match node:
        case ast.Constant(value=value):
            return msgspec.json.encode(value).decode()
        case ast.ListOf(items=items):
            return f"[{', '.join(map(expression_text, items))}]"
        case ast.Name(parts=parts):
            return ".".join(parts)
        case ast.Unary(operator=operator, operand=operand):
            return f"{operator} ({expression_text(operand)})"
        case ast.Binary(operator=operator, left=left, right=right):
            return f"({expression_text(left)} {operator} {expression_text(right)})"
        case ast.Call(function=function, arguments=arguments):
            return f"{function}({', '.join(map(expression_text, arguments))})"
        case ast.Lookup(subject=subject, steps=steps, otherwise=otherwise):
            cases = "".join(f"{expression_text(at)}: {expression_text(value)}, " for at, value in steps)
            return f"lookup({expression_text(subject)}, {cases}else {expression_text(otherwise)})"
        case ast.Did(event=event, where=where, window=window, negated=negated):
            return f"{'no' if negated else 'did'} {event}{_where(where)}{_window(window, ' ')}"
        case ast.Aggregate(function=function, event=event, property=property_, where=where, window=window):
            of = f".{property_}" if property_ else ""
            return f"{function}({event}{of}{_where(where)}{_window(window, ', ')})"
        case ast.Pick(which=which, event=event, property=property_, where=where):
            return f"{which}({event}{_where(where)}).{property_}"
        case ast.Top(event=event, property=property_, window=window, half_life=half_life):
            return f"top({event}.{property_}{_window(window, ', ')}{f', half_life {half_life}s' if half_life else ''})"
        case ast.Score(weights=weights, half_life=half_life):
            return f"score({', '.join(f'{event}: {weight:g}' for event, weight in weights)}, half_life {half_life:g}s)"


def _where(where: ast.Expression | None) -> str:
    return "" if where is None else f" where {expression_text(where)}"


def _window(window: ast.Window | None, before: str) -> str:
    if window is None:
        return ""
    words = {
        "last": f"last {window.seconds:g}s",
        "since_entry": "since entry",
        "since_session": "since session",
        "after_entry": "after entry",
        "since_event": f"since {window.event}",
    }
    return before + words.get(window.kind, window.kind)


def pattern_text(pattern: ast.Pattern) -> str:
    match pattern:
        case ast.EventPattern(event=event, where=where):
            return f"{event}{_where(where)}"
        case ast.ThenPattern(steps=steps, absent=absent, within=within):
            chain = " then ".join(map(pattern_text, steps))
            missing = "" if absent is None else f" then no {pattern_text(absent)}"
            return f"{chain}{missing} within {within:g}s"
        case ast.AllPattern(patterns=patterns, within=within):
            return f"all({', '.join(map(pattern_text, patterns))}) within {within:g}s"
        case ast.SessionPattern(steps=steps, ordered=True):
            return f"{' then '.join(map(pattern_text, steps))} in session"
        case ast.SessionPattern(steps=steps):
            return f"all({', '.join(map(pattern_text, steps))}) in session"
        case ast.SilencePattern(event=event, seconds=seconds, where=where):
            return f"no {event}{_where(where)} for {seconds:g}s"
        case ast.SegmentPattern(segment=segment, entered=entered):
            return f'{"entered" if entered else "left"} segment("{segment}")'
        case ast.CalledPattern():
            return "called"


def site_text(site: ast.Site) -> str:
    lines = [line for campaign in site.campaigns for line in _campaign(campaign)]
    lines += [f"segment {name}: {expression_text(node)}" for name, node in site.profile.segments]
    lines.append(f"policy: {_fields(site.policy, ast.Policy())}")
    return "\n".join(lines)


def _fields(struct: msgspec.Struct, default: msgspec.Struct | None = None) -> str:
    shown = [
        f"{name}: {_fields(value) if isinstance(value, msgspec.Struct) else _list(value)}"
        for name in struct.__struct_fields__
        if (value := getattr(struct, name)) is not None and (default is None or value != getattr(default, name))
    ]
    return "{" + ", ".join(shown) + "}"


def _list(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_fields(one) if isinstance(one, msgspec.Struct) else str(one) for one in value)}]"
    return str(value)


def _campaign(campaign: ast.Campaign) -> Iterator[str]:
    entry = campaign.entry
    yield f"campaign: {campaign.id}   # {campaign.status} {campaign.purpose} {campaign.topic} priority {campaign.priority}"
    yield f"  entry: [{'; '.join(map(pattern_text, entry.patterns))}]"
    after = f" {entry.re_entry_after:g}s" if entry.re_entry == "after" else ""
    yield f"    key: {entry.key}, re_entry: {entry.re_entry}{after}, concurrency: {entry.concurrency}"
    for word, node in (("if", entry.condition), ("audience", entry.audience)):
        if node is not None:
            yield f"    {word}: {expression_text(node)}"
    if campaign.exits:
        yield f"  exit_when: [{'; '.join(map(pattern_text, campaign.exits))}]"
    if campaign.goal:
        goal = campaign.goal
        yield f"  goal: {pattern_text(goal.patterns[0])}, within: {goal.within}, value: {goal.value}, continue: {goal.go_on}"
    if campaign.cap:
        yield f"  cap: {_fields(campaign.cap)}"
    if campaign.holdout:
        yield f"  holdout: {campaign.holdout:g}%"
    for way in campaign.experiment.ways if campaign.experiment else ():
        yield f"  variant {way.name} ({way.weight:g}):"
        yield from _steps(way.steps, 4)
    if campaign.experiment is None:
        yield "  steps:"
        yield from _steps(campaign.steps, 4)


def _steps(steps: Iterable[ast.AnyStep], indent: int) -> Iterator[str]:
    for step in steps:
        start = " " * indent + "- "
        match step:
            case ast.WaitFor(duration=duration):
                yield f"{start}wait: {{for: {expression_text(duration)}}}"
            case ast.WaitIdle(duration=duration, of=of):
                yield f"{start}wait: {{idle: {expression_text(duration)}, of: {list(of)}}}"
            case ast.WaitUntil(patterns=patterns, up_to=up_to, name=name):
                yield f"{start}wait: {{until: [{'; '.join(map(pattern_text, patterns))}]{_up_to(up_to)}, as: {name}}}"
            case ast.WaitWhen(condition=condition, up_to=up_to, name=name):
                yield f"{start}wait: {{when: {expression_text(condition)}{_up_to(up_to)}, as: {name}}}"
            case ast.WaitAt(minute=minute, days=days, time_zone=zone):
                yield f"{start}wait: {{at: {minute // 60:02}:{minute % 60:02}, days: {list(days)}, tz: {zone}}}"
            case ast.SendStep(
                channel=channel, template=template, topic=topic, purpose=purpose, expires=expires, cap=cap
            ):
                until = "" if expires is None else f", expires: {expression_text(expires)}"
                until += "" if cap is None else f", cap: {_fields(cap)}"
                yield f"{start}send: {{{channel}: {template}, topic: {topic}, purpose: {purpose}{until}}}"
            case ast.SetTraits(traits=traits):
                yield f"{start}set: {{{', '.join(f'{name}: {expression_text(node)}' for name, node in traits)}}}"
            case ast.Emit(event=event, properties=properties):
                told = ", ".join(f"{name}: {expression_text(node)}" for name, node in properties)
                yield f"{start}emit: {{{event}: {{{told}}}}}"
            case ast.Exit(reason=reason):
                yield f"{start}exit: {reason}"
            case ast.Branch(cases=cases, otherwise=otherwise):
                for condition, body in cases:
                    yield f"{start}branch when: {expression_text(condition)}"
                    yield from _steps(body, indent + 4)
                yield f"{start}branch else"
                yield from _steps(otherwise, indent + 4)
            case ast.Split(id=id_, ways=ways):
                for way in ways:
                    yield f"{start}split {id_}: {way.name} ({way.weight:g})"
                    yield from _steps(way.steps, indent + 4)


def _up_to(node: ast.Expression | None) -> str:
    return "" if node is None else f", up_to: {expression_text(node)}"


def history_text(start: int, inputs: list[tuple[Event, int]]) -> str:
    lines = [f"start: {datetime.fromtimestamp(start / 1000, UTC):%a %Y-%m-%dT%H:%M:%SZ}"]
    for event, at in inputs:
        late = f" late_by {at - event.occurred} ms" if event.occurred else ""
        late += " historical" if event.historical else ""
        what = event.name or event.kind
        context = f" {event.context.decode()}" if event.context else ""
        source = "" if event.source == "server" else f" ({event.source})"
        lines.append(
            f"  +{at - start:>9} ms  {event.user} {what} {event.body.decode()}{late}{context}{source} #{event.message_id}"
        )
    return "\n".join(lines)
