"""Pushes to the pages that a user has open. They are kept in a ring by whoever publishes them, for pages that come back."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from actors.model.feedback import about
from actors.model.turn import Send
from delivery.render import Templates


class PushMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What `publish` is given: the page shows `data`, and drops a second push with the same `id`."""

    id: str
    """The send's id."""
    kind: str
    """The template's `kind`, else `push`: lets a page choose how to show it."""
    data: bytes
    """Raw JSON object."""
    expires: int
    """Milliseconds since the epoch."""
    about: dict[str, str]
    """Properties of the events that come back about it."""


Publish = Callable[[str, PushMessage], int]
"""`publish(user, push)`: keeps it for the user's pages and hands it to those that are open; their number. Never blocks."""


def push(send: Send, templates: Templates) -> PushMessage:
    """Raises RenderError."""
    content = templates.push(send)
    kind = content.pop("kind", "push")
    return PushMessage(
        id=send.id, kind=str(kind), data=msgspec.json.encode(content), expires=send.expires, about=about(send)
    )
