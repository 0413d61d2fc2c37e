"""The demo put together: Cuebird as it is served, with the demo's pages, a mail catcher behind it and shoppers in front."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from cuebird.app import MoreRoutes, Parts, open_app
from cuebird.config import Server, Settings, StoreSettings
from cuebird.demo.letters import Bell
from cuebird.demo.pages import SITE, products
from cuebird.demo.routes import WRITE_KEY, demo_pages
from cuebird.demo.shoppers import live
from delivery.catcher import Catcher
from delivery.settings import DeliverySettings, SmtpSettings
from engine.clock import SystemClock
from engine.engine import Engine
from ingress.limits import IngressLimits
from persistence.interface import Store

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
async def open_demo(told: DemoSettings, clock: SystemClock | None = None) -> AsyncIterator[Running]:
    """Serves until it is left; everything taken is on disk then. OSError if the port is taken, StoreRefused if the
    database is not ours to open. `clock`: another than the machine's at that speed."""
    async with AsyncExitStack() as stack:
        listening = stack.enter_context(socket.create_server((HOST, told.port)))
        clock, bell = clock or SystemClock(told.speed), Bell()
        catcher = Catcher(clock.now_ms, host=HOST, on_message=bell.rung_by)
        await catcher.start()
        stack.push_async_callback(catcher.stop)

        def pages(parts: Parts) -> MoreRoutes:
            return demo_pages(parts, speed=told.speed, catcher=catcher, bell=bell)

        app = await stack.enter_async_context(
            open_app(
                _settings(told, listening.getsockname()[1], catcher.port),
                SITE,
                clock=clock,
                listening=listening,
                more_routes=pages,
                shop_name=SHOP,
            )
        )
        crowd = live(told.shoppers, seed=SEED, base=app.url, products=products(), speed=told.speed, key=WRITE_KEY)
        async with _beside(asyncio.create_task(crowd)):
            yield Running(app.url, app.engine, app.store, catcher, app.ended)


def _settings(told: DemoSettings, port: int, smtp: int) -> Settings:
    return Settings(
        server=Server(host=HOST, port=port, dev=True),
        store=StoreSettings(path=str((told.data / "cuebird.db").absolute()), index_users=True),
        ingress=demo_limits(told.speed),
        smtp=SmtpSettings(host=HOST, port=smtp, security="none", from_address=SENDER, from_name=SHOP),
        # Campaign tags on links are for the analytics of a real shop; here they would only clutter the address bar.
        delivery=DeliverySettings(public_url=f"http://{HOST}:{port}", utm=False),
    )


def demo_limits(speed: float) -> IngressLimits:
    """The waits for clients are told by the engine's clock, and a browser does not get faster with it."""
    usual = IngressLimits()
    waits = ("hello_wait_ms_max", "ping_ms", "silence_ms_max", "resume_ms_max")
    return msgspec.structs.replace(usual, **{name: round(getattr(usual, name) * max(1.0, speed)) for name in waits})


@asynccontextmanager
async def _beside(task: asyncio.Task[None]) -> AsyncIterator[None]:
    """Runs it meanwhile; what it fails with is nobody's business."""
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
