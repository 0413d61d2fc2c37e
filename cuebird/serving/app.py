"""Everything put together: the only place that knows all the parts.

    ways in (ingress) -> engine -> store -> outbox -> ways out (delivery) -> feedback -> engine

Delivery is *given* `submit`, ingress is given `submit` and the streams: the way of an event is a loop, the imports are not.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from time import perf_counter

import msgspec

from actors.values.token import Tokens
from analytics.figures import Figures, read_figures
from cuebird.changes.last_good import files_of, start_of
from cuebird.control.server import Control, open_control
from cuebird.serving.key_watch import KeyWatch
from cuebird.serving.link_secret import own_secret
from cuebird.serving.orders import Orders
from cuebird.serving.parts import AppParts, MoreRoutes, no_more_routes
from cuebird.serving.recovered_engine import Following, recovered_engine, settle_memory
from cuebird.serving.reload import Reload
from cuebird.serving.starting import tell_begin, tell_serving
from cuebird.serving.users import Answers
from cuebird.serving.ways_in import open_ways_in
from cuebird.serving.ways_out import WaysOut, hold_of, templates_of
from cuebird.settings.config import Settings
from delivery.dispatcher import Dispatcher
from engine.clock import SystemClock
from engine.engine import Engine
from ingress.app import new_streams
from ingress.connections.streams import Streams
from ingress.messages.messages import Normalizer
from ingress.server import Server
from language.syntax.problems import SiteErrors
from persistence.interface import Store
from persistence.sqlite import SqliteStore
from replay.explain.recall import known_site


class App(msgspec.Struct, frozen=True):
    """A Cuebird that runs. `ended` ends when the server does, after a signal; it raises StorageFailed when the store has
    failed (then nothing more was acknowledged, and the process has to end with 74)."""

    settings: Settings
    clock: SystemClock
    store: Store
    engine: Engine
    figures: Figures
    streams: Streams
    dispatcher: Dispatcher
    reload: Reload
    server: Server
    url: str
    ended: asyncio.Task[None]


@asynccontextmanager
async def open_app(
    settings: Settings,
    site_path: Path,
    *,
    clock: SystemClock | None = None,
    listening: socket.socket | None = None,
    more_routes: Callable[[AppParts], MoreRoutes] = no_more_routes,
    accept_loss: bool = False,
    no_send: bool = False,
) -> AsyncIterator[App]:
    """Serves the site until it is left, or a signal has ended `App.ended`; all that was taken is on disk then.

    `listening`: a socket to serve on instead of the address of the settings. `no_send`: puts the outbox on hold, and no
    operator can release it as long as this runs. Raises SiteErrors, TemplatesInvalid,
    StoreRefused, StoreError, OSError if the address is taken.
    """
    # On a developer's machine a pause of days is an ordinary one.
    clock = clock or (SystemClock(synchronised=lambda: True) if settings.server.dev else SystemClock())
    async with AsyncExitStack() as stack:
        if listening is None:
            listening = socket.create_server((settings.server.host, settings.server.port), backlog=2048)
        stack.enter_context(listening)
        # Inherited by every connection. asyncio sets it only for sockets made with IPPROTO_TCP, and without it a push that
        # follows an ack at once waits 40 ms for the client's delayed ACK.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        url = _url(settings, listening)
        delivery = msgspec.structs.replace(settings.delivery, public_url=url) if _unset(settings) else settings.delivery
        path = site_path / settings.store.path
        tell_begin(site_path, path)
        keys = settings.key_ring()
        key_watch = KeyWatch(site_path, keys)
        tokens = Tokens(settings.secrets() if settings.server.secret else [own_secret(path.parent)])
        files = files_of(site_path)
        if isinstance(files, SiteErrors) and not path.exists():  # nothing is served yet
            raise files  # before a database is made for a site that cannot run

        machine = settings.store.machine or None
        store = SqliteStore(path, index_users=settings.store.index_users, accept_loss=accept_loss, machine=machine)
        stack.push_async_callback(store.close)
        began = perf_counter()
        head = await store.open()
        control = await stack.enter_async_context(open_control(path))
        start = await start_of(store, files, watches=settings.watches)
        templates = templates_of(start.site, delivery, tokens)
        engine = await recovered_engine(settings, store, head, start, clock, began)
        hold = await hold_of(store, head.at, delivery, no_send=no_send)
        figures = await read_figures(store, head=head.seq, speed=clock.speed)
        settle_memory()

        boot = f"{head.seq}-{clock.now_ms()}-{secrets.token_hex(4)}"
        streams = new_streams(boot, clock.now_ms, settings.ingress)
        ways_out = WaysOut(
            store,
            engine,
            streams,
            clock,
            templates,
            settings.smtp,
            delivery,
            tokens,
            boot=boot,
            hold=hold,
            no_send=no_send,
        )
        dispatcher = ways_out.dispatcher
        engine.listener = Following(figures, dispatcher)
        program = engine.program
        normalizer = Normalizer(program.aliases, program.policy.lateness, settings.ingress, program.keeps_ip)
        reload = Reload(site_path, start, engine, ways_out, normalizer, figures, clock, watches=settings.watches)
        orders = Orders(engine, store, clock, reload, ways_out)
        answers = Answers(engine, store, known_site(start.site), clock.now_ms)
        parts = AppParts(clock, store, engine, figures, dispatcher, reload, answers, settings.shown_shop())
        server = open_ways_in(
            settings,
            parts,
            more_routes(parts),
            streams,
            normalizer,
            keys,
            tokens,
            secure=url.startswith("https:"),
        )
        key_watch.changed = server.doors.look_again
        control.ending = lambda: server.draining is not None
        async with _running(engine, dispatcher, [reload.run(), key_watch.run()], control, server, listening) as ended:
            control.begin(orders.do)
            tell_serving(msgspec.structs.replace(settings, delivery=delivery), site_path, url)
            yield App(settings, clock, store, engine, figures, streams, dispatcher, reload, server, url, ended)


def _unset(settings: Settings) -> bool:
    """Whether nobody said how recipients reach us, so that it is where we listen."""
    return not settings.server.public_url and settings.delivery.public_url == settings.server.url


def _url(settings: Settings, listening: socket.socket) -> str:
    if settings.server.public_url:
        return settings.server.url
    server = msgspec.structs.replace(settings.server, port=listening.getsockname()[1])
    return server.url


@asynccontextmanager
async def _running(
    engine: Engine,
    dispatcher: Dispatcher,
    watches: Sequence[Coroutine[None, None, None]],
    control: Control,
    server: Server,
    listening: socket.socket,
) -> AsyncIterator[asyncio.Task[None]]:
    """All that runs, and its end in the right order: changes of the site, ways in, ways out, engine."""
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    watching = [asyncio.create_task(watch) for watch in watches]
    working = [asyncio.create_task(engine.run()), asyncio.create_task(dispatcher.run())]
    ended = asyncio.create_task(_first_end([serving, *working]))
    try:
        await _started(server, ended)
        yield ended
    finally:
        for watch in watching:
            watch.cancel()
        await asyncio.gather(control.end(at_once=engine.failed.is_set()), *watching, return_exceptions=True)
        if engine.failed.is_set():
            server.force_exit = server.should_exit = True
        else:
            server.begin_drain()
        await asyncio.gather(serving, return_exceptions=True)
        await dispatcher.stop()
        if not engine.failed.is_set():
            await engine.drain()
        for task in (ended, *working):
            task.cancel()
        await asyncio.gather(ended, *working, return_exceptions=True)


async def _started(server: Server, ended: asyncio.Task[None]) -> None:
    """Returns when the server serves, and so listens to signals too: a SIGTERM from here on drains."""
    while not server.started and not ended.done():  # noqa: ASYNC110  # uvicorn tells it by a flag alone
        await asyncio.sleep(0.005)


async def _first_end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Returns when one of them has ended; raises what it raised."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
