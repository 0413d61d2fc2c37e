"""The frames of `cuebird.v1` (JSON text): what a client may send, and how ours are written.

A WebSocket message is one frame or an array of frames; `t` is the frame's type; unknown fields are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, TypeVar

import msgspec

from ingress.connections.streams import Since
from ingress.messages import parts
from ingress.messages.rejection import Rejected, Rejection
from ingress.messages.wire import Instant, Wire, rejected

_Value = TypeVar("_Value")

PROTOCOL: Final = "cuebird.v1.json"
PROTOCOLS: Final = (PROTOCOL, "cuebird.v1")
BEARER: Final = "cuebird.bearer."
"""Begins the sub-protocol that carries a browser's token, base64url without `=`."""

TYPES: Final = ("hello", "ev", "ack", "auth", "ping", "pong")
"""What `t` of a client's frame may be."""

CLOSES: Final[Mapping[int, str]] = {
    1000: "normal",
    1008: "too_many_bad_frames",
    # 4000-4099: do not reconnect
    4001: "unauthorized",
    4002: "hello_timeout",
    4003: "forbidden",
    4006: "unsupported_version",
    4007: "unreadable_again",
    4009: "replaced",
    4029: "connection_limit",
    # 4100-4199: reconnect with back-off
    4100: "overloaded",
    4101: "too_slow",
    4102: "over_credit",
    4103: "no_pong",
    4104: "unreadable",
    # 4200-4299: reconnect now
    4200: "drain",
    4201: "token_expired",
}
"""Close code -> its reason. The range tells a client that does not know the code what to do."""


class _Frame(msgspec.Struct, tag_field="t", rename="camel", gc=False, kw_only=True):
    pass


class Who(msgspec.Struct, rename="camel", gc=False):
    user_id: str | int | None = None
    anonymous_id: str | int | None = None


class Hello(_Frame, tag="hello", kw_only=True):
    token: str = ""
    proof: str = ""
    visitor: str | None = None
    """The visitor token of a client that knows of them, "" if it has none yet."""
    client: str = ""
    user: Who | None = None
    session: str = ""
    since: Since | None = None
    want: tuple[str, ...] = ("push",)


class Ev(_Frame, tag="ev", kw_only=True):
    id: int
    e: list[Wire]
    sent_at: Instant = None


class Ack(_Frame, tag="ack", kw_only=True):
    offset: int
    status: Literal["delivered", "seen", "clicked", "dismissed"] = "delivered"


class Auth(_Frame, tag="auth", kw_only=True):
    token: str


class Ping(_Frame, tag="ping", kw_only=True):
    pass


class Pong(_Frame, tag="pong", kw_only=True):
    pass


Frame = Hello | Ev | Ack | Auth | Ping | Pong


class FrameHead(msgspec.Struct, rename="camel", gc=False):
    """A frame of which something is wrong: what can be told of it."""

    t: str | None = None
    id: int | None = None
    e: list[msgspec.Raw] | None = None
    sent_at: Instant = None


DECODE_ERRORS: Final = (msgspec.DecodeError, UnicodeError, RecursionError)
BLANK: Final = b" \t\r\n\xef\xbb\xbf"
"""Spaces, and the mark that some write at the beginning."""

decode_frame = msgspec.json.Decoder(Frame).decode
decode_head = msgspec.json.Decoder(FrameHead).decode
decode_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_raw = msgspec.json.Decoder(msgspec.Raw).decode
_decode_type = msgspec.json.Decoder(str).decode
_decode_id = msgspec.json.Decoder(int).decode
_decode_nearly_id = msgspec.json.Decoder(int, strict=False).decode
_decode_instant = msgspec.json.Decoder(Instant).decode


def several(data: bytes) -> tuple[Sequence[msgspec.Raw | bytes], Rejected | None]:
    """The frames of an array; a fault if it cannot be told where they end, and there may be more of them."""
    try:
        return decode_raws(data), None
    except DECODE_ERRORS as error:
        found, whole = parts.split(data.lstrip(BLANK))
        return found, None if whole else rejected(error)


def find_head(data: bytes, messages_max: int) -> tuple[FrameHead, bool]:
    """What can be told of a frame that no decoder takes; False: it may hold an `ev` of another id than the head's. Its
    messages are told if they are no more than `messages_max`."""
    data = data.lstrip(BLANK)
    if data[:1] != b"{":
        return FrameHead(), _is_json(data)
    told, whole = parts.members(data)
    head = FrameHead(t=_told(_decode_type, told.get("t")), id=_told(_decode_nearly_id, told.get("id")))
    messages, complete = parts.split(told.get("e", b""), messages_max)
    try:
        _decode_id(told.get("id", b""))
        head.sent_at = _decode_instant(told.get("sentAt", b"null"))
    except DECODE_ERRORS:
        complete = False
    if whole and complete and told["e"][:1] == b"[":
        head.e = [msgspec.Raw(message) for message in messages]
    return head, whole or (head.id is not None and data.count(b'"t"') == 1)


def _is_json(data: bytes) -> bool:
    try:
        return bool(_decode_raw(data))
    except DECODE_ERRORS:
        return False


def _told(decode: Callable[[bytes], _Value], value: bytes | None) -> _Value | None:
    try:
        return None if value is None else decode(value)
    except DECODE_ERRORS:
        return None


_encode = msgspec.json.Encoder().encode

PING: Final = '{"t":"ping"}'
PONG: Final = '{"t":"pong"}'


def ok(
    frame_id: int,
    taken: int,
    duplicates: int,
    credit: int,
    rejected: Sequence[Rejection] = (),
    too_old: int = 0,
    quarantined: int = 0,
    unproven: int = 0,
    warnings: Sequence[str] = (),
) -> str:
    """Everything up to `frame_id` is on disk (or was answered by an `err`). `n`, `dup` and, if there are any, `too_old`,
    `quarantined` and `unproven` count since the last `ok`."""
    if not (rejected or too_old or quarantined or unproven):
        return f'{{"t":"ok","id":{frame_id},"n":{taken},"dup":{duplicates},"credit":{credit}}}'
    rows = [{"i": r.index, "code": r.code, "message": r.message, "field": r.field} for r in rejected]
    told = {"t": "ok", "id": frame_id, "n": taken, "dup": duplicates, "rejected": rows, "credit": credit}
    rare = {"too_old": too_old, "quarantined": quarantined, "unproven": unproven, "warnings": warnings}
    return _text(told | {name: said for name, said in rare.items() if said})


def err(code: str, message: str, *, frame_id: int | None = None, retry_ms: int | None = None) -> str:
    """`retry_ms` is there if it may be tried again."""
    frame: dict[str, object] = {"t": "err"}
    if frame_id is not None:
        frame["id"] = frame_id
    frame |= {"code": code, "message": message}
    if retry_ms is not None:
        frame["retry_ms"] = retry_ms
    return _text(frame)


def frame(t: str, **fields: object) -> str:
    return _text({"t": t, **fields})


def _text(value: Mapping[str, object]) -> str:
    return _encode(value).decode()
