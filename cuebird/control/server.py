"""The engine's end of the socket: a small HTTP server of its own, which takes one kind of request.

    POST /orders    an `Order`; X-Engine: the process that it is meant for -> an `OrderResult`, after spaces while it is done

A command that comes while the engine starts waits for it. One that comes while it ends is told so. An order that was taken
is done, whether or not who gave it still listens.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from cuebird.control.order import Order, OrderResult
from cuebird.control.place import inode_of, listen, socket_of

log = logging.getLogger(__name__)

T = TypeVar("T")

ORDER_BYTES_MAX: Final = 16 * 1024 * 1024
"""An order may name everybody who is in quarantine."""

ORDER_WAIT_S_MAX: Final = 5.0
"""How long half an order is waited for."""

START_WAIT_S_MAX: Final = 25.0
"""How long an order waits for the engine to serve."""

BEAT_S: Final = 5.0
"""How often a command that waits hears that its order is still worked on."""

END_WAIT_S_MAX: Final = 5.0
"""How long the end of the engine waits for the orders under way."""


class Control:
    """Takes orders once it has been told who does them. `ending`: whether the engine takes no more of them."""

    def __init__(self) -> None:
        self.ending: Callable[[], bool] = lambda: False
        self._do: Callable[[Order], Awaitable[OrderResult]] | None = None
        self._ready = asyncio.Event()
        self._ended = asyncio.Event()
        self._work: set[asyncio.Task[OrderResult]] = set()

    @property
    def app(self) -> Starlette:
        return Starlette(routes=[Route("/orders", self._order, methods=["POST"])])

    def begin(self, do: Callable[[Order], Awaitable[OrderResult]]) -> None:
        """The engine serves: what waits is done, and what comes."""
        self._do = do
        self._ready.set()

    async def end(self, *, at_once: bool = False) -> None:
        """Takes no more, and waits for what is under way, but not for long. Twice does nothing."""
        self._ended.set()
        if self._work:
            _, late = await asyncio.wait(self._work, timeout=0 if at_once else END_WAIT_S_MAX)
            for task in late:
                task.cancel()

    async def _order(self, request: Request) -> Response:
        me = os.getpid()
        try:
            raw = await self._unless_ended(_body(request), ORDER_WAIT_S_MAX)
        except ClientDisconnect:
            return Response()  # nobody is there to read it
        if raw is None:
            return self._ends() if self._ended.is_set() else _no(408, "the rest of the order did not come")
        if len(raw) > ORDER_BYTES_MAX:
            return _no(413, f"an order has at most {ORDER_BYTES_MAX:,} bytes: name fewer users")
        if (meant := request.headers.get("X-Engine", "")) != str(me):
            return _no(409, f"the order is for process {meant}, and this is process {me}")
        try:
            order = msgspec.json.decode(raw, type=Order)
        except msgspec.MsgspecError as error:
            return _no(400, f"process {me} does not know this order ({error}): use the command of its own version")
        await self._unless_ended(self._ready.wait(), START_WAIT_S_MAX)
        if self._ended.is_set() or self.ending():
            return self._ends()
        if self._do is None:
            return _no(503, f"process {me} is still starting: say it again when it serves")
        task: asyncio.Task[OrderResult] = asyncio.ensure_future(self._do(order))
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return StreamingResponse(_beats(task), media_type="application/json")

    async def _unless_ended(self, waiting: Awaitable[T], wait_s: float) -> T | None:
        """What came of it; None if it took too long, or all has ended."""
        task, ended = asyncio.ensure_future(waiting), asyncio.ensure_future(self._ended.wait())
        try:
            await asyncio.wait([task, ended], timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            task.cancel()
            ended.cancel()

    def _ends(self) -> Response:
        return _no(503, f"process {os.getpid()} is ending and takes no more orders: say it again when it has ended")


async def _body(request: Request) -> bytes:
    """As much of it as is too much."""
    found = bytearray()
    async for piece in request.stream():
        found += piece
        if len(found) > ORDER_BYTES_MAX:
            break
    return bytes(found)


async def _beats(task: asyncio.Task[OrderResult]) -> AsyncIterator[bytes]:
    """Spaces before JSON mean nothing. Who stops listening does not stop the order."""
    while not (await asyncio.wait([task], timeout=BEAT_S))[0]:
        yield b" "
    if task.cancelled():
        yield msgspec.json.encode(
            OrderResult(taken=False, problems=(f"process {os.getpid()} ended before it was done",))
        )
    else:
        yield msgspec.json.encode(task.result())


def _no(status: int, problem: str) -> Response:
    return Response(msgspec.json.encode({"problem": problem}), status, media_type="application/json")


class _Server(uvicorn.Server):
    """Signals are the other server's."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def open_control(database: Path) -> AsyncIterator[Control]:
    """Listens until it is left; the socket is removed then. The caller holds the database's lock.

    Where no socket can be made the engine serves all the same, and the log says why no command can talk to it.
    """
    control = Control()
    try:
        listening = listen(database)
    except OSError as error:
        log.warning("no command can talk to this engine: %s: %s", socket_of(database), error.strerror or error)
        yield control
        return
    path = socket_of(database)
    ours = inode_of(path)
    server = _Server(
        uvicorn.Config(
            control.app,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield control
    finally:
        await control.end()
        server.should_exit = True
        await asyncio.gather(serving, return_exceptions=True)
        listening.close()
        if inode_of(path) == ours:  # not one of who has put another database in our place
            path.unlink(missing_ok=True)
