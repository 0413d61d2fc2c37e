"""Links of our messages: the open pixel, the redirect of a click, the page to unsubscribe.

    GET  /o/{token}.gif      43 bytes of GIF
    GET  /c/{token}          302 to the target that was stored when the mail was made
    GET  /u/{token}          a page with buttons; nothing is changed by looking at it, because scanners look at everything
    POST /u/{token}          one click of a mail client (RFC 8058), or a button of the page: stop this, stop all, take it back

A token that is not ours, or not for that route, is a 404 that looks like any other. Nothing that the visitor sends decides
where he is led.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from email import message_from_bytes, policy
from typing import Final, NamedTuple, Protocol
from urllib.parse import parse_qsl

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from actors.model.event import Event
from actors.model.feedback import feedback
from actors.model.turn import Send
from actors.values.token import Tokens
from engine.submit import Receipt, Submit
from ingress.http.customer_pages import PRIVATE, CustomerPages, Shop
from ingress.principals.visitors import Hit, RecentVisitors, is_machine_click, is_machine_open

PIXEL: Final = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")
"""A transparent GIF of 1 by 1, the smallest that every client shows."""

FORM_BYTES_MAX: Final = 4096
FORM_S_MAX: Final = 10.0
RESUBMITS_MAX: Final = 5
RECEIPT_S_MAX: Final = 10.0

UNDO_MS_MAX: Final = 900_000
"""So long what a link stopped can be taken back with it, while the process runs: long enough for a slip of the finger, for a letter
that was passed on must not subscribe anybody."""
UNDOS_MAX: Final = 10_000
"""Links of which it is remembered; the oldest goes."""


class TrackingCalls(msgspec.Struct, frozen=True):
    """What a user gets as things stand."""

    any: bool
    """Marketing at all."""
    topic: bool
    """Nothing was said against this topic."""


class Stopped(NamedTuple):
    """What the link of a mail has stopped, and may take back."""

    at: int
    """The last time."""
    topics: dict[str, int]
    """In order, and when each was stopped; an empty one: all mail."""


class Linked(Protocol):
    """A link of a mail, as it was stored when the mail was made."""

    @property
    def url(self) -> str: ...
    @property
    def name(self) -> str: ...


class Tracking:
    """`link(send id, index)` is the stored link, `send(send id)` the message itself, `delivered_at(send id)` when the
    receiving server took it (of recent ones), `wishes(user, topic)` what the user gets; each None if not known."""

    def __init__(
        self,
        *,
        tokens: Tokens,
        submit: Submit,
        link: Callable[[str, int], Awaitable[Linked | None]],
        send: Callable[[str], Awaitable[Send | None]],
        delivered_at: Callable[[str], int | None],
        wishes: Callable[[str, str], Awaitable[TrackingCalls | None]],
        now_ms: Callable[[], int],
        shop: Shop | None = None,
    ) -> None:
        self._tokens = tokens
        self._submit = submit
        self._link = link
        self._send = send
        self._delivered_at = delivered_at
        self._wishes = wishes
        self._now_ms = now_ms
        self._pages = CustomerPages(shop or Shop())
        self._recent = RecentVisitors()
        self._stopped: dict[str, Stopped] = {}
        """Of each send, the one whose link stopped something longest ago first."""

    def routes(self) -> list[Route]:
        return [
            Route("/o/{token}.gif", self.open, methods=["GET"]),
            Route("/c/{token}", self.click, methods=["GET"]),
            Route("/u/{token}", self.unsubscribe_page, methods=["GET"]),
            Route("/u/{token}", self.unsubscribe, methods=["POST"]),
        ]

    async def open(self, request: Request) -> Response:
        """The pixel, whatever the token: a broken picture in a mail helps nobody."""
        found = self._tokens.verify("open", request.path_params["token"])
        if found is not None and request.method == "GET":
            send = await self._send(found[0])
            if send is not None:
                machine = is_machine_open(self._hit(request, send, 0))
                # One event for the first person and one for the first machine; the engine drops the others by their id.
                self._tell("email_opened", send, "machine" if machine else "", machine=machine)
        return Response(PIXEL, media_type="image/gif", headers=PRIVATE)

    async def click(self, request: Request) -> Response:
        found = self._tokens.verify("click", request.path_params["token"])
        link = await self._link(*found) if found is not None else None
        if found is None or link is None:
            raise _not_found()
        send = await self._send(found[0])
        if send is not None:
            hit = self._hit(request, send, found[1])
            machine = is_machine_click(hit, self._recent)
            self._tell("email_clicked", send, f"{found[1]}:{hit.at}", machine=machine, link=link.name, url=link.url)
        return RedirectResponse(link.url, status_code=302, headers=PRIVATE)

    async def unsubscribe_page(self, request: Request) -> Response:
        """How things stand, and what could be done. A link that is damaged is told so in words: whoever sees this page is
        a customer of the shop."""
        try:
            send = await self._unsubscribing(request)
        except HTTPException as error:
            return self._pages.page("unknown.html", status=error.status_code)
        wishes = await self._wishes(send.user, send.topic)
        if wishes is None or (wishes.any and wishes.topic):
            return self._page("unsubscribe.html", send)
        return self._stopped_page(send, all_topics=not wishes.any, just_now=False)

    async def unsubscribe(self, request: Request) -> Response:
        """Answers after the wish is on disk: `List-Unsubscribe=One-Click`, or `scope=topic`, `scope=all`, `scope=undo` of
        the page."""
        send = await self._unsubscribing(request)
        form = await _form(request)
        one_click = form.get("List-Unsubscribe") == "One-Click"
        scope = "topic" if one_click else form.get("scope")
        if scope == "undo":
            return await self._undo(send)
        if scope not in ("topic", "all"):
            raise HTTPException(400, "Post List-Unsubscribe=One-Click, or use the button of the page.")
        topic = send.topic if scope == "topic" else ""
        if not await self._stop(send, topic):
            return self._try_again(send, scope)
        return self._stopped_page(send, all_topics=scope == "all", just_now=True)

    async def _stop(self, send: Send, topic: str) -> bool:
        """Whether it is on disk. A wish said twice is one event; said again after it was taken back it is another."""
        wishes, now = await self._wishes(send.user, send.topic), self._now_ms()
        is_new = wishes is not None and (wishes.topic if topic else wishes.any)
        before = self._stopped[send.id].topics if self._can_undo(send) else {}
        if topic in before and not is_new:
            return True  # a button pressed twice is no second no, which could not be taken back
        part = f"{topic or '*'}:{now}" if is_new else topic or "*"
        if not await self._stored([feedback("email_unsubscribed", send, now, part, topic=topic)]):
            return False
        if is_new:
            self._stopped.pop(send.id, None)
            self._stopped[send.id] = Stopped(now, {**before, topic: now})
            if len(self._stopped) > UNDOS_MAX:
                del self._stopped[next(iter(self._stopped))]
        return True

    async def _undo(self, send: Send) -> Response:
        """Takes back what this link stopped, and no other wish of the user: the actor knows what was said since."""
        if not self._can_undo(send):
            return self._page("too_late.html", send, status=409)
        now, topics = self._now_ms(), self._stopped[send.id].topics
        events = [
            feedback("email_subscribed", send, now, f"{topic or '*'}:{now}", topic=topic, undoes=at)
            for topic, at in topics.items()
        ]
        if not await self._stored(events):
            return self._try_again(send, "undo")
        self._stopped.pop(send.id, None)
        wishes = await self._wishes(send.user, send.topic)
        if wishes is not None and not (wishes.any and all(wishes.topic for topic in topics if topic)):
            return self._page("too_late.html", send, status=409)
        return self._page("subscribed.html", send)

    def _can_undo(self, send: Send) -> bool:
        found = self._stopped.get(send.id)
        return found is not None and self._now_ms() - found.at <= UNDO_MS_MAX

    def _stopped_page(self, send: Send, *, all_topics: bool, just_now: bool) -> Response:
        return self._page(
            "unsubscribed.html", send, all_topics=all_topics, just_now=just_now, can_undo=self._can_undo(send)
        )

    def _try_again(self, send: Send, scope: str) -> Response:
        return self._page("try_again.html", send, status=503, headers={"Retry-After": "5"}, scope=scope)

    async def _unsubscribing(self, request: Request) -> Send:
        found = self._tokens.verify("unsubscribe", request.path_params["token"])
        send = await self._send(found[0]) if found is not None else None
        if send is None:
            raise _not_found()
        return send

    def _page(
        self, name: str, send: Send, *, status: int = 200, headers: dict[str, str] | None = None, **more: object
    ) -> Response:
        return self._pages.page(name, status=status, headers=headers, topic=send.topic, address=masked(send.to), **more)

    def _hit(self, request: Request, send: Send, index: int) -> Hit:
        return Hit(
            send=send.id,
            index=index,
            at=self._now_ms(),
            delivered_at=self._delivered_at(send.id),
            method=request.method,
            agent=request.headers.get("user-agent", ""),
        )

    def _tell(self, name: str, send: Send, part: str, **properties: str | bool) -> None:
        """Nobody waits for an open or a click to be on disk: his page comes first."""
        self._hand_over(feedback(name, send, self._now_ms(), part, **properties), RESUBMITS_MAX)

    def _hand_over(self, event: Event, tries: int) -> None:
        def done(receipt: Receipt) -> None:
            if receipt.refused in ("overloaded", "storage_full", "too_many_for_user") and tries:
                loop = asyncio.get_running_loop()
                loop.call_later(max(receipt.retry_ms, 50) / 1000, self._hand_over, event, tries - 1)

        self._submit([event], done)

    async def _stored(self, events: Sequence[Event]) -> bool:
        """Whether they are on disk; False if nobody can say so in time."""
        answer: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._submit(events, lambda receipt: None if answer.done() else answer.set_result(receipt))
        try:
            receipt = await asyncio.wait_for(answer, RECEIPT_S_MAX)
        except TimeoutError:
            return False
        return receipt.refused is None


def masked(address: str) -> str:
    """`a••@example.test`: mails are forwarded, and whoever opens the page need not learn the address."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}••@{domain}"


def _not_found() -> HTTPException:
    return HTTPException(404, "This link is not, or no longer, known here.")


async def _form(request: Request) -> dict[str, str]:
    """Fields of a small form, urlencoded or multipart as RFC 8058 allows."""
    size = 0
    chunks = []
    try:
        async with asyncio.timeout(FORM_S_MAX):
            async for chunk in request.stream():
                size += len(chunk)
                if size > FORM_BYTES_MAX:
                    raise HTTPException(413, f"A form of at most {FORM_BYTES_MAX} bytes, please.")
                chunks.append(chunk)
    except TimeoutError:
        raise HTTPException(408, "The form did not arrive.", {"Connection": "close"}) from None
    except ClientDisconnect:
        raise HTTPException(400, "The form ended early.") from None
    return form_fields(b"".join(chunks), request.headers.get("content-type", ""))


def form_fields(body: bytes, content_type: str) -> dict[str, str]:
    """The named fields of a posted form; empty if it cannot be read."""
    if not content_type.lower().startswith("multipart/form-data"):
        return dict(parse_qsl(body.decode("utf-8", "replace").strip()))
    head = b"Content-Type: " + content_type.encode("latin-1", "replace").replace(b"\n", b" ") + b"\r\n\r\n"
    message = message_from_bytes(head + body, policy=policy.HTTP)
    fields = {}
    for part in message.iter_parts() if message.is_multipart() else ():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(payload, bytes):
            fields[name] = payload.decode("utf-8", "replace").strip()
    return fields
