"""Who is speaking, and for whom he may speak (interfaces.md §1)."""

from __future__ import annotations

import msgspec

from actors.event import ANONYMOUS, Source


class Speaker(msgspec.Struct, frozen=True, kw_only=True):
    """The rights of one connection or request. The default is a server: it may speak for anyone."""

    source: Source = "server"
    key: str = ""
    """Name of the key it showed, for counters and for resuming."""
    trusted: bool = True
    """May speak for any user and set any trait: a server key, or development mode."""
    proven: str = ""
    """The user id that a proof vouches for."""
    email: str = ""
    """The address that the proof vouches for."""
    expires_ms: int | None = None
    """When the proof ends; None: never."""
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
        return ANONYMOUS + self.anonymous if self.anonymous else ""


SERVER = Speaker()
"""A back end, a file, a scenario."""
