"""Runs that are to be moved to the version that counts: whom it concerns, who cannot be moved and why, and the move."""

from __future__ import annotations

from typing import Final

import msgspec

from actors.actor import Actor, unpack
from actors.migration import MIGRATED, obstacle, target
from actors.model.event import Event
from actors.model.program import Program
from actors.model.state import ENDED
from cuebird.changes.active_runs import active_runs
from engine.engine import Engine
from engine.submit import stored
from persistence.interface import StoreReader

BATCH_USERS: Final = 500

_encode = msgspec.json.encode


class Moving(msgspec.Struct, frozen=True, kw_only=True):
    """One run that is not in the version it would be entered with now."""

    user: str
    run: str
    version: str
    step: str
    obstacle: str = ""
    """Why it cannot be moved, "" if it can."""


async def plan(store: StoreReader, program: Program, campaign: str) -> list[Moving]:
    """Every run that is to be moved, oldest first, as the snapshots have them: a few seconds old, if an engine runs."""
    runs = await active_runs(store, campaign)
    users = list(dict.fromkeys(run.user for run in runs))
    found: list[Moving] = []
    for start in range(0, len(users), BATCH_USERS):
        snapshots = await store.load(users[start : start + BATCH_USERS])
        for snapshot in snapshots.values():
            found += movings(unpack(snapshot.state), program, campaign)
    order = {run.run: number for number, run in enumerate(runs)}
    return sorted(found, key=lambda one: order.get(one.run, len(order)))


def movings(actor: Actor, program: Program, campaign: str) -> list[Moving]:
    new = target(program, campaign, actor)
    if new is None:
        return []
    found = []
    for run in actor.runs:
        if run.campaign != campaign or run.pc == ENDED or run.version == new.version:
            continue
        old = program.versions.get(run.version)
        code = () if old is None else old.codes.get(run.variant, old.code)
        found.append(
            Moving(
                user=actor.user,
                run=run.id,
                version=run.version,
                step=code[run.pc].step if run.pc < len(code) else "",
                obstacle=obstacle(old, new, run),
            )
        )
    return found


async def migrate(engine: Engine, store: StoreReader, campaign: str, who: str, request: str) -> tuple[int, list[str]]:
    """Asks the actor of everybody who is in it. Returns (runs moved, what could not be moved and why).

    `request` names this operation: the same one again moves nobody twice.
    """
    users = list(dict.fromkeys(run.user for run in await active_runs(store, campaign)))
    body = _encode({"campaign": campaign, "who": who})
    moved, left = 0, []
    for start in range(0, len(users), BATCH_USERS):
        concerned = {}
        for user in users[start : start + BATCH_USERS]:
            actor = await engine.user(user)
            if actor is not None and (before := movings(actor, engine.program, campaign)):
                concerned[actor.user] = before
        await stored(engine.submit, [_asked(user, body, request) for user in concerned])
        for user, before in concerned.items():
            actor = await engine.user(user)
            after = movings(actor, engine.program, campaign) if actor is not None else []
            still = {one.run for one in after}
            moved += sum(one.run not in still for one in before)
            left += [f"{one.user}: {one.obstacle}" for one in after]
    return moved, left


def _asked(user: str, body: bytes, request: str) -> Event:
    return Event(user=user, name=MIGRATED, message_id=f"migrate-{request}", body=body, source="engine")
