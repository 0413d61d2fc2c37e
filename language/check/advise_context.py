"""Advice on parts of a message's `context` that no library is known to send."""

from __future__ import annotations

from collections.abc import Iterator

from actors.model.context import Path
from language.compiler.asked_context import KNOWN, names_of, path_of, paths_in
from language.site.context import Places
from language.syntax import ast
from language.syntax.problems import Problem, did_you_mean, nearest, one_of
from language.syntax.walk import conditions_of, patterns_of, steps_of


def advise_context(site: ast.Site, places: Places) -> Iterator[Problem]:
    """Each part once, where it first stands."""
    told: set[Path] = set()
    templates = {(info.channel, info.name): info for info in site.templates or ()}
    for campaign in site.campaigns:
        if campaign.status == "archived":
            continue
        steps = list(steps_of(campaign))
        sends = [step for step in steps if isinstance(step, ast.SendStep)]
        data = [value for step in sends for _, value in step.data]
        for node in (*patterns_of(campaign), *conditions_of(campaign), *data):
            yield from _of(node, node, told, places)
        for step in sends:
            info = templates.get((step.channel, step.template))
            for path in (*paths_in(info, "user"), *paths_in(info, "entry")):
                yield from _problem(path, step, 0, f" in the template `{step.template}`", told, places)
    for _, segment in site.profile.segments:
        yield from _of(segment, segment, told, places)


def _of(node: ast.Node, within: ast.Node, told: set[Path], places: Places) -> Iterator[Problem]:
    for name in names_of(within):
        path = path_of(name)
        if path:
            yield from _problem(path, node, name.at, "", told, places)


def _problem(path: Path, node: object, at: int, where: str, told: set[Path], places: Places) -> Iterator[Problem]:
    message = unknown(path)
    if message and path not in told:
        told.add(path)
        problem = places.problem(node, f"no library is known to send `context.{'.'.join(path)}`{where}{message}", at)
        if problem is not None:
            yield problem


def unknown(path: Path) -> str:
    """Return what to say of a part that the specification does not name; empty if it does."""
    first, *rest = path
    known = KNOWN.get(first)
    if known is None:
        return did_you_mean(nearest(first, KNOWN)) or f"; there are {one_of(sorted(KNOWN))}"
    if not rest or rest[0] in known:
        return ""
    if not known:
        return f"; `{first}` has no parts"
    return did_you_mean(nearest(rest[0], known)) or f"; `{first}` has {one_of(sorted(known))}"
