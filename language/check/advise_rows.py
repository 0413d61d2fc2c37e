"""Advice on sums and counts that fall short of the truth for who does much: of an event so many rows are kept of a user."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from actors.model.memory import LOG_KEEP
from language.compiler.about_event import is_about_the_event
from language.compiler.windows import window_of
from language.site.context import Places
from language.syntax import ast
from language.syntax.operators import COMPARISONS
from language.syntax.problems import Problem
from language.syntax.unparse import window_text
from language.syntax.walk import conditions_of, steps_of

FREQUENT: Final = frozenset({"page_viewed", "product_viewed", "product_list_viewed", "products_searched"})
"""Events of which a user may well bring more than are kept, within a long window."""

LONG_SECONDS: Final = 86_400.0
"""From here on a window of `last` is long."""


def advise_rows(site: ast.Site, places: Places) -> Iterator[Problem]:
    """Each question once, where it first stands."""
    asked: set[str] = set()
    collections = frozenset(name for name, _ in site.profile.remember)
    for campaign in site.campaigns:
        if campaign.status == "archived":
            continue
        entry = [one for one in (campaign.entry.condition, campaign.entry.audience) if one is not None]
        later = [node for node in conditions_of(campaign) if not any(node is one for one in entry)]
        data = [value for step in steps_of(campaign) if isinstance(step, ast.SendStep) for _, value in step.data]
        for node in entry:
            yield from _of(node, places, asked, collections, in_run=False)
        for node in (*later, *data):
            yield from _of(node, places, asked, collections, in_run=True)
    for _, segment in site.profile.segments:
        yield from _of(segment, places, asked, collections, in_run=False)


def _of(
    node: ast.Expression, places: Places, asked: set[str], collections: frozenset[str], *, in_run: bool
) -> Iterator[Problem]:
    for part in _open_questions(node):
        window = window_of(part, in_run=in_run)
        beyond = part.where is not None and not is_about_the_event(part.where, collections)
        if part.event not in FREQUENT or _is_exact(part, window, beyond=beyond):
            continue
        text = f"{part.function}({part.event}, {window_text(window)})"
        if text in asked:
            continue
        asked.add(text)
        problem = places.problem(
            node,
            f"`{part.function}` over `{window_text(window)}` looks at the newest {LOG_KEEP} {part.event} of a user and falls short for who "
            f"brings more: take a shorter window{'' if beyond else _exact_way(part)}",
            part.at,
        )
        if problem is not None:
            yield problem


def _is_exact(part: ast.Aggregate, window: ast.Window, *, beyond: bool) -> bool:
    """`beyond`: its `where` looks at more than the event, so that no totals can be kept."""
    if window.kind == "ever":
        return part.function != "distinct" and not beyond
    return window.kind in ("today", "since_session") or (window.kind == "last" and window.seconds < LONG_SECONDS)


def _exact_way(part: ast.Aggregate) -> str:
    if part.function == "count":
        return ", compare it with a number (`count(…) > 300`), or take `ever`, which is exact"
    return "" if part.function == "distinct" else ", or `ever`, which is exact"


def _open_questions(node: Any) -> Iterator[ast.Aggregate]:
    """Aggregates but for counts that are compared with a number: for `count` as many rows are kept as it asks for, and few are as
    many different ones."""
    if isinstance(node, tuple):
        for part in node:
            yield from _open_questions(part)
    elif isinstance(node, ast.Node):
        if isinstance(node, ast.Aggregate):
            yield node
        sides = (node.left, node.right) if isinstance(node, ast.Binary) and node.operator in COMPARISONS else ()
        counted = any(isinstance(side, ast.Constant) for side in sides)
        for field in node.__struct_fields__:
            part = getattr(node, field)
            if not (counted and isinstance(part, ast.Aggregate) and part.function in ("count", "distinct")):
                yield from _open_questions(part)
