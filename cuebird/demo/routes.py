"""All pages of the demo over what runs behind them."""

from __future__ import annotations

from typing import Final

from cuebird.app import MoreRoutes, Parts
from cuebird.dashboard import dashboard_of
from cuebird.demo.letters import Bell
from cuebird.demo.pages import FOLDER, NAVIGATION, NOTICE, Demo
from delivery.catcher import Catcher
from ingress.dashboard_pages import Frame, Pages

WRITE_KEY: Final = "wk_demo"


def demo_pages(parts: Parts, *, speed: float, catcher: Catcher, bell: Bell) -> MoreRoutes:
    """Dashboard, shop and inbox; `bell` is rung by the catcher's `on_message`."""
    pages = Pages(Frame(now_ms=parts.clock.now_ms, speed=speed, notice=NOTICE, pages=NAVIGATION), FOLDER)
    dashboard = dashboard_of(parts, pages)
    demo = Demo(pages, catcher, bell, write_key=WRITE_KEY, speed=speed)

    def end() -> None:
        dashboard.end()
        bell.close()

    return MoreRoutes([*dashboard.routes(), *demo.routes()], end)
