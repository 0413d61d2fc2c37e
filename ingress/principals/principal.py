"""Who is speaking, and for whom he may speak (docs/security.md).

| he is | by | may speak for |
|---|---|---|
| trusted | a server key, or development mode | anybody |
| proven | a proof | the user that it vouches for |
| a visitor | a visitor token that we signed | the visitor of that id |
| bare | a write key | visitors of ids that he names, which are no secrets |

One may be proven and a visitor at once: a page that signs in. `Event.source` tells an actor which of it a message rests on.
"""

from __future__ import annotations

from typing import Final

import msgspec

from actors.model.event import ANONYMOUS, BARE, VISITOR, Source

OURS: Final = (VISITOR.removeprefix(ANONYMOUS), BARE.removeprefix(ANONYMOUS))
"""Beginnings of ids that nobody may claim by naming them."""

OURS_BEGIN: Final = frozenset(beginning[0] for beginning in OURS)
"""Their first characters."""


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """The rights of one connection or request. The default is a server: it may speak for anyone."""

    source: Source = "server"
    key: str = ""
    """Name of the key it showed, for counters and for resuming."""
    digest: str = ""
    """SHA-256 of that key; "" if it showed none, as in development mode."""
    voucher: str = ""
    """SHA-256 of the key that its proof holds by."""
    trusted: bool = True
    """May speak for any user and set any trait: a server key, or development mode."""
    proven: str = ""
    """The user id that a proof vouches for."""
    email: str = ""
    """The address that the proof vouches for."""
    expires_ms: int | None = None
    """When the proof ends; None: never."""
    visitor: str = ""
    """The anonymous id that a visitor token vouches for."""
    user: str = ""
    """User id of messages that name nobody."""
    anonymous: str = ""
    """Anonymous id of messages that name nobody."""

    def may_speak_for(self, user_id: str) -> bool:
        return self.trusted or (self.proven != "" and self.proven == user_id)

    def actor(self) -> str:
        """The actor whose pushes this speaker may receive; "" if it has not said who it is."""
        if self.user and self.may_speak_for(self.user):
            return self.user
        if self.proven:
            return self.proven
        return self.visitor_actor(self.anonymous) if self.anonymous else ""

    def visitor_actor(self, anonymous_id: str) -> str:
        """The actor of a visitor whom this speaker names. An id of ours without its token is a visitor of its own."""
        if self.trusted or anonymous_id == self.visitor or not anonymous_id.startswith(OURS):
            return ANONYMOUS + anonymous_id
        return BARE + anonymous_id

    def source_for(self, actor: str) -> Source:
        """What a message of this speaker about that actor rests on."""
        if self.trusted or actor == self.proven:
            return self.source
        return "visitor" if self.visitor and actor == ANONYMOUS + self.visitor else "bare"

    def holds(self, actor: str) -> bool:
        """Whether the speaker is that actor, and not merely somebody who knows its name: its pushes follow to the user."""
        if self.trusted or (self.proven != "" and actor == self.proven):
            return True
        return self.visitor != "" and actor == ANONYMOUS + self.visitor


SERVER = Principal()
"""A back end, a file, a scenario."""
