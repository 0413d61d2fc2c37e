"""Snapshots follow the journal: changed actors are written anew in rounds, a bounded number with each commit.

A round writes every actor that had changed when it began. When the last of them is in a commit, that commit also says
`replayed_from`: recovery need not look at the journal before the round's beginning. A snapshot rides in the commit that
holds the actor's newest turn, or in a later one, never before it.

An actor that another was joined into is written (`write`) in the very commit that holds the join, and the other's row
goes in it: so no join is ever taken again, and a crash finds both as they were, or one.
"""

from __future__ import annotations

from collections.abc import Callable, Container

from actors.actor import Actor, pack
from engine.memory.known_users import KnownUsers
from persistence.interface import Commit, Snapshot


class StateTooBig(Exception):
    """An actor's state is past the limit."""


class Snapshots:
    """`hold` is told of a user whose actor cannot be written, and why: it is out of the round then. `weigh` is told of each
    actor that is written, and of its bytes."""

    def __init__(
        self,
        find: Callable[[str], Actor | None],
        hold: Callable[[str, str], None],
        held: Container[str],
        known_users: KnownUsers,
        weigh: Callable[[Actor, int], None],
        bytes_max: int,
    ) -> None:
        self._find = find
        self._hold = hold
        self._held = held
        self._known_users = known_users
        self._weigh = weigh
        self._bytes_max = bytes_max
        self._places: dict[str, int] = {}
        """Where in the snapshots of `_commit` each user's is."""
        self._commit: Commit | None = None
        self.changed: set[str] = set()
        """Changed since the round began. Who changes an actor adds its name."""
        self._round: set[str] = set()
        self._round_seq: int | None = None
        self._unsettled: dict[str, int] = {}
        """How many of its snapshots are in commits that are not on disk yet."""

    def __len__(self) -> int:
        """Actors that are ahead of their snapshot, as far as known: those of the commit being written are not counted."""
        return len(self.changed | self._round) if self._round else len(self.changed)

    @property
    def busy(self) -> bool:
        """Whether a round is under way and wants further commits to ride in."""
        return self._round_seq is not None

    def is_changed(self, user: str) -> bool:
        return user in self.changed or user in self._round

    def is_settled(self, user: str) -> bool:
        """Whether what is on disk is the actor as it is in memory."""
        return not (user in self.changed or user in self._round or user in self._unsettled)

    def ahead(self) -> set[str]:
        """Whose actors may be ahead of the disk."""
        return self.changed | self._round | self._unsettled.keys()

    def begin(self, seq: int) -> None:
        """A round over all that has changed up to journal position `seq`, unless one is under way."""
        if self._round_seq is None:
            self._round, self.changed = self.changed, set()
            self._round_seq = seq

    def write(self, actor: Actor, commit: Commit) -> bytes:
        """The actor as it is now, into a commit that holds all its turns, in the place of an older one. Returns its bytes.
        Raises as `packed` does."""
        return self.put(actor, self.packed(actor), commit)

    def packed(self, actor: Actor) -> bytes:
        """Raises StateTooBig, or what the encoder raises at a value that it does not know."""
        state = pack(actor)
        if len(state) > self._bytes_max:
            raise StateTooBig(f"it has {len(state):,} bytes, and `engine.snapshot_bytes_max` is {self._bytes_max:,}")
        return state

    def put(self, actor: Actor, state: bytes, commit: Commit) -> bytes:
        """As `write`, of a state that was packed already."""
        user = actor.user
        self._weigh(actor, len(state))
        snapshot = Snapshot(user, actor.position, actor.due or None, state)
        if self._commit is not commit:
            self._commit, self._places = commit, {}
        place = self._places.setdefault(user, len(commit.snapshots))
        if place < len(commit.snapshots):
            commit.snapshots[place] = snapshot
        else:
            commit.snapshots.append(snapshot)
            self._unsettled[user] = self._unsettled.get(user, 0) + 1
        self.changed.discard(user)
        self._round.discard(user)
        self._known_users.add(user)
        return state

    def ride(self, commit: Commit, limit: int, bytes_max: int) -> None:
        """Put up to `limit` of the round into the commit about to be written, and about `bytes_max` bytes of them."""
        if self._round_seq is None:
            return
        away = []
        size = sum(len(snapshot.state) for snapshot in commit.snapshots)
        for _ in range(min(limit, len(self._round))):
            if size > bytes_max:
                break
            user = self._round.pop()
            actor = self._find(user)
            if actor is None:
                if user not in self._held:
                    away.append(user)  # it is being read again from disk; the round waits for it
                continue
            try:
                size += len(self.write(actor, commit))
            except Exception as error:  # whatever is in the actor: it is this user's
                self._hold(user, f"it cannot be written: {error}")
        self._round.update(away)
        if not self._round:
            commit.replayed_from = self._round_seq
            self._round_seq = None

    def settle(self, commit: Commit) -> None:
        """The commit is on disk."""
        self._leave(commit)
        unsettled = self._unsettled
        for snapshot in commit.snapshots:
            left = unsettled.pop(snapshot.user, 1) - 1
            if left:
                unsettled[snapshot.user] = left

    def roll_back(self) -> None:
        """Nothing that is not on disk will be: what rode with it has to be written again. The round is given up."""
        self.changed |= self._round | self._unsettled.keys()
        self._unsettled.clear()
        self._round = set()
        self._round_seq = None
        self._leave(self._commit)

    def _leave(self, commit: Commit | None) -> None:
        """Nothing more rides in it; all that it holds need not be kept."""
        if self._commit is commit:
            self._commit, self._places = None, {}

    def forget(self, user: str) -> None:
        """The actor is no more, or is to be as it is on disk."""
        self.changed.discard(user)
        self._round.discard(user)
        self._unsettled.pop(user, None)
