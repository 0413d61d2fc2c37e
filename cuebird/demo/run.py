"""The demo put together: a real engine, real SMTP to a catcher on loopback, one web server, the pages, the shoppers."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import msgspec

from actors.token import SECRET_BYTES_MIN, Tokens
from actors.turn import Send
from analytics.figures import read_figures
from analytics.watched import watched
from cuebird.demo.letters import Bell
from cuebird.demo.pages import SITE, products
from cuebird.demo.routes import WRITE_KEY, DemoPages, demo_pages
from cuebird.demo.shoppers import live
from delivery.catcher import Catcher
from delivery.dispatcher import Dispatcher
from delivery.push import Push as Rendered
from delivery.render import Templates
from delivery.settings import DeliverySettings, SmtpSettings
from engine.clock import SystemClock
from engine.engine import Engine
from engine.language.compile import compile_site
from engine.language.load import load_site
from ingress.app import Deps, build_app, new_streams
from ingress.keys import KeyRing
from ingress.limits import IngressLimits
from ingress.messages import Normalizer
from ingress.server import Server, build_server
from ingress.streams import Push, Streams
from ingress.tracking import Tracking
from ingress.websocket import Doors
from persistence.interface import Commit, Store
from persistence.sqlite import SqliteStore

T = TypeVar("T")

HOST: Final = "127.0.0.1"
SENDER: Final = "hello@littlefinch.example"
SHOP: Final = "Little Finch"
SEED: Final = 20260105


class DemoSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What `cuebird demo` is told. The database is `data`/cuebird.db."""

    data: Path
    port: int = 8700
    """0: any free one; the running demo names it."""
    speed: float = 60.0
    """How much faster than the wall's the engine's clock runs."""
    shoppers: int = 0


class Running(msgspec.Struct, frozen=True):
    """A demo that serves."""

    base: str
    """`http://127.0.0.1:8700`"""
    engine: Engine
    store: Store
    catcher: Catcher
    ended: asyncio.Task[None]
    """Ends when the server does, after a signal; raises StorageFailed when the store has failed."""


@asynccontextmanager
async def open_demo(settings: DemoSettings) -> AsyncIterator[Running]:
    """Serves until it is left; everything taken is on disk then. OSError if the port is taken, StoreRefused if the
    database is not ours to open."""
    async with AsyncExitStack() as stack:
        listening = stack.enter_context(socket.create_server((HOST, settings.port)))
        base = f"http://{HOST}:{listening.getsockname()[1]}"
        clock, bell = SystemClock(settings.speed), Bell()
        catcher = Catcher(clock.now_ms, host=HOST, on_message=bell.rung_by)
        await catcher.start()
        stack.push_async_callback(catcher.stop)

        taken, decided = Later[Commit](), Later[Sequence[Send]]()
        site = load_site(SITE)
        store = watched(SqliteStore(settings.data / "cuebird.db", index_users=True), taken)
        engine = Engine(store, compile_site(site), clock=clock, on_sends=decided)
        stack.push_async_callback(store.close)
        head = await engine.open()
        figures = await read_figures(store, head=head.seq)
        taken.to = figures.take

        boot = f"{head.seq}-{clock.now_ms()}"
        limits = demo_limits(settings.speed)
        streams = new_streams(boot, clock.now_ms, limits)
        tokens = Tokens([_secret(settings.data)])
        dispatcher = _dispatcher(engine, store, streams, clock, tokens, base, catcher.port, boot)
        decided.to = dispatcher.wake
        pages = demo_pages(
            store=store,
            statistics=engine.statistics,
            figures=figures,
            now_ms=clock.now_ms,
            speed=settings.speed,
            catcher=catcher,
            bell=bell,
        )
        app = build_app(
            Deps(
                submit=engine.submit,
                now_ms=clock.now_ms,
                streams=streams,
                keys=KeyRing(dev=True),
                normalizer=Normalizer(aliases=engine.program.aliases),
                limits=limits,
                extra_routes=[*_tracking(engine, store, dispatcher, tokens, clock).routes(), *pages.routes],
            )
        )
        app.state.doors.event_streams.add(Ending(pages, app.state.doors))
        server = build_server(app, host=HOST, port=0)
        shoppers = live(
            settings.shoppers, seed=SEED, base=base, products=products(), speed=settings.speed, key=WRITE_KEY
        )
        async with _running(engine, dispatcher, server, listening, shoppers) as ended:
            yield Running(base, engine, store, catcher, ended)


class Later(Generic[T]):
    """A listener that is known only after what it listens to was made."""

    def __init__(self) -> None:
        self.to: Callable[[T], None] | None = None

    def __call__(self, told: T) -> None:
        if self.to is not None:
            self.to(told)


class Ending(msgspec.Struct, frozen=True, eq=False):
    """Stands among the event streams of a server, so that the pages' own end when it drains."""

    pages: DemoPages
    doors: Doors

    def drain(self) -> None:
        self.pages.end()
        self.doors.event_streams.discard(self)


def demo_limits(speed: float) -> IngressLimits:
    """The waits for clients are told by the engine's clock, and a browser does not get faster with it."""
    usual = IngressLimits()
    waits = ("hello_wait_ms_max", "ping_ms", "silence_ms_max", "resume_ms_max", "close_wait_ms_max")
    return msgspec.structs.replace(usual, **{name: round(getattr(usual, name) * max(1.0, speed)) for name in waits})


@asynccontextmanager
async def _running(
    engine: Engine,
    dispatcher: Dispatcher,
    server: Server,
    listening: socket.socket,
    shoppers: Coroutine[Any, Any, None],
) -> AsyncIterator[asyncio.Task[None]]:
    """All that runs, and its end in the right order: ways in, ways out, engine."""
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    working = [asyncio.create_task(engine.run()), asyncio.create_task(dispatcher.run())]
    crowd = asyncio.create_task(shoppers)
    ended = asyncio.create_task(_first_end([serving, *working]))
    try:
        yield ended
    finally:
        crowd.cancel()
        server.begin_drain()
        await asyncio.gather(crowd, serving, return_exceptions=True)
        await dispatcher.stop()
        if not engine.failed.is_set():
            await engine.drain()
        for task in (ended, *working):
            task.cancel()
        await asyncio.gather(ended, *working, return_exceptions=True)


async def _first_end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Returns when one of them has ended; raises what it raised."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


def _dispatcher(
    engine: Engine, store: Store, streams: Streams, clock: SystemClock, tokens: Tokens, base: str, smtp: int, boot: str
) -> Dispatcher:
    # Campaign tags on links are for the analytics of a real shop; here they would only clutter the address bar.
    delivery = DeliverySettings(public_url=base, utm=False)

    def publish(user: str, push: Rendered) -> int:
        same = {name: getattr(push, name) for name in ("id", "data", "kind", "expires", "about")}
        return streams.publish(user, Push(**same))

    return Dispatcher(
        store=store,
        write=engine.write,
        submit=engine.submit,
        recheck=engine.recheck,
        publish=publish,
        templates=Templates.load(SITE / "templates", delivery, tokens),
        smtp=SmtpSettings(host=HOST, port=smtp, security="none", from_address=SENDER, from_name=SHOP),
        settings=delivery,
        clock=clock,
        boot=boot,
    )


def _tracking(engine: Engine, store: Store, dispatcher: Dispatcher, tokens: Tokens, clock: SystemClock) -> Tracking:
    async def send_of(send: str) -> Send | None:
        found = (await store.sends([send])).get(send)
        return found.send if found is not None else None

    return Tracking(
        tokens=tokens,
        submit=engine.submit,
        link=store.link,
        send=send_of,
        delivered_at=dispatcher.delivered_at,
        now_ms=clock.now_ms,
        shop_name=SHOP,
    )


def _secret(data: Path) -> bytes:
    """What links are signed with; made once, so that the links of an earlier run still lead somewhere."""
    path = data / "link-secret"
    if not path.exists():
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(secrets.token_bytes(SECRET_BYTES_MIN))
    return path.read_bytes()
