"""What an operator asks of the quarantine, done by the engine that has the database."""

from __future__ import annotations

from cuebird.control.order import Order
from engine.engine import Engine
from engine.release import Released


async def release(engine: Engine, order: Order) -> tuple[Released, ...]:
    """Of each user that is named. Raises StorageFull."""
    told = engine.release
    return tuple(
        [
            await (told.retry(user) if order.what == "retry" else told.drop(user, anew=order.anew))
            for user in order.users
        ]
    )
