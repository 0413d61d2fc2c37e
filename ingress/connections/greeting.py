"""Who says hello: the rights of a connection, and the visitor that it is."""

from __future__ import annotations

import msgspec

from actors.model.event import ANONYMOUS
from ingress.connections.context import ConnectionContext
from ingress.connections.frames import Hello, Who
from ingress.connections.streams import Streams
from ingress.messages.identifiers import identifier, user_identifier
from ingress.principals.principal import OURS, Principal
from ingress.principals.visitor_tokens import Visitor


class Greeted(msgspec.Struct, frozen=True):
    speaker: Principal
    visitor: dict[str, str]
    """What the welcome says of it: `{"id": …}` if it showed a token of ours, with the token too if it is given one now;
    empty of a speaker who needs none."""


def greet(world: ConnectionContext, hello: Hello, now: int, *, token: str, cookie: str, origin: str | None) -> Greeted:
    """`token`, `cookie`: what the handshake carried. Raises Denied or Rejected.

    A page without a visitor token, or with one that is not ours, is given one. A client that knows of them is that
    visitor; to one that does not, its own `anonymousId` counts on, unless that is an id of ours, which is nobody's
    without its token. The cookie counts where no token is shown.
    """
    speaker = world.keys.speaker(hello.token or token, proof=hello.proof, origin=origin, now=now)
    who = hello.user or Who()
    user, anonymous = user_identifier(who.user_id), identifier(who.anonymous_id, "anonymousId")
    given: Visitor | None = None
    if not speaker.trusted:
        visitor = world.visitors.read(hello.visitor or cookie)
        if not visitor:
            given = world.visitors.issue()
            visitor = given.id
        if not anonymous or anonymous.startswith(OURS) or hello.visitor is not None:
            anonymous = visitor
        speaker = msgspec.structs.replace(speaker, visitor=visitor)
    speaker = msgspec.structs.replace(speaker, user=user, anonymous=anonymous)
    if given is not None:
        return Greeted(speaker, {"id": given.id, "token": given.token})
    return Greeted(speaker, {"id": speaker.visitor} if speaker.visitor else {})


def home_of(speaker: Principal, name: str, owner: str) -> str:
    """Where the pushes of a speaker go who is known by `name`, which belongs to `owner`: a page that only knows the name
    is not the user, and has pushes of its own."""
    return owner if owner == name or speaker.holds(name) else Streams.own(name)


def is_anonymous(name: str) -> bool:
    return name.startswith(ANONYMOUS)
