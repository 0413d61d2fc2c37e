"""Which old versions of campaigns somebody is still in: asked only by a change of the site that would leave some behind.

Nobody comes into such a version any more. So a run in it is in its actor's row, or in the memory of an actor that is ahead
of its row; and a run that moves to another user (two turn out to be one) is in one row or the other at any moment, for a
join's commit holds both. Looking at memory first, then waiting for what has gathered, then reading all rows as of one
moment misses no run. It may find one that is over by then, which costs a version kept for a change more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from actors.model.program import Program
from engine.residence import Residence
from persistence.interface import Store


async def still_run(
    versions: Sequence[str],
    current: Program,
    residence: Residence,
    store: Store,
    on_disk: Callable[[], Awaitable[None]],
) -> list[str]:
    """Return those of `versions` that runs are in, or may come into under `current`, in their order. `on_disk` returns when
    what has gathered is on disk."""
    if not versions:
        return []
    ahead = [actor for user in residence.snapshots.ahead() if (actor := residence.peek(user)) is not None]
    found = {run.version for actor in ahead for run in actor.runs}
    found |= {campaign.version for campaign in current.campaigns}  # beside a canary stands an older version
    await on_disk()
    found |= await store.named([version for version in versions if version not in found])
    return [version for version in versions if version in found]
