"""The body of a request: read within its limits, inflated within its limits, whatever its headers claim."""

from __future__ import annotations

import asyncio
import zlib
from typing import Final

from starlette.requests import ClientDisconnect, Request

from ingress.limits import IngressLimits

GZIP: Final = b"\x1f\x8b"
_ANY_FORMAT: Final = 47
"""zlib's window size for: find out by yourself whether it is gzip or zlib."""


class BadBody(Exception):
    """The body is at fault; `status` is the HTTP status."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code, message)
        self.status = status
        self.code = code
        self.message = message


def told_bytes(request: Request, limits: IngressLimits) -> int:
    """How long the body is going to be, 0 if that is not told. Raises BadBody."""
    told = request.headers.get("content-length", "")
    size = int(told[:20]) if told.isdecimal() else 0
    if size > limits.body_bytes_max:
        raise _too_large(limits.body_bytes_max)
    return size


async def read_body(request: Request, limits: IngressLimits) -> bytes:
    """The body as it comes. Raises BadBody; reads no more than one chunk past the limit."""
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limits.body_wait_ms_max / 1000):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limits.body_bytes_max:
                    raise _too_large(limits.body_bytes_max)
                chunks.append(chunk)
    except TimeoutError:
        raise BadBody(408, "timeout", f"the body did not arrive within {limits.body_wait_ms_max} ms") from None
    except ClientDisconnect:
        raise BadBody(400, "incomplete", "the body ended early") from None
    return b"".join(chunks)


def weight(raw: bytes, limits: IngressLimits) -> int:
    """How many bytes there will be to decode: what a zipped body says of itself (RFC 1952, ISIZE) is believed, for one that
    lies does not inflate."""
    size = int.from_bytes(raw[-4:], "little") if raw[:2] == GZIP else 0
    return max(len(raw), min(size, limits.inflated_bytes_max))


def inflated(raw: bytes, limits: IngressLimits) -> bytes:
    """The body as it was before it was zipped, if it was. Raises BadBody."""
    return inflate(raw, limits.inflated_bytes_max) if raw[:2] == GZIP else raw


def inflate(raw: bytes, bytes_max: int) -> bytes:
    """Gunzip, never making more than `bytes_max` bytes. Raises BadBody."""
    inflater = zlib.decompressobj(_ANY_FORMAT)
    try:
        data = inflater.decompress(raw, bytes_max)
        if inflater.unconsumed_tail or (not inflater.eof and inflater.decompress(b"", 1)):
            raise _too_large(bytes_max)
    except zlib.error as error:
        raise BadBody(400, "invalid_gzip", f"the body is not valid gzip: {error}") from None
    if not inflater.eof:
        raise BadBody(400, "invalid_gzip", "the body is gzip that ends early")
    return data


def _too_large(bytes_max: int) -> BadBody:
    return BadBody(413, "too_large", f"at most {bytes_max} bytes are taken; send smaller batches")
