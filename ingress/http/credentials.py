"""Where a request may carry its key and its proof: as the SDKs do it (reference: Segment, RudderStack, Jitsu, PostHog)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

import msgspec
from starlette.datastructures import Headers, QueryParams
from starlette.requests import Request
from starlette.responses import Response

from ingress.http.answers import error_answer
from ingress.principals.keys import Denied, KeyRing, Unauthorized
from ingress.principals.principal import Principal
from ingress.principals.visitor_tokens import HEADER, in_cookies


class _Peek(msgspec.Struct, rename="camel"):
    """The fields of a body that may hold a key."""

    write_key: object = None
    api_key: object = msgspec.field(default=None, name="api_key")
    token: object = None
    visitor: object = None
    batch: list[msgspec.Raw] | None = None


_decode = msgspec.json.Decoder(_Peek).decode
_KEYS = [re.compile(rb'"%b"\s*:\s*"([^"\\]+)"' % name) for name in (b"writeKey", b"api_key", b"token")]


def is_proof(token: str) -> bool:
    """A JWT has three parts; our keys have no dots."""
    return token.count(".") == 2


def speaker_of(keys: KeyRing, headers: Headers, query: QueryParams, body: bytes, now: int) -> Principal:
    """Who makes the request. Raises keys.Denied."""
    key, proof = _shown(headers, query)
    key = key or _body_key(body)
    if not key and proof:
        key, proof = proof, ""
    return keys.speaker(key, proof=proof, origin=headers.get("origin"), now=now)


def early_speaker(keys: KeyRing, headers: Headers, query: QueryParams, now: int) -> Principal | None:
    """Who makes the request, before its body was read; None if only the body can tell. Raises keys.Denied."""
    key, proof = _shown(headers, query)
    if key:
        return keys.speaker(key, proof=proof, origin=headers.get("origin"), now=now)
    if proof:
        # For whom it vouches is asked again with the key that may be in the body; here it has to hold.
        keys.proven(Principal(source="client", trusted=keys.dev), proof, now)
    return None


def seek_key(keys: KeyRing, headers: Headers, query: QueryParams, part: bytes, now: int) -> None:
    """Raise keys.Denied unless there is a good key in this beginning of a body, or none is needed there."""
    if keys.dev or any(_shown(headers, query)):
        return
    denied: Denied = Unauthorized(
        f"no key in a header, the address or the first {len(part)} bytes of the body: send `Authorization: Bearer`"
    )
    for key in _keys_like(part):
        try:
            keys.speaker(key, origin=headers.get("origin"), now=now)
        except Denied as error:
            denied = error
        else:
            return
    try:
        raise denied
    finally:
        # Its trace holds this frame, and the frame the body: nobody but the garbage collector would part them.
        del denied


def visitor_token_of(headers: Headers, body: bytes = b"") -> str:
    """The visitor token that a request shows: in a header, in the envelope of a batch (a beacon cannot set headers), else in
    a cookie. Never in the address, for that stands in logs. "" if it shows none."""
    in_body = _body_visitor(body) if b'"visitor"' in body else ""
    return headers.get(HEADER, "") or in_body or in_cookies(headers.get("cookie", ""))


def server_only(request: Request, keys: KeyRing, now: int, what: str) -> Response | None:
    """The refusal of a request that holds no server key; None if it does, or in development mode. `what`: what a write
    key may not do."""
    if keys.dev:
        return None
    try:
        speaker = speaker_of(keys, request.headers, request.query_params, b"", now)
    except Denied as denied:
        return error_answer(denied.status, denied.code, denied.message)
    if speaker.source != "server":
        return error_answer(403, "forbidden", f"a write key may not {what}: use a server key (sk_…)")
    return None


def _shown(headers: Headers, query: QueryParams) -> tuple[str, str]:
    """(key, proof) of the headers and the address."""
    key, proof = _header_key(headers)
    return key or _query_key(query), headers.get("x-cuebird-proof", "") or query.get("proof", "") or proof


def _header_key(headers: Headers) -> tuple[str, str]:
    """(key, proof) of the Authorization header, else X-Write-Key (`id:secret` counts as its id)."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    told = headers.get("x-write-key", "").partition(":")[0]
    if scheme.lower() == "basic":
        return _basic(value.strip()) or told, ""
    if scheme.lower() == "bearer":
        token = value.strip()
        return (told, token) if is_proof(token) else (token, "")
    return told, ""


def _basic(value: str) -> str:
    """The user name of Basic credentials; a missing colon or padding is forgiven."""
    try:
        return base64.b64decode(value + "=" * (-len(value) % 4)).decode().partition(":")[0]
    except (binascii.Error, ValueError):
        return ""


def _query_key(query: QueryParams) -> str:
    return query.get("writeKey") or query.get("key") or query.get("k") or query.get("token") or ""


def _body_visitor(body: bytes) -> str:
    try:
        peek = _decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""
    return peek.visitor if isinstance(peek.visitor, str) and peek.batch is not None else ""


def _body_key(body: bytes) -> str:
    try:
        peek = _decode(body)
        found = [peek, *(_decode(first) for first in (peek.batch or [])[:1])]
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        # What is wrong with it is said by the normaliser, to callers with a good key: it may be one message of many.
        return next(_keys_like(body), "")
    for peek in found:
        for value in (peek.write_key, peek.api_key, peek.token):
            if isinstance(value, str) and value:
                return value
    return ""


def _keys_like(body: bytes) -> Iterator[str]:
    """What looks like a key in a body that no decoder takes, or that has not come whole: one of each name."""
    for pattern in _KEYS:
        if shown := pattern.search(body):
            yield shown[1].decode(errors="replace")
