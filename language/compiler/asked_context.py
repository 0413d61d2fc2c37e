"""Which parts of a message's `context` a site looks at: `event.context.page.url`, `entry.context.…`, in `where` bare."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from actors.model.context import Path
from language.syntax import ast
from language.syntax.walk import events_in, steps_of

CONTEXT: Final = "context"


def asked_contexts(site: ast.Site) -> dict[str, tuple[Path, ...]]:
    """Return of which events which parts. What a campaign asks, it asks of all events that it names; so does a segment."""
    templates = {(info.channel, info.name): info for info in site.templates or ()}
    found: dict[str, set[Path]] = {}
    for campaign in site.campaigns:
        used = [
            templates.get((step.channel, step.template))
            for step in steps_of(campaign)
            if isinstance(step, ast.SendStep)
        ]
        printed = {path for info in used if info is not None for path in paths_in(info, "entry")}
        _add(found, campaign, {*_own_paths(campaign), *printed})
    for _, segment in site.profile.segments:
        _add(found, segment, set(_own_paths(segment)))
    return {event: tuple(sorted(paths)) for event, paths in found.items()}


def paths_in(info: ast.TemplateInfo | None, root: str) -> tuple[Path, ...]:
    """What a template asks of `user.context` or `entry.context`."""
    return () if info is None else tuple(sorted(path for name, path in info.contexts if name == root))


def names_of(node: Any) -> Iterator[ast.Name]:
    """Every name that stands anywhere in it."""
    if isinstance(node, ast.Name):
        yield node
    elif isinstance(node, tuple):
        for part in node:
            yield from names_of(part)
    elif isinstance(node, msgspec.Struct):
        for field in node.__struct_fields__:
            yield from names_of(getattr(node, field))


def path_of(name: ast.Name) -> Path:
    """Return the part of a context that a name stands for: `event.context.page.url`, in a `where` also `context.page.url`;
    empty if it is none."""
    first, *rest = name.parts
    if first in ("event", "entry", "user"):
        first, *rest = rest or [""]
    return tuple(rest) if first == CONTEXT else ()


def _own_paths(node: Any) -> Iterator[Path]:
    return (path for name in names_of(node) if name.parts[0] != "user" and (path := path_of(name)))


def _add(found: dict[str, set[Path]], node: Any, paths: Iterable[Path]) -> None:
    asked = set(paths)
    if asked:
        for event in _events(node):
            found.setdefault(event, set()).update(asked)


def _events(node: Any) -> Iterator[str]:
    if isinstance(node, ast.CalledPattern):
        yield "called"
    elif isinstance(node, tuple):
        for part in node:
            yield from _events(part)
    elif isinstance(node, ast.Node):
        yield from (event for event, _ in events_in(node))
    elif isinstance(node, msgspec.Struct):
        for field in node.__struct_fields__:
            yield from _events(getattr(node, field))


KNOWN: Final[Mapping[str, frozenset[str]]] = {
    "active": frozenset(),
    "app": frozenset({"name", "version", "build", "namespace"}),
    "campaign": frozenset({"name", "source", "medium", "term", "content"}),
    "device": frozenset(
        {"id", "advertisingId", "adTrackingEnabled", "manufacturer", "model", "name", "type", "token", "version"}
    ),
    "groupId": frozenset(),
    "ip": frozenset(),
    "library": frozenset({"name", "version"}),
    "locale": frozenset(),
    "location": frozenset({"city", "country", "latitude", "longitude", "region", "speed"}),
    "network": frozenset({"bluetooth", "carrier", "cellular", "wifi"}),
    "os": frozenset({"name", "version"}),
    "page": frozenset({"path", "referrer", "search", "title", "url"}),
    "referrer": frozenset({"id", "type", "name", "url", "link"}),
    "screen": frozenset({"width", "height", "density"}),
    "timezone": frozenset(),
    "userAgent": frozenset(),
    "userAgentData": frozenset({"brands", "mobile", "platform"}),
}
"""What Segment's specification names (Spec: Common Fields), and the parts of each."""
