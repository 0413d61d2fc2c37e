"""Whose rows they are that a store refuses: one user's rows must not cost the others theirs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from persistence import interface
from persistence.interface import Commit


def refused_snapshots(commit: Commit) -> dict[str, str]:
    """Users whose snapshots no store holds -> why."""
    found = {}
    for snapshot in commit.snapshots:
        if len(snapshot.state) > interface.STATE_BYTES_MAX:
            found[snapshot.user] = (
                f"its state has {len(snapshot.state):,} bytes, and {interface.STATE_BYTES_MAX:,} are the most"
            )
        elif snapshot.due is not None and snapshot.due <= 0:
            found[snapshot.user] = f"its timer is due at {snapshot.due}, which is no time"
    return found


async def culprits(commit: Commit, refusal: Callable[[Commit], Awaitable[str]]) -> dict[str, str]:
    """Users whose part of the commit is refused by itself -> why. `refusal` says why such a part would be,
    "" if it would not; nothing of it stays.

    Where only all of it together is too much, it is the user with the largest state. Empty if the rows are nobody's.
    """
    found = {}
    for user, part in _parts(commit).items():
        if why := await refusal(part):
            found[user] = why
    if not found and commit.snapshots and (why := await refusal(Commit(snapshots=commit.snapshots))):
        largest = max(commit.snapshots, key=lambda snapshot: len(snapshot.state))
        found[largest.user] = why
    return found


def _parts(commit: Commit) -> dict[str, Commit]:
    """Each user's rows of the commit. Those of delivery and of operators are no user's."""
    parts: dict[str, Commit] = {}

    def part(user: str) -> Commit:
        return parts.setdefault(user, Commit())

    for entry in commit.entries:
        if entry.event.user:
            part(entry.event.user).entries.append(entry)
    for decision in commit.decisions:
        part(decision.user).decisions.append(decision)
    for send in commit.sends:
        part(send.user).sends.append(send)
    for name in commit.names:
        part(name.user).names.append(name)
    for snapshot in commit.snapshots:
        part(snapshot.user).snapshots.append(snapshot)
    for event in commit.quarantined:
        part(event.user).quarantined.append(event)
    return parts
