"""What an operator asks of the quarantine, done by the engine that has the database."""

from __future__ import annotations

from cuebird.requests import Request
from engine.engine import Engine
from engine.release import Released


async def release(engine: Engine, request: Request) -> tuple[Released, ...]:
    """Of each user that is named. Raises StorageFull."""
    told = engine.release
    return tuple(
        [
            await (told.retry(user) if request.what == "retry" else told.drop(user, anew=request.anew))
            for user in request.users
        ]
    )
