"""Visitor tokens: the anonymous id of a page that comes back, signed by us, so that only its holder is that visitor.

A page gets one in the `welcome` of its WebSocket, or from `POST /v1/visitor`, and shows it in its hello, in the header
`X-Cuebird-Visitor`, in the body of a batch, or in a cookie that its scripts cannot read. Never in an address: those stand in logs.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final

import msgspec

from actors.model.event import ANONYMOUS, VISITOR
from actors.values.token import Tokens
from ingress.principals.principal import Principal

HEADER: Final = "x-cuebird-visitor"
COOKIE: Final = "cuebird_visitor"
COOKIE_S: Final = 365 * 86_400
"""A browser keeps the cookie for a year from the last time that it was set."""

NOT_OURS: Final = "unknown_token"
"""What is answered, as `visitor`, to a token that we have not made. What came with it was taken as without."""

_PREFIX: Final = VISITOR.removeprefix(ANONYMOUS)


class Visitor(msgspec.Struct, frozen=True):
    """What a page is given to keep."""

    id: str
    token: str


class VisitorTokens:
    """Makes and reads them. `secure`: browsers reach us by https, so the cookie is for https alone."""

    def __init__(
        self, tokens: Tokens, *, secure: bool = False, new_id: Callable[[], str] = lambda: secrets.token_hex(16)
    ) -> None:
        self._tokens = tokens
        self._secure = secure
        self._new_id = new_id

    def issue(self) -> Visitor:
        """A visitor whom nobody has been before."""
        identity = self._new_id()
        return Visitor(_PREFIX + identity, self._tokens.sign("visitor", identity))

    def read(self, token: str) -> str:
        """The anonymous id that a token vouches for; "" if it is none of ours."""
        found = self._tokens.verify("visitor", token)
        return _PREFIX + found[0] if found is not None else ""

    def cookie(self, token: str) -> str:
        """The value of a Set-Cookie that a page's scripts cannot read and that other sites' pages do not send (RFC 6265bis)."""
        secure = "; Secure" if self._secure else ""
        return f"{COOKIE}={token}; Path=/; Max-Age={COOKIE_S}; HttpOnly; SameSite=Lax{secure}"

    def holder(self, speaker: Principal, token: str) -> Principal:
        """The same speaker as the visitor of the token; unchanged if it is none of ours, or he is trusted anyway."""
        visitor = "" if speaker.trusted or not token else self.read(token)
        if not visitor:
            return speaker
        return msgspec.structs.replace(speaker, visitor=visitor, anonymous=speaker.anonymous or visitor)


def in_cookies(header: str) -> str:
    """The token in a Cookie header; "" if there is none."""
    # Not http.cookies: it gives up on the whole header at the first name that it finds odd.
    pairs = (part.strip().partition("=") for part in header.split(";")) if COOKIE in header else ()
    return next((value for name, _, value in pairs if name == COOKIE), "")
