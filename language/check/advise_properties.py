"""Advice on properties that a campaign names and no event is known to have: the key of its runs, the value of its goal."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from language.site.context import Places
from language.site.scenarios import Scenario
from language.syntax import ast
from language.syntax.events import FEEDBACK, FEEDBACK_PROPERTIES
from language.syntax.problems import Problem, did_you_mean, nearest, one_of
from language.syntax.walk import simple_patterns, steps_of

COMMON: Final = frozenset(
    {"order_id", "cart_id", "checkout_id", "product_id", "sku", "name", "category", "brand", "variant", "price"}
    | {"quantity", "currency", "coupon", "discount", "total", "subtotal", "revenue", "value", "shipping", "tax"}
)
"""Properties that shops send with their events."""

MISSPELT: Final = 0.8
"""How alike (difflib's ratio) a property must be to a common one to be taken for its misspelling."""

SHOWN_MAX: Final = 8


def advise_properties(site: ast.Site, places: Places) -> Iterator[Problem]:
    """What is seen of the names alone."""
    for campaign in site.campaigns:
        for node, what, name, events in _named(campaign):
            message = _of_name(what, name, events)
            problem = places.problem(node, message) if message else None
            if problem is not None:
                yield problem


def advise_given(site: ast.Site, places: Places, scenarios: Sequence[Scenario]) -> Iterator[Problem]:
    """What no scenario tells of the event, though some tell of the event itself."""
    told = _told(scenarios)
    for campaign in site.campaigns:
        emitted = {name for step in steps_of(campaign) if isinstance(step, ast.Emit) for name, _ in step.properties}
        for node, what, name, events in _named(campaign):
            known = {one for event in events for one in told.get(event, ())}
            if _of_name(what, name, events) or not known or name in known | emitted:
                continue
            hint = did_you_mean(nearest(name, known)) or f"; it has {one_of(sorted(known)[:SHOWN_MAX])}"
            problem = places.problem(node, f"no scenario tells `{name}` of {one_of(sorted(events))}{hint}")
            if problem is not None:
                yield problem


def _named(campaign: ast.Campaign) -> Iterator[tuple[object, str, str, frozenset[str]]]:
    """(node to put the advice at, what it is, the property's name, events that should have it)"""
    if campaign.status == "archived":
        return
    if campaign.entry.key is not None:
        yield campaign.entry, "key", campaign.entry.key, _last_events(campaign.entry.patterns)
    if campaign.goal is not None and campaign.goal.value is not None:
        yield campaign.goal, "value", campaign.goal.value, _last_events(campaign.goal.patterns)


def _last_events(patterns: Sequence[ast.Pattern]) -> frozenset[str]:
    """Those that may be at hand when one of the patterns matches."""
    found = set()
    for pattern in patterns:
        events = [one.event for one in simple_patterns(pattern)]
        if isinstance(pattern, ast.ThenPattern) or (isinstance(pattern, ast.SessionPattern) and pattern.ordered):
            events = [pattern.steps[-1].event]
        found.update(events)
    return frozenset(found)


def _of_name(what: str, name: str, events: frozenset[str]) -> str:
    """Empty if there is nothing to say."""
    if "." in name:
        return (
            f"`{name}` is taken for one property with a dot in its name, and what lies within a property cannot be "
            f"the `{what}`: send it as a property of its own"
        )
    if events and events <= FEEDBACK:
        if name in FEEDBACK_PROPERTIES:
            return ""
        hint = did_you_mean(nearest(name, FEEDBACK_PROPERTIES)) or f"; there is {one_of(sorted(FEEDBACK_PROPERTIES))}"
        return f"{one_of(sorted(events))} has no property `{name}`{hint}"
    close = difflib.get_close_matches(name, COMMON, n=1, cutoff=MISSPELT)
    if name in COMMON or not close:
        return ""
    return f"no source is known to send a property `{name}`{did_you_mean(close[0])}"


def _told(scenarios: Sequence[Scenario]) -> Mapping[str, set[str]]:
    """Event -> properties that scenarios tell of it."""
    found: dict[str, set[str]] = {}
    for scenario in scenarios:
        for timed in scenario.inputs:
            if timed.event.kind == "track":
                body = msgspec.json.decode(timed.event.body, type=dict[str, object])
                found.setdefault(timed.event.name, set()).update(body)
    return found
