"""Advice on letters: links that a campaign waits for and no letter has, marketing without a link to unsubscribe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from language.site.context import Places
from language.site.links import is_link, no_such_link
from language.syntax import ast
from language.syntax.problems import Problem
from language.syntax.walk import conditions_of, patterns_of, steps_of

UNSUBSCRIBE: Final = "unsubscribe_url"


def advise_letters(site: ast.Site, places: Places) -> Iterator[Problem]:
    """Nothing of a site without templates."""
    if site.templates is None:
        return
    letters = {info.name: info for info in site.templates if info.channel == "email"}
    live = [campaign for campaign in site.campaigns if campaign.status != "archived"]
    names = {
        name
        for campaign in live
        for step in _letters_of(campaign)
        for name in (letters[step.template].links if step.template in letters else ())
    }
    for campaign in live:
        for node in (*patterns_of(campaign), *conditions_of(campaign)):
            for told, at in _links(node):
                problem = None if is_link(told, names) else places.problem(node, no_such_link(told, names), at)
                if problem is not None:
                    yield problem
    yield from _without_a_way_out(live, letters, places)


def _without_a_way_out(
    campaigns: list[ast.Campaign], letters: dict[str, ast.TemplateInfo], places: Places
) -> Iterator[Problem]:
    """Once a letter."""
    told: set[str] = set()
    for campaign in campaigns:
        for step in _letters_of(campaign):
            letter = letters.get(step.template)
            marketing = (step.purpose or campaign.purpose) == "marketing"
            if letter is None or not marketing or UNSUBSCRIBE in letter.names or letter.name in told:
                continue
            told.add(letter.name)
            problem = places.problem(
                step,
                f"the letter `{letter.name}` is marketing and has no link to unsubscribe, so a bare one is put under it: "
                'write <a href="{{ unsubscribe_url }}">Unsubscribe</a> where it shall stand',
            )
            if problem is not None:
                yield problem


def _letters_of(campaign: ast.Campaign) -> Iterator[ast.SendStep]:
    return (step for step in steps_of(campaign) if isinstance(step, ast.SendStep) and step.channel == "email")


def _links(node: Any, clicked: bool = False) -> Iterator[tuple[str, int]]:
    """Names of links that are compared with `link` in a condition on `email_clicked`, and where."""
    if isinstance(node, tuple):
        for part in node:
            yield from _links(part, clicked)
    elif isinstance(node, ast.Node):
        if clicked and isinstance(node, ast.Binary) and node.operator in ("=", "in"):
            yield from _compared(node)
        about = getattr(node, "event", None) == "email_clicked"
        for field in node.__struct_fields__:
            yield from _links(getattr(node, field), about if field == "where" else clicked)


def _compared(node: ast.Binary) -> Iterator[tuple[str, int]]:
    if not isinstance(node.left, ast.Name) or node.left.parts not in (("link",), ("event", "link")):
        return
    constants = node.right.items if isinstance(node.right, ast.ListOf) else (node.right,)
    for constant in constants:
        if isinstance(constant, ast.Constant) and isinstance(constant.value, str):
            yield constant.value, constant.at
