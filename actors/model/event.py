"""What a user did, or what is known of a user: one Segment message in the engine's own form.

Everything that comes in (WebSocket, HTTP, SDKs, feedback about our messages, JSONL files, scenarios)
becomes this one shape before an actor sees it. The JSON parts stay raw bytes: they travel from the
wire to the journal untouched and are decoded only if some campaign looks at the event.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Kind = Literal["track", "page", "screen", "identify", "group", "alias", "program"]
"""Segment's six, and `program`: an operator changed the program. Only the engine says that, of no user."""

Source = Literal["client", "server", "engine", "visitor", "bare"]
"""Who said it. Of a page: `client`, the user himself, by proof or because everybody is trusted; `visitor`, the holder of a
visitor token; `bare`, whoever knows an anonymous id (`actors/model/speech.py`)."""

ANONYMOUS: Final = "~"
"""First character of the actor name of a visitor who is not known: `~` + anonymousId. A user id may not begin
with it, so nobody can speak for a known user by choosing an anonymous id."""

VISITOR: Final = "~v."
"""Begins the names of visitors whose id we made and signed: only the holder of the token is that visitor."""

BARE: Final = "~bare."
"""Begins the name of whoever uses an id that belongs to somebody else, or claims one of ours without its token."""


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False, array_like=True):
    """One event. `user` names the actor; `name` is canonical (`product_added`), and empty for identify, group, alias.

    The fields' order is how the journal keeps them: a new one comes last and has a default.
    """

    user: str
    kind: Kind = "track"
    name: str = ""
    message_id: str = ""
    """The sender's id of this event, the key of deduplication within the user. Never empty once normalised."""
    occurred: int = 0
    """Milliseconds since the epoch at which it happened: the client's timestamp corrected for its clock. 0: not told, so it is when we took it."""
    body: bytes = b"{}"
    """Raw JSON object: properties of a track, page or screen; traits of an identify or group; `{"from": name}` of an alias."""
    context: bytes = b""
    """Raw JSON object of the message's `context`, empty if there was none."""
    source: Source = "server"
    """Who said it: a page (`client`, `visitor`, `bare`), `server` (a back end, a file) or `engine` (feedback, emit)."""
    historical: bool = False
    """Whether it is of the past, told to be remembered: it starts nothing, however long ago it happened (`past.py`)."""


FEEDBACK_ONLY: Final = frozenset(
    {
        "email_delivered",
        "email_deferred",
        "email_bounced",
        "email_failed",
        "email_complained",
        "push_delivered",
        "push_expired",
    }
)
"""Events about our own messages that are never something the user did."""

FEEDBACK_IF_MACHINE: Final = frozenset({"email_opened", "email_clicked"})
"""Something the user did, unless their property `machine` is true (a scanner or a proxy fetched it)."""

ENGAGED: Final = FEEDBACK_IF_MACHINE | {"push_seen", "push_clicked"}
"""What shows that a message of ours was not ignored, if a person did it. A push that was closed was."""

HUMAN_FEEDBACK: Final = frozenset(
    {"email_opened", "email_clicked", "email_unsubscribed", "push_seen", "push_clicked", "push_dismissed"}
)
"""What the engine tells of a message that a person did to it; all else it says is not something the user does."""

ROUSED: Final = "site_changed"
"""The engine's word to a user who does nothing, that the site waits for things it did not wait for before."""

CONTROL: Final = (
    FEEDBACK_ONLY | FEEDBACK_IF_MACHINE | HUMAN_FEEDBACK | {"email_subscribed", "signed_in", "signed_up", "signed_out"}
)
"""Events that change what is known of a user beside the memory plan: every program cares about them."""
