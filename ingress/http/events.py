"""Events in over HTTP: our own routes and those that Segment's SDKs call.

Always exactly 200 once the good messages are on disk, with the bad ones listed: SDKs retry or crash on anything else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from actors.model.event import Event
from engine.submit import Receipt
from ingress.bounds.admission import AdmissionRefused
from ingress.connections.acks import counted
from ingress.connections.context import ConnectionContext
from ingress.connections.protocols import SOCKET
from ingress.connections.websocket import Doors
from ingress.http.answers import accepted, cors, error_answer, json_answer, refused
from ingress.http.body import BadBody, beginning, inflated, read_body, told_bytes, weight
from ingress.http.credentials import early_speaker, seek_key, speaker_of, visitor_token_of
from ingress.messages.rejection import Rejected
from ingress.messages.taking import Batch
from ingress.principals.keys import Denied
from ingress.principals.principal import Principal
from ingress.principals.visitor_tokens import NOT_OURS

Endpoint = Callable[[Request], Awaitable[Response]]

ROUTES: Final[dict[str, str | None]] = {
    "/v1/events": None,
    "/v1/batch": None,
    "/v1/b": None,
    "/v1/import": None,
    "/v1/track": "track",
    "/v1/t": "track",
    "/v1/identify": "identify",
    "/v1/i": "identify",
    "/v1/page": "page",
    "/v1/p": "page",
    "/v1/screen": "screen",
    "/v1/s": "screen",
    "/v1/group": "group",
    "/v1/g": "group",
    "/v1/alias": "alias",
    "/v1/a": "alias",
}
"""Path -> type of a message that tells none."""


def event_routes(doors: Doors) -> list[BaseRoute]:
    """Each also with a slash at its end, and with OPTIONS."""
    routes: list[BaseRoute] = []
    for path, kind in ROUTES.items():
        routes += _both(path, with_cors(doors, _intake(doors, kind)), "POST")
    routes += _both("/v1/visitor", with_cors(doors, _visitor(doors)), "POST")
    routes += _both("/v1/m", with_cors(doors, _drop), "POST")
    routes += _both("/v1/projects/{key}/settings", with_cors(doors, _settings), "GET")
    return routes


def with_cors(doors: Doors, endpoint: Endpoint) -> Endpoint:
    """The endpoint with CORS headers on all it answers, and an answer to OPTIONS."""

    async def answer(request: Request) -> Response:
        response = Response(status_code=204) if request.method == "OPTIONS" else await endpoint(request)
        response.headers.update(cors(request.headers.get("origin"), doors.world.keys))
        return response

    return answer


def _both(path: str, endpoint: Endpoint, method: str) -> list[BaseRoute]:
    return [Route(path + end, endpoint, methods=[method, "OPTIONS"]) for end in ("", "/")]


def _intake(doors: Doors, kind: str | None) -> Endpoint:
    async def answer(request: Request) -> Response:
        world, now = doors.world, doors.now_ms()
        if doors.draining:
            return _refusal(doors, Receipt(refused="draining"))
        try:
            speaker = _knock(world, request, now)
            raw = await _body(doors, request, speaker, now)
            await world.admission.turn(weight(raw, world.limits))
            body = inflated(raw, world.limits)
            speaker = speaker or speaker_of(world.keys, request.headers, request.query_params, body, now)
            address = _address(request)
            if (refusal := world.rates.refusal(speaker, address, now)) is not None:
                raise AdmissionRefused(refusal)
            # Before it is decoded: what turns out to be nonsense has cost as much.
            world.rates.count(speaker, address, 0, len(body), now)
            shown = "" if speaker.trusted else visitor_token_of(request.headers, body)
            speaker = world.visitors.holder(speaker, shown)
            batch = world.normalizer.batch(
                body,
                received_at=now,
                speaker=speaker,
                address=address,
                kind=kind,
                messages_max=world.limits.body_events_max,
            )
            world.rates.count(speaker, address, len(batch.events) + len(batch.rejected), 0, now)
        except AdmissionRefused as error:
            answer = _refusal(doors, error.receipt)
            await asyncio.sleep(world.admission.refusal_wait_ms() / 1000)
            return answer
        except BadBody as bad:
            answer = error_answer(bad.status, bad.code, bad.message, retry_ms=bad.retry_ms)
            answer.headers["Connection"] = "close"
            return answer
        except Denied as denied:
            return error_answer(denied.status, denied.code, denied.message)
        except Rejected as error:
            return error_answer(413 if error.code in ("too_long", "too_large") else 400, error.code, error.message)
        told = {"visitor": NOT_OURS} if shown and not speaker.visitor else {}
        # A browser's goes as a whole: its user's rate lets a batch pass or not.
        parts = speaker.source == "server"
        return await submitted(doors, batch, world.limits.slice_inputs_max if parts else len(batch.events), **told)

    return answer


def _knock(world: ConnectionContext, request: Request, now: int) -> Principal | None:
    """Before the body is read: is there room for it, and may its sender speak? Who that is; None if only the body can tell.
    Raises BadBody, Denied, AdmissionRefused."""
    world.admission.look(told_bytes(request, world.limits))
    speaker = early_speaker(world.keys, request.headers, request.query_params, now)
    refusal = world.rates.refusal_of_address(_address(request), now)
    # Its key may be in the body, and a server's.
    if refusal is not None and speaker is not None and not speaker.trusted:
        raise AdmissionRefused(refusal)
    return speaker


async def _body(doors: Doors, request: Request, speaker: Principal | None, now: int) -> bytes:
    """The body as it comes. For somebody who has shown no key only its beginning is kept, until there is one in it. Raises
    BadBody, Denied."""
    world, socket = doors.world, request.scope.get(SOCKET)

    def let_in() -> None:
        if socket is not None:
            socket.admit()

    def look(raw: bytes) -> None:
        part = beginning(raw, world.limits.keyless_bytes_max)
        seek_key(world.keys, request.headers, request.query_params, part, now)
        let_in()

    if speaker is None:
        return await read_body(request, world.limits, doors.buffered, look)
    let_in()
    return await read_body(request, world.limits, doors.buffered)


def _address(request: Request) -> str:
    return request.client.host if request.client is not None else ""


async def submitted(doors: Doors, batch: Batch, slice_max: int, **more: str) -> Response:
    """The answer to a batch, once it is on disk, with what else there is to say."""
    counts = doors.world.counts
    counts.received["http"] += batch.messages
    counts.unproven["http"] += batch.unproven
    for bad in batch.rejected:
        counts.rejected["http", bad.code] += 1
    receipt = await _word(doors, batch.events, slice_max) if batch.events else Receipt()
    if receipt.refused is not None:
        return _refusal(doors, receipt)
    told = counted(batch.messages, len(batch.events) - batch.messages, receipt)
    counts.duplicates["http"] += told.duplicates
    counts.too_old["http"] += told.too_old
    return accepted(told, batch.rejected, batch.taken_unproven, **more)


def _refusal(doors: Doors, receipt: Receipt) -> Response:
    assert receipt.refused is not None
    doors.world.counts.refused["http", receipt.refused] += 1
    return refused(doors.world.admission.told(receipt), doors.world.limits.retry_ms)


async def _word(doors: Doors, events: Sequence[Event], slice_max: int) -> Receipt:
    """The engine's word on all of them, given to it in parts. Of one that is refused, and those after it, nothing was
    stored; those before are known as duplicates when all come again."""
    words: list[asyncio.Future[Receipt]] = []
    doors.requests += 1
    try:
        for first in range(0, len(events), slice_max):
            if first:
                await doors.world.admission.next_turn()
            words.append(_submit(doors, events[first : first + slice_max]))
            if words[-1].done() and words[-1].result().refused is not None:
                break
        receipts = [await word for word in words]
    finally:
        doors.requests -= 1
    refusal = next((receipt for receipt in receipts if receipt.refused is not None), None)
    return refusal or Receipt(
        accepted=sum(receipt.accepted for receipt in receipts),
        duplicates=sum(receipt.duplicates for receipt in receipts),
        too_old=sum(receipt.too_old for receipt in receipts),
        quarantined=sum(receipt.quarantined for receipt in receipts),
    )


def _submit(doors: Doors, events: Sequence[Event]) -> asyncio.Future[Receipt]:
    word: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()

    def done(receipt: Receipt) -> None:
        # The client may have gone meanwhile.
        if not word.done():
            word.set_result(receipt)
        doors.world.admission.settled()

    doors.world.submit(events, done)
    return word


def _visitor(doors: Doors) -> Endpoint:
    """A visitor token for a page, in the answer and in a cookie; who holds one keeps it, and the cookie lasts a year more."""

    async def answer(request: Request) -> Response:
        world, now = doors.world, doors.now_ms()
        try:
            early = _knock(world, request, now)
            body = inflated(await _body(doors, request, early, now), world.limits)
            if early is None:
                speaker_of(world.keys, request.headers, request.query_params, body, now)
        except AdmissionRefused as error:
            return _refusal(doors, error.receipt)
        except BadBody as bad:
            return error_answer(bad.status, bad.code, bad.message)
        except Denied as denied:
            return error_answer(denied.status, denied.code, denied.message)
        # Not from the body: a form of another site could put a token of its own into the visitor's cookie.
        token = visitor_token_of(request.headers)
        told = {"id": world.visitors.read(token)}
        if not told["id"]:
            given = world.visitors.issue()
            token, told = given.token, {"id": given.id, "token": given.token}
        headers = {"Set-Cookie": world.visitors.cookie(token), "Cache-Control": "no-store"}
        return json_answer({"success": True, "visitor": told}, headers=headers)

    return answer


async def _drop(request: Request) -> Response:
    """SDKs report figures about themselves."""
    return json_answer({"success": True})


async def _settings(request: Request) -> Response:
    """What analytics-next and the mobile SDKs ask for before they send: everything goes to this server."""
    key = request.path_params["key"]
    segment = {
        "apiKey": key,
        "apiHost": f"{request.url.netloc}/v1",
        "protocol": request.url.scheme,
        "unbundledIntegrations": [],
        "addBundledMetadata": True,
    }
    return json_answer(
        {
            "integrations": {"Segment.io": segment},
            "plan": {"track": {"__default": {"enabled": True, "integrations": {}}}},
            "edgeFunction": {},
            "middlewareSettings": {},
            "enabledMiddleware": {},
            "metrics": {"sampleRate": 0},
            "remotePlugins": [],
        }
    )
