"""Who an alias says its user was before: the one reading of it, live, at the start and at every other time.

An alias joins a visitor to a user. Said of a visitor it joins nobody, for nobody knows yet who he is; said *from* a known
user it would be a claim on that user's past, and joins nobody either.
"""

from __future__ import annotations

import msgspec

from actors.model.event import ANONYMOUS, Event


class _Alias(msgspec.Struct):
    from_: object = msgspec.field(name="from", default="")


_decode = msgspec.json.Decoder(_Alias).decode


def is_visitor(name: str) -> bool:
    """Return whether it is the actor name of a visitor who is not known: `~` and an id."""
    return len(name) > 1 and name.startswith(ANONYMOUS)


def named_by(event: Event) -> str:
    """Return the name of the visitor whom an alias names, whoever it is said of; "" if it names none."""
    if event.kind != "alias":
        return ""
    try:
        name = _decode(event.body).from_
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""
    return name if isinstance(name, str) and is_visitor(name) else ""


def visitor_of(event: Event) -> str:
    """Return the name of the visitor whom the event joins to its user, "" if it joins nobody.

    Whether he was joined before, and so stays where he is, the caller knows.
    """
    return "" if event.user.startswith(ANONYMOUS) else named_by(event)
