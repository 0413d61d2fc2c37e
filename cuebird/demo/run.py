"""The demo put together: Cuebird as it is served, with the demo's pages, a mail catcher behind it and shoppers in front."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import msgspec

from cuebird.demo.catcher import Catcher
from cuebird.demo.letters import Bell
from cuebird.demo.pages import SITE, products
from cuebird.demo.routes import WRITE_KEY, demo_pages
from cuebird.demo.settings import DemoSettings
from cuebird.demo.shoppers import live
from cuebird.serving.app import open_app
from cuebird.serving.parts import AppParts, MoreRoutes
from cuebird.settings.config import ServerSettings, Settings, StoreSettings
from delivery.settings import DeliverySettings, SmtpSettings
from engine.clock import SystemClock
from engine.engine import Engine
from ingress.bounds.limits import IngressLimits
from ingress.http.customer_pages import Shop, Topic
from persistence.interface import Store

HOST: Final = "127.0.0.1"
SENDER: Final = "hello@littlefinch.example"
SHOP: Final = "Little Finch"
SEED: Final = 20260105
LOOKS: Final = Shop(
    name=SHOP,
    topics=(
        Topic(topic="cart", words="what is in your cart"),
        Topic(topic="browse", words="what you have looked at"),
        Topic(topic="orders", words="your orders"),
        Topic(topic="account", words="your account"),
    ),
)


class RunningDemo(msgspec.Struct, frozen=True):
    """A demo that serves."""

    base: str
    """`http://127.0.0.1:8700`"""
    engine: Engine
    store: Store
    catcher: Catcher
    stopping: asyncio.Event
    """Set when a signal has come: what was taken is being finished."""
    ended: asyncio.Task[None]
    """Ends when the server does, after a signal; raises StorageFailed when the store has failed."""


@asynccontextmanager
async def open_demo(told: DemoSettings, clock: SystemClock | None = None) -> AsyncIterator[RunningDemo]:
    """Serves until it is left; everything taken is on disk then. OSError if the port is taken, StoreRefused if the
    database is not ours to open. `clock`: another than the machine's at that speed."""
    async with AsyncExitStack() as stack:
        listening = stack.enter_context(socket.create_server((HOST, told.port)))
        clock, bell, stopping = clock or SystemClock(told.speed), Bell(), asyncio.Event()
        catcher = Catcher(clock.now_ms, host=HOST, on_message=bell.rung_by)
        await catcher.start()
        stack.push_async_callback(catcher.stop)

        def pages(parts: AppParts) -> MoreRoutes:
            return demo_pages(parts, told, catcher=catcher, bell=bell, stopping=stopping)

        app = await stack.enter_async_context(
            open_app(
                _settings(told, listening.getsockname()[1], catcher.port),
                SITE,
                clock=clock,
                listening=listening,
                more_routes=pages,
            )
        )
        crowd = live(told.shoppers, seed=SEED, base=app.url, products=products(), speed=told.speed, key=WRITE_KEY)
        async with _until(stopping, crowd):
            yield RunningDemo(app.url, app.engine, app.store, catcher, stopping, app.ended)


def _settings(told: DemoSettings, port: int, smtp: int) -> Settings:
    return Settings(
        server=ServerSettings(host=HOST, port=port, dev=True),
        store=StoreSettings(path=str((told.data / "cuebird.db").absolute()), index_users=True),
        ingress=demo_limits(told.speed),
        smtp=SmtpSettings(host=HOST, port=smtp, security="none", from_address=SENDER, from_name=SHOP),
        shop=LOOKS,
        # Campaign tags on links are for the analytics of a real shop; here they would only clutter the address bar.
        delivery=DeliverySettings(public_url=f"http://{HOST}:{port}", utm=False),
    )


def demo_limits(speed: float) -> IngressLimits:
    """The waits for clients are told by the engine's clock, and a browser does not get faster with it."""
    usual = IngressLimits()
    waits = ("hello_wait_ms_max", "ping_ms", "silence_ms_max", "resume_ms_max")
    return msgspec.structs.replace(usual, **{name: round(getattr(usual, name) * max(1.0, speed)) for name in waits})


@asynccontextmanager
async def _until(stopping: asyncio.Event, crowd: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs the crowd meanwhile, and no longer than until `stopping`: a server that drains waits for who is connected.
    What it fails with is nobody's business."""
    task = asyncio.create_task(crowd)
    leaving = asyncio.create_task(stopping.wait())
    leaving.add_done_callback(lambda _: task.cancel())
    try:
        yield
    finally:
        leaving.cancel()
        await asyncio.gather(leaving, task, return_exceptions=True)
