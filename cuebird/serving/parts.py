"""What runs, for whoever makes more routes of it: the demo's pages, the dashboard."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from starlette.routing import BaseRoute

from analytics.figures import Figures
from cuebird.serving.reload import Reload
from cuebird.serving.users import Answers
from delivery.dispatcher import Dispatcher
from engine.clock import SystemClock
from engine.engine import Engine
from ingress.http.customer_pages import Shop
from persistence.interface import Store


class AppParts(msgspec.Struct, frozen=True):
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
