"""The body of a request: read within its limits, inflated within its limits, whatever its headers claim."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from typing import Final

from starlette.requests import ClientDisconnect, Request

from ingress.bounds.buffered import Buffered
from ingress.bounds.limits import IngressLimits

GZIP: Final = b"\x1f\x8b"
_ANY_FORMAT: Final = 47
"""zlib's window size for: find out by yourself whether it is gzip or zlib."""


class BadBody(Exception):
    """The body is at fault; `status` is the HTTP status. With `retry_ms` the same may be sent again after that time."""

    def __init__(self, status: int, code: str, message: str, retry_ms: int | None = None) -> None:
        super().__init__(code, message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_ms = retry_ms


def told_bytes(request: Request, limits: IngressLimits) -> int:
    """How long the body is going to be, 0 if that is not told. Raises BadBody."""
    told = request.headers.get("content-length", "")
    size = int(told[:20]) if told.isdecimal() else 0
    if size > limits.body_bytes_max:
        raise too_large(limits.body_bytes_max)
    return size


async def read_body(
    request: Request, limits: IngressLimits, buffered: Buffered, look: Callable[[bytes], None] | None = None
) -> bytes:
    """The body as it comes. Raises BadBody; reads no more than one chunk past the limit.

    `look` is shown what came once it is more than `keyless_bytes_max`, and may raise: then nothing more is read.
    """
    return await _Coming(limits, buffered, request.headers.get("content-length", "")).read(request, look)


def weight(raw: bytes, limits: IngressLimits) -> int:
    """How many bytes there will be to decode: what a zipped body says of itself (RFC 1952, ISIZE) is believed, for one that
    lies does not inflate."""
    size = int.from_bytes(raw[-4:], "little") if raw[:2] == GZIP else 0
    return max(len(raw), min(size, limits.inflated_bytes_max))


def inflated(raw: bytes, limits: IngressLimits) -> bytes:
    """The body as it was before it was zipped, if it was. Raises BadBody."""
    return inflate(raw, limits.inflated_bytes_max) if raw[:2] == GZIP else raw


class _Coming:
    """A body of which some has come."""

    def __init__(self, limits: IngressLimits, buffered: Buffered, told: str) -> None:
        self._limits = limits
        self._buffered = buffered
        self._timeout = asyncio.timeout(limits.body_wait_ms_max / 1000)
        self._loop = asyncio.get_running_loop()
        self._told = told
        self._given_up = self._held = False

    async def read(self, request: Request, look: Callable[[bytes], None] | None) -> bytes:
        limits = self._limits
        chunks: list[bytes] = []
        size = 0
        try:
            async with self._timeout:
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > limits.body_bytes_max:
                        raise too_large(limits.body_bytes_max)
                    chunks.append(chunk)
                    if self._told != str(size) and not self._hold(size):
                        raise self._no_room()
                    if look is not None and size > limits.keyless_bytes_max:
                        look(b"".join(chunks))
                        look = None
        except TimeoutError:
            if self._given_up:
                raise self._no_room() from None
            raise BadBody(408, "timeout", f"the body did not arrive within {limits.body_wait_ms_max} ms") from None
        except ClientDisconnect:
            raise BadBody(400, "incomplete", "the body ended early") from None
        finally:
            if self._held and not self._given_up:
                self._buffered.hold(self, 0, 0.0)
        return b"".join(chunks)

    def _hold(self, size: int) -> bool:
        """Count what is kept until the rest has come; False if there is no room for it."""
        self._held = True
        return self._buffered.hold(self, size, self._loop.time())

    def give_up(self) -> None:
        self._given_up = True
        if not self._timeout.expired():
            self._timeout.reschedule(self._loop.time())

    def _no_room(self) -> BadBody:
        return BadBody(
            503, "overloaded", "too many bodies are under way; send the same again later", self._limits.retry_ms
        )


def inflate(raw: bytes, bytes_max: int) -> bytes:
    """Gunzip, never making more than `bytes_max` bytes. Raises BadBody."""
    inflater = zlib.decompressobj(_ANY_FORMAT)
    try:
        data = inflater.decompress(raw, bytes_max)
        if inflater.unconsumed_tail or (not inflater.eof and inflater.decompress(b"", 1)):
            raise too_large(bytes_max)
    except zlib.error as error:
        raise BadBody(400, "invalid_gzip", f"the body is not valid gzip: {error}") from None
    if not inflater.eof:
        raise BadBody(400, "invalid_gzip", "the body is gzip that ends early")
    return data


def beginning(raw: bytes, bytes_max: int) -> bytes:
    """What a body begins with, inflated as far as it has come; empty if it is no gzip though it says so."""
    if raw[:2] != GZIP:
        return raw[:bytes_max]
    try:
        return zlib.decompressobj(_ANY_FORMAT).decompress(raw, bytes_max)
    except zlib.error:
        return b""


def too_large(bytes_max: int) -> BadBody:
    return BadBody(413, "too_large", f"at most {bytes_max} bytes are taken; send smaller batches")
