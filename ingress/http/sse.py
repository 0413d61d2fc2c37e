"""`GET /v1/sse`: pushes as server-sent events, for pages without a WebSocket. Events go in by `POST /v1/events`.

EventSource gives up for good on any status but 200, so "not now" is 200, a `retry:` and the end.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

import msgspec
from starlette.datastructures import Headers, QueryParams
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ingress.connections.greeting import home_of, is_anonymous
from ingress.connections.protocols import SOCKET
from ingress.connections.streams import Attached, Item, Since, push_fields
from ingress.connections.websocket import Doors
from ingress.http.answers import cors, error_answer
from ingress.http.credentials import speaker_of, visitor_token_of
from ingress.messages.identifiers import identifier, user_identifier
from ingress.messages.rejection import Rejected
from ingress.principals.keys import Denied, KeyRing
from ingress.principals.principal import Principal
from ingress.principals.proof_watch import left_ms

RETRY_MS: Final = 2_000
RETRY_BUSY_MS: Final = 15_000
RETRY_DRAIN_MS: Final = 1_500
HEARTBEAT: Final = ": hb\n\n"


class EventStreamEndpoint:
    """The ASGI application of `/v1/sse`. Query: `key`, `proof`, `userId`, `anonymousId`, `last_event_id`; a visitor token comes in
    the cookie, for EventSource cannot set headers, or in the header of a fetch."""

    def __init__(self, doors: Doors) -> None:
        self.doors = doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        doors = self.doors
        headers, query = Headers(scope=scope), QueryParams(scope["query_string"])
        allowed = cors(headers.get("origin"), doors.world.keys)
        if scope["method"] != "GET":
            await error_answer(405, "method_not_allowed", "GET it")(scope, receive, send)
            return
        try:
            speaker = _speaker(doors, headers, query)
        except (Denied, Rejected) as error:
            status = error.status if isinstance(error, Denied) else 400
            answer = error_answer(status, error.code, error.message)
            answer.headers.update(allowed)
            await answer(scope, receive, send)
            return
        address = (scope.get("client") or ("", 0))[0]
        try:
            if doors.enter(address) or doors.draining:
                await _not_now(allowed)(scope, receive, send)
                return
            since = _since(headers.get("last-event-id") or query.get("last_event_id") or "")
            still = partial(_still, doors.world.keys, speaker, headers.get("origin"))
            await self._stream(scope, receive, send, speaker, since, allowed, still)
        finally:
            doors.leave(address)

    async def _stream(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        speaker: Principal,
        since: Since | None,
        allowed: dict[str, str],
        still: Callable[[], bool],
    ) -> None:
        doors, counts = self.doors, self.doors.world.counts
        socket = scope.get(SOCKET)
        if socket is not None:
            socket.streams()
        abort = socket.abort if socket is not None else None
        reader = StreamReader(doors.world.limits.send_queue_bytes_max, abort, still)
        name = speaker.actor()
        home = home_of(speaker, name, await self._owner(name)) if is_anonymous(name) else name
        stream, attached = doors.world.streams.attach(home, reader.push, since, follows=speaker.holds(name))
        doors.event_streams.add(reader)
        reader.look_again()  # keys may have changed while its owner was asked for
        counts.connections["sse"] += 1
        watcher = asyncio.create_task(_until_gone(receive, reader))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": _raw(_STREAM_HEADERS | allowed)})
            await _send(send, _greeting(doors.world.streams.epoch, attached, speaker.visitor))
            for item in attached.missed:
                reader.push(item)
            await self._write(reader, send, speaker)
        except OSError:
            return
        finally:
            watcher.cancel()
            with suppress(asyncio.CancelledError):
                await watcher
            doors.world.streams.detach(stream)
            doors.event_streams.discard(reader)
            counts.connections["sse"] -= 1

    async def _owner(self, name: str) -> str:
        """Who the visitor of that name turned out to be."""
        owner: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.doors.world.owner(name, lambda user: None if owner.done() else owner.set_result(user))
        return await owner

    async def _write(self, reader: StreamReader, send: Send, speaker: Principal) -> None:
        """Until the page goes, or the server, or the proof that let it in has ended: then it comes back with a new one."""
        epoch, counts = self.doors.world.streams.epoch, self.doors.world.counts
        while not reader.ended:
            left = left_ms(speaker, self.doors.now_ms())
            if left == 0:
                break
            wait = self.doors.world.limits.heartbeat_ms
            items = await reader.next((wait if left is None else min(wait, left)) / 1000)
            counts.pushes["sse"] += len(items)
            await _send(send, "".join(_event(epoch, item) for item in items) or HEARTBEAT)
        if reader.draining:
            await _send(send, f"event: drain\nretry: {RETRY_DRAIN_MS}\ndata: {{}}\n\n")
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class StreamReader:
    """What waits for one page. A page that does not read is cut off; it resumes from where it was. `still`: whether it would be
    let in now."""

    def __init__(self, bytes_max: int, abort: Callable[[], None] | None, still: Callable[[], bool]) -> None:
        self.ended = False
        self.draining = False
        self._bytes_max = bytes_max
        self._abort = abort
        self._still = still
        self._items: deque[Item] = deque()
        self._bytes = 0
        self._news = asyncio.Event()

    def push(self, item: Item) -> None:
        self._items.append(item)
        self._bytes += len(item.push.data)
        self._news.set()
        if self._bytes > self._bytes_max:
            self._items.clear()
            self.end()
            if self._abort is not None:
                self._abort()

    def drain(self) -> None:
        self.draining = True
        self.end()

    def look_again(self) -> None:
        if not self._still():
            self._items.clear()
            self.end()

    def end(self) -> None:
        self.ended = True
        self._news.set()

    async def next(self, wait_seconds: float) -> list[Item]:
        """What came, or nothing if nothing came in that time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_seconds):
                await self._news.wait()
        self._news.clear()
        items = list(self._items)
        self._items.clear()
        self._bytes = 0
        return items


_STREAM_HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


def _speaker(doors: Doors, headers: Headers, query: QueryParams) -> Principal:
    """Who listens. Raises Denied, Rejected."""
    speaker = speaker_of(doors.world.keys, headers, query, b"", doors.now_ms())
    speaker = doors.world.visitors.holder(speaker, visitor_token_of(headers))
    speaker = msgspec.structs.replace(
        speaker,
        user=user_identifier(query.get("userId")),
        anonymous=identifier(query.get("anonymousId"), "anonymousId") or speaker.anonymous,
    )
    if not speaker.actor():
        raise Rejected("no_id", "say whose pushes: anonymousId, or userId with a proof", "anonymousId")
    return speaker


def _still(keys: KeyRing, speaker: Principal, origin: str | None) -> bool:
    try:
        keys.still(speaker, origin)
    except Denied:
        return False
    return True


def _since(told: str) -> Since | None:
    """`e7:45`; anything else is no place to go on from."""
    epoch, _, offset = told.rpartition(":")
    return Since(epoch, int(offset[:18])) if epoch and offset.isascii() and offset.isdecimal() else None


def _not_now(allowed: dict[str, str]) -> Response:
    return Response(f"retry: {RETRY_BUSY_MS}\n\n", headers=_STREAM_HEADERS | allowed)


def _greeting(epoch: str, attached: Attached, visitor: str) -> str:
    told: dict[str, object] = {"epoch": epoch, "offset": attached.offset, "recovered": attached.recovered}
    state = msgspec.json.encode(told | ({"visitor": {"id": visitor}} if visitor else {})).decode()
    # No id while pushes are missing: whoever drops off now must come back to where he was.
    place = "" if attached.missed else f"id: {epoch}:{attached.offset}\n"
    return f"retry: {RETRY_MS}\n{place}event: open\ndata: {state}\n\n"


def _event(epoch: str, item: Item) -> str:
    return f"id: {epoch}:{item.offset}\nevent: push\ndata: {{{push_fields(item)}}}\n\n"


async def _send(send: Send, text: str) -> None:
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})


async def _until_gone(receive: Receive, reader: StreamReader) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    reader.end()


def _raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]
