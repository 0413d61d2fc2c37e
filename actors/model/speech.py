"""What an event may do to a known user, by who said it: a page that proves nothing tells behaviour, and no more.

An id that anybody may know is no proof, so `Event.source` says how sure it is that the speaker is this user:

| source | who speaks | may |
|---|---|---|
| server, client, engine | a server, the user with proof, ourselves | anything |
| visitor | the holder of a visitor token that we signed | behaviour, marketing under the consent that stands, a no |
| bare | whoever knows the id, where the site trusts that | behaviour and marketing, without words |

All of it is about known users. An anonymous visitor is whoever speaks as him.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from actors.model.event import ANONYMOUS, BARE, Event
from actors.model.traits import CORE_CONSENTS
from actors.model.turn import Purpose

WITHOUT_PROOF: Final = frozenset({"visitor", "bare"})
"""Sources that do not prove who speaks."""

PAGES: Final = WITHOUT_PROOF | {"client"}
"""Sources that are a page: what they tell, the user did."""

UNPROVEN_RUNS_MAX: Final = 32
"""Active runs that unproven speech may have begun for a user; past it `concurrency`. The other half of RUNS_MAX (state.py) is left
to what is proven, so nobody keeps a real order out."""

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
"""An id of a product or an order; no text, no address of anything: no space, dot, slash or colon."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


def is_unproven(event: Event, user: str) -> bool:
    """Whether it is about a known user, and nothing proves that he says it."""
    return event.source in WITHOUT_PROOF and not user.startswith(ANONYMOUS)


def needs_proof(user: str, purpose: Purpose) -> bool:
    """Whether a campaign or a send of that purpose is for what is proven alone: a transactional one of a known user."""
    return purpose == "transactional" and not user.startswith(ANONYMOUS)


def forwarded(event: Event, names: Mapping[str, str], trusts_ids: bool) -> Event:
    """The event as that of whom its anonymous name belongs to; `names`: name -> known user.

    What only an id vouches for stays with a visitor of its own, whom no visitor may claim to be, or, if the site trusts
    ids, goes to the user with its numbers, booleans and ids alone.
    """
    user = names.get(event.user)
    if user is None:
        return event
    if event.source != "bare":
        return msgspec.structs.replace(event, user=user)
    if trusts_ids:
        return msgspec.structs.replace(event, user=user, body=without_words(event.body), context=b"")
    return msgspec.structs.replace(event, user=own_name(event.user, names))


def own_name(name: str, names: Mapping[str, str]) -> str:
    """The visitor of its own that speaks under an anonymous name which belongs to a user."""
    while name in names:
        name = BARE + name.removeprefix(ANONYMOUS)
    return name


def without_words(body: bytes) -> bytes:
    """A raw JSON object with its numbers, booleans and ids alone: nothing that a letter could be made to say."""
    try:
        return _encode(_bare(_decode(body)))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return b"{}"


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {name: _bare_field(name, one) for name, one in value.items() if _ID.fullmatch(name)}
        return {name: one for name, one in kept.items() if one is not None}
    if isinstance(value, list):
        return [one for one in map(_bare, value) if one is not None]
    return value if isinstance(value, int | float) else None


def _bare_field(name: str, value: Any) -> Any:
    if isinstance(value, str):
        is_id = name in ("id", "sku") or name.endswith(("_id", "Id"))
        return value if is_id and _ID.fullmatch(value) else None
    return _bare(value)


def lowered(told: object) -> dict[str, bool]:
    """The parts of a consent that somebody takes back: the only ones that need no proof."""
    return {part: False for part in CORE_CONSENTS if isinstance(told, dict) and told.get(part) is False}
