"""Which events a site has to do with: those it names, and those that every source is known to send."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from actors.model.event import FEEDBACK_IF_MACHINE, FEEDBACK_ONLY, HUMAN_FEEDBACK
from actors.values.names import ALIASES
from language.syntax import ast

FEEDBACK: Final = FEEDBACK_ONLY | FEEDBACK_IF_MACHINE | HUMAN_FEEDBACK
"""Events about our own messages."""

FEEDBACK_PROPERTIES: Final = frozenset(
    {"message", "campaign", "run", "template", "topic", "channel", "link", "url", "machine", "permanent", "address"}
    | {"reply", "reason"}
)
"""What they tell, whichever it is."""

WELL_KNOWN: Final = frozenset(
    {*ALIASES.values(), *FEEDBACK, "email_subscribed", "signed_out", "cart_abandoned", "page_viewed", "called"}
    | {"activity"}
)
"""Events that need no campaign to be known."""


def events_of(site: ast.Site) -> frozenset[str]:
    """Every event that a campaign, a segment, a collection or an alias of the site names."""
    named = {*site.profile.critical, *(name for pair in site.profile.aliases for name in pair)}
    parts = (*site.campaigns, *(one for _, one in site.profile.segments), *(one for _, one in site.profile.remember))
    return frozenset(named).union(*(set(_named(part)) for part in parts))


def _named(node: Any) -> Iterator[str]:
    if isinstance(node, tuple):
        for part in node:
            yield from _named(part)
        return
    if not isinstance(node, msgspec.Struct):
        return
    match node:
        case ast.Score(weights=weights):
            yield from (event for event, _ in weights)
        case ast.WaitIdle(of=of):
            yield from of
        case ast.Bag(remove=remove, clear=clear):
            yield from (remove or "", *clear)
    event = getattr(node, "event", "")
    if event:
        yield event
    for field in node.__struct_fields__:
        yield from _named(getattr(node, field))
