"""Signed tokens, of the links in a message and of visitors: short, opaque, unforgeable, each good for one purpose only.

36 characters of base64url: 16 bytes of the send's or visitor's id, 1 byte of index, 10 bytes of HMAC-SHA256. The key differs by purpose
and the purpose is inside the MAC, so the token of a link cannot unsubscribe anybody. Short, because a mail client's
limits on header lines are older than signed tokens (RFC 5322 §2.1.1: 998 characters).
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from typing import Final, Literal, get_args

Purpose = Literal["open", "click", "unsubscribe", "visitor"]

SECRET_BYTES_MIN: Final = 32
TOKEN_CHARACTERS: Final = 36
INDEX_MAX: Final = 255

_ID_BYTES: Final = 16
_MAC_BYTES: Final = 10


class Tokens:
    """Makes tokens with the first secret and accepts those of all, so that a secret can be replaced without killing old links."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        if not secrets or any(len(secret) < SECRET_BYTES_MIN for secret in secrets):
            raise ValueError(f"a secret for link tokens must have at least {SECRET_BYTES_MIN} bytes")
        self._keys = {
            purpose: tuple(_mac(secret, b"cuebird link key\x00" + purpose.encode()) for secret in secrets)
            for purpose in get_args(Purpose)
        }

    def sign(self, purpose: Purpose, send: str, index: int = 0) -> str:
        """A token for the send or visitor with that id (32 hexadecimal digits). ValueError if the id or the index (0..255) is not one."""
        identity = bytes.fromhex(send)
        if len(identity) != _ID_BYTES or not 0 <= index <= INDEX_MAX:
            raise ValueError(f"no token can hold send {send!r} with index {index}")
        payload = identity + bytes((index,))
        mac = _tag(self._keys[purpose][0], purpose, payload)
        return base64.urlsafe_b64encode(payload + mac).decode("ascii")

    def verify(self, purpose: Purpose, token: str) -> tuple[str, int] | None:
        """(id, index) of a token that we made for that purpose, else None. Takes the same time for every wrong MAC."""
        if len(token) != TOKEN_CHARACTERS or not token.isascii():
            return None
        try:
            raw = base64.b64decode(token, altchars=b"-_", validate=True)
        except binascii.Error:
            return None
        if len(raw) != _ID_BYTES + 1 + _MAC_BYTES:
            return None
        payload, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        # All keys are tried, so that the time does not tell which of them is in use.
        good = [hmac.compare_digest(mac, _tag(key, purpose, payload)) for key in self._keys[purpose]]
        return (payload[:_ID_BYTES].hex(), payload[_ID_BYTES]) if any(good) else None


def _tag(key: bytes, purpose: Purpose, payload: bytes) -> bytes:
    return _mac(key, purpose.encode() + b"\x00" + payload)[:_MAC_BYTES]


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")
