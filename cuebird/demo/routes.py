"""All pages of the demo over what runs behind them."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import Final

from cuebird.demo.catcher import Catcher
from cuebird.demo.letters import Bell
from cuebird.demo.pages import FOLDER, NAVIGATION, NOTICE, Demo, spoken
from cuebird.demo.settings import DemoSettings
from cuebird.serving.dashboard import dashboard_of
from cuebird.serving.link_secret import own_secret
from cuebird.serving.parts import AppParts, MoreRoutes
from ingress.http.dashboard_pages import Frame, Pages

WRITE_KEY: Final = "wk_demo"
IDLE_MS: Final = 1_800_000
"""So long a cart is left before its letter goes out."""
OVER: Final = 50
"""A cart of more dollars gets one."""


def demo_pages(
    parts: AppParts, told: DemoSettings, *, catcher: Catcher, bell: Bell, stopping: asyncio.Event
) -> MoreRoutes:
    """Dashboard, shop and inbox; `bell` is rung by the catcher's `on_message`, `stopping` is set when the server drains."""
    pages = Pages(_frame(parts, told), FOLDER)
    dashboard = dashboard_of(parts, pages)
    demo = Demo(pages, catcher, bell, write_key=WRITE_KEY, speed=told.speed)

    def end() -> None:
        dashboard.end()
        bell.close()
        stopping.set()

    return MoreRoutes([*dashboard.routes(), *demo.routes()], end)


def _frame(parts: AppParts, told: DemoSettings) -> Frame:
    """`data-demo` tells this database from others: what a browser keeps of another means nothing here. The rest words the
    steps of the guide; they are those of the site's `cart_reminder`, which a test compares."""
    return Frame(
        now_ms=parts.clock.now_ms,
        speed=told.speed,
        notice=NOTICE,
        pages=NAVIGATION,
        scripts=("/demo/guide.js",),
        styles=("/demo/guide.css",),
        data={
            "demo": sha256(own_secret(told.data)).hexdigest()[:12],
            "idle": str(IDLE_MS),
            "over": str(OVER),
            "spoken": spoken(IDLE_MS / 1000 / told.speed),
        },
    )
