"""What a site asks to know of a message's `context` (page, campaign, locale, device): of an event, and of the user.

A context is journalled whole. An actor sees the parts that its site names, and no more: of an event as its property `context`,
of the user as the newest told. What is told together stays together: a campaign without a `term` leaves no older `term` behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from actors.model.event import Event
from actors.model.scope import Evaluate, Scope
from actors.model.speech import is_unproven
from actors.model.state import Actor
from actors.values.kept import VALUE_BYTES_MAX, kept_value

Path = tuple[str, ...]
"""`("page", "url")`"""

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


class ContextPart(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the newest context that was told of the user: `[occurred, ordinal, value]`. Any event may tell it."""

    key: int
    path: Path

    @property
    def events(self) -> tuple[str, ...]:
        return ()

    @property
    def where(self) -> Evaluate | None:
        return None

    @property
    def bytes_max(self) -> int:
        return 1 + 2 * 9 + VALUE_BYTES_MAX + 8

    def put(self, state: Any, scope: Scope) -> Any:
        return state  # `note` tells it: its values are no properties

    def merged(self, ours: Any, theirs: Any) -> Any:
        return max(filter(None, (ours, theirs)), key=lambda state: (state[0], state[1]), default=None)

    def joined(self, other: Any) -> ContextPart:
        return self


def note(actor: Actor, event: Event, occurred: int, ordinal: int, parts: Iterable[ContextPart]) -> bool:
    """Remember what the event tells of the user's context; return whether a value is another now."""
    if is_unproven(event, actor.user):
        return False
    told, changed, memory = _decode(event.context), False, actor.memory
    for part in parts:
        if told.get(part.path[0]) is None:
            continue
        state = memory.get(part.key)
        if state is not None and (occurred, ordinal) < (state[0], state[1]):
            continue
        value = kept_value(value_at(told, part.path))
        changed = changed or (None if state is None else state[2]) != value
        memory[part.key] = [occurred, ordinal, value]
    return changed


def value_at(value: Any, path: Path) -> Any:
    """Return what stands at the path; None if nothing does."""
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def nested(values: Iterable[tuple[Path, Any]]) -> dict[str, Any]:
    """Return the values at their paths; what is null is left out, and what it would stand in is there all the same."""
    found: dict[str, Any] = {}
    for path, value in sorted(values, key=lambda one: len(one[0])):
        inner = found
        for name in path[:-1]:
            inner = inner.setdefault(name, {})
            if not isinstance(inner, dict):
                break
        else:
            if value is not None:
                inner.setdefault(path[-1], value)
    return found


def with_context(body: bytes, context: bytes, paths: Iterable[Path]) -> bytes:
    """Return an event's properties with the asked parts of its context as the property `context`. One of that name stays if
    the context tells nothing of them."""
    told = _decode(context)
    values = [(path, kept_value(value_at(told, path))) for path in paths]
    if all(value is None for _, value in values):
        return body
    return _encode({**_decode(body), "context": nested(values)})


def asked_of(
    contexts: Mapping[str, tuple[Path, ...]], other: Mapping[str, tuple[Path, ...]]
) -> dict[str, tuple[Path, ...]]:
    """Return what either asks of the events' contexts."""
    return {name: tuple(sorted({*contexts.get(name, ()), *other.get(name, ())})) for name in {**contexts, **other}}


IP: Final = "ip"
"""The part that is not kept unless a site asks for it."""
