"""Everything put together: the only place that knows all the parts.

    ways in (ingress) -> engine -> store -> outbox -> ways out (delivery) -> feedback -> engine

Delivery is *given* `submit`, ingress is given `submit` and the streams: the way of an event is a loop, the imports are not.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Final, Generic, TypeVar

import msgspec
from prometheus_client import CollectorRegistry
from starlette.routing import BaseRoute

from actors.model.turn import Send
from actors.sending.policy import consents
from actors.values.token import SECRET_BYTES_MIN, Tokens
from analytics.figures import Figures, read_figures
from analytics.watched import watched
from cuebird.changes.last_good import files_of, start_of
from cuebird.changes.migration import migrate
from cuebird.changes.proposal import compile_source as compile_source
from cuebird.changes.proposal import operator, told_figures
from cuebird.control.server import Control, open_control
from cuebird.serving.key_watch import KeyWatch
from cuebird.serving.metrics import Metrics
from cuebird.serving.orders import Orders
from cuebird.serving.outbox import OutboxRefused, Release, decide
from cuebird.serving.reload import Reload
from cuebird.serving.starting import Recovered, tell_begin, tell_recovered, tell_serving
from cuebird.serving.users import Answers
from cuebird.settings.config import Settings
from delivery.dispatcher import Dispatcher
from delivery.push import PushMessage as Rendered
from delivery.render import Templates
from engine.clock import SystemClock
from engine.engine import Engine
from engine.intake import CRITICAL
from engine.site_swap import SiteChange
from ingress.app import Deps, build_app, new_streams
from ingress.bounds.descriptors import fitted, needed, raised
from ingress.connections.streams import Push, Streams
from ingress.http.customer_pages import Shop
from ingress.http.tracking import Tracking, TrackingCalls
from ingress.http.users import UserQuestions, user_routes
from ingress.messages.messages import Normalizer
from ingress.principals.visitor_tokens import VisitorTokens
from ingress.server import Server, build_server
from language import versions
from language.syntax import ast
from language.syntax.problems import SiteErrors
from persistence.interface import Commit, Hold, Store
from persistence.sqlite import SqliteStore
from replay.backtest.reach import furthest
from replay.explain.recall import known_site

log = logging.getLogger(__name__)

T = TypeVar("T")

NO_SEND: Final = "it was started with --no-send"

GC_THRESHOLDS: Final = (50_000, 20, 100)
"""Actors are many and live long: looking through them as often as Python does by default costs a third of the time."""


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


class AppParts(msgspec.Struct, frozen=True):
    """What more routes may be made of: the demo's pages, the dashboard."""

    clock: SystemClock
    store: Store
    engine: Engine
    figures: Figures
    dispatcher: Dispatcher
    reload: Reload
    answers: Answers
    shop: Shop


class MoreRoutes(msgspec.Struct, frozen=True):
    """`end` ends their open streams: a server that drains waits for them."""

    routes: Sequence[BaseRoute] = ()
    end: Callable[[], None] = lambda: None


def no_more_routes(parts: AppParts) -> MoreRoutes:
    return MoreRoutes()


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

        def load_templates(site: ast.Site) -> Templates:
            return Templates.of(site.letters, delivery, tokens)

        files = files_of(site_path)
        if isinstance(files, SiteErrors) and not path.exists():  # nothing is served yet
            raise files  # before a database is made for a site that cannot run

        committed, decided = Later[Commit](), Later[Sequence[Send]]()
        machine = settings.store.machine or None
        stored = SqliteStore(path, index_users=settings.store.index_users, accept_loss=accept_loss, machine=machine)
        store = watched(stored, committed)
        stack.push_async_callback(store.close)
        began = perf_counter()
        head = await store.open()
        control = await stack.enter_async_context(open_control(path))
        start = await start_of(store, files, watches=settings.watches)
        templates = load_templates(start.site)

        async def described(before: str) -> SiteChange:
            """What the journal is to say of a site that was changed while nothing ran."""
            done = await read_figures(store, head=engine.statistics().seq)
            return SiteChange(who=operator(), of=tuple(versions.with_figures(start.changes, told_figures(done))))

        engine = Engine(
            store,
            start.program,
            clock=clock,
            limits=settings.engine,
            source=start.source,
            compile_program=compile_source,
            describe=described,
            on_sends=decided,
            critical=frozenset(start.site.profile.critical) or CRITICAL,
            keep=settings.store.keep(),
        )
        engine.retention.looks_back_ms = furthest(start.site)[0]
        await engine.open(head)
        recovered = Recovered(
            users=await store.users(), position=head.seq, replayed=engine.replayed, seconds=perf_counter() - began
        )
        tell_recovered(recovered, start.site, engine.program.hash)
        if delivery.only_to:
            log.warning("mail goes to %s alone ([delivery] only_to)", ", ".join(delivery.only_to))
        if no_send:
            await store.put_on_hold(Hold(head.at, NO_SEND))
        hold = await store.hold()
        if hold is not None:
            log.warning("NOTHING IS SENT, the outbox is on hold: %s. `cuebird outbox` shows and decides", hold.reason)
        figures = await read_figures(store, head=head.seq, speed=clock.speed)
        committed.to = figures.take
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)

        boot = f"{head.seq}-{clock.now_ms()}-{secrets.token_hex(4)}"
        streams = new_streams(boot, clock.now_ms, settings.ingress)
        dispatcher = Dispatcher(
            store=store,
            write=engine.write,
            submit=engine.submit,
            recheck=engine.recheck,
            publish=publishing(streams),
            templates=templates,
            smtp=settings.smtp,
            settings=delivery,
            clock=clock,
            boot=boot,
        )
        dispatcher.hold = hold
        decided.to = dispatcher.wake
        program = engine.program
        normalizer = Normalizer(program.aliases, program.policy.lateness, settings.ingress, program.keeps_ip)

        def follow() -> None:
            normalizer.follow(engine.program.aliases, engine.program.policy.lateness, engine.program.keeps_ip)
            engine.retention.looks_back_ms = furthest(reload.site)[0]

        reload = Reload(
            site_path,
            start,
            engine,
            watches=settings.watches,
            load_templates=load_templates,
            use_templates=partial(_use_templates, dispatcher),
            taken=follow,
            figures=lambda: told_figures(figures),
            now_ms=clock.now_ms,
        )
        orders = Orders(
            engine,
            reload,
            migrate=partial(migrate, engine, store),
            believe_clock=clock.confirm,
            decide_outbox=partial(
                decide, store, let_go=_letting_go(dispatcher, no_send=no_send), settle=dispatcher.drop
            ),
        )
        metrics = Metrics(engine, dispatcher, store, reload)
        registry = CollectorRegistry()
        registry.register(metrics)
        answers, shop = Answers(engine, store, known_site(start.site), clock.now_ms), settings.shown_shop()
        more = more_routes(AppParts(clock, store, engine, figures, dispatcher, reload, answers, shop))
        app = build_app(
            Deps(
                submit=engine.submit,
                now_ms=clock.now_ms,
                streams=streams,
                owner=engine.owner,
                keys=keys,
                visitors=VisitorTokens(tokens, secure=url.startswith("https:")),
                normalizer=normalizer,
                limits=fitted(settings.ingress, raised(needed(settings.ingress))),
                in_flight=engine.in_flight,
                ready=lambda: readiness(engine, reload, on_hold=dispatcher.hold is not None),
                version=version("cuebird"),
                registry=registry,
                look=metrics.look,
                shop=shop,
                extra_routes=[
                    *_tracking(engine, store, dispatcher, tokens, clock, shop).routes(),
                    *user_routes(UserQuestions(answers.profile, answers.explain), keys, clock.now_ms),
                    *more.routes,
                ],
            )
        )
        server = build_server(app, host=settings.server.host, port=0)
        key_watch.changed = app.state.doors.look_again
        app.state.doors.event_streams.add(_Ending(more, app.state.doors))
        control.ending = lambda: server.draining is not None
        async with _running(engine, dispatcher, [reload.run(), key_watch.run()], control, server, listening) as ended:
            control.begin(orders.do)
            tell_serving(msgspec.structs.replace(settings, delivery=delivery), site_path, url)
            yield App(settings, clock, store, engine, figures, streams, dispatcher, reload, server, url, ended)


class Later(Generic[T]):
    """A listener that is known only after what it listens to was made."""

    def __init__(self) -> None:
        self.to: Callable[[T], None] | None = None

    def __call__(self, told: T) -> None:
        if self.to is not None:
            self.to(told)


class _Ending:
    """Stands among the event streams of a server, so that those of `MoreRoutes` end when it drains."""

    def __init__(self, more: MoreRoutes, doors: object) -> None:
        self._more = more
        self._streams: set[object] = doors.event_streams  # type: ignore[attr-defined]  # the doors are ingress's own

    def look_again(self) -> None:
        """It is for whoever may look at this machine, not for a key."""

    def drain(self) -> None:
        self._more.end()
        self._streams.discard(self)


def _unset(settings: Settings) -> bool:
    """Whether nobody said how recipients reach us, so that it is where we listen."""
    return not settings.server.public_url and settings.delivery.public_url == settings.server.url


def _url(settings: Settings, listening: socket.socket) -> str:
    if settings.server.public_url:
        return settings.server.url
    server = msgspec.structs.replace(settings.server, port=listening.getsockname()[1])
    return server.url


def own_secret(folder: Path) -> bytes:
    """What links are signed with where the settings name no secret (development): made once, beside the database, so
    that the links of an earlier run still lead somewhere."""
    path = folder / "link-secret"
    if not path.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(secrets.token_bytes(SECRET_BYTES_MIN))
    return path.read_bytes()


def _use_templates(dispatcher: Dispatcher, templates: Templates) -> Callable[[], None]:
    before, dispatcher.templates = dispatcher.templates, templates
    return lambda: setattr(dispatcher, "templates", before)


def publishing(streams: Streams) -> Callable[[str, Rendered], int]:
    """Delivery's pushes into ingress's streams: neither knows the other's struct."""

    def publish(user: str, push: Rendered) -> int:
        same = {name: getattr(push, name) for name in ("id", "data", "kind", "expires", "about")}
        return streams.publish(user, Push(**same))

    return publish


def _letting_go(dispatcher: Dispatcher, *, no_send: bool) -> Release:
    async def refuse(sends: Sequence[str] | None) -> None:
        raise OutboxRefused("this server was started with --no-send: start it without, and then release")

    return refuse if no_send else dispatcher.release


def readiness(engine: Engine, reload: Reload, *, on_hold: bool = False) -> dict[str, bool | int]:
    """Return what /readyz says: none of it may be false. The machine's clock being behind is told, and stops nothing; nor
    do files that are not what runs, or an outbox on hold, for events are taken and decided."""
    statistics = engine.statistics()
    side, seconds = "ahead" if statistics.clock_held else "behind", abs(statistics.clock_offset_ms) // 1000
    told: dict[str, bool | int] = {f"clock_{side}_s": seconds} if seconds else {}
    if on_hold:
        told["outbox_on_hold"] = 1
    if reload.differs:
        told["site_differs"] = True
    return told | {
        "storage": statistics.storage == "good",
        "clock": not statistics.clock_held,
        "taking_events": not statistics.draining,
    }


def _tracking(
    engine: Engine, store: Store, dispatcher: Dispatcher, tokens: Tokens, clock: SystemClock, shop: Shop
) -> Tracking:
    async def send_of(send: str) -> Send | None:
        found = (await store.sends([send])).get(send)
        return found.send if found is not None else None

    async def wishes(user: str, topic: str) -> TrackingCalls | None:
        actor = await engine.user(user)
        if actor is None:
            return None
        return TrackingCalls(
            any=consents(actor, "marketing", "", engine.program), topic=topic not in actor.unsubscribed
        )

    return Tracking(
        tokens=tokens,
        submit=engine.submit,
        link=store.link,
        send=send_of,
        delivered_at=dispatcher.delivered_at,
        wishes=wishes,
        now_ms=clock.now_ms,
        shop=shop,
    )


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
