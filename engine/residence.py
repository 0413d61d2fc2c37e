"""Where an actor is: live (an object), packed (its bytes), cold (its row on disk), or held (nowhere, until an operator says so).

Rules it keeps:

* An actor is packed only together with its snapshot, if it has changed; so what is packed never differs from what is, or
  is about to be, on disk.
* Packed bytes are dropped only when that snapshot is on disk: a later load cannot find an older actor.
* Actors are counted, and those that are large are weighed as well: a few thousand of them are as much as all others.
* An actor that cannot be read or written is held, and is that user's loss alone.
* An actor that something waits for (`withhold`) is out of the way of everybody until it is given back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from actors.actor import Actor, new_actor, pack, unpack
from actors.alarms import Alarms
from actors.lru import Lru
from actors.values.kept import weight
from engine.limits import Limits
from engine.memory.compression import Compressor
from engine.memory.known_users import KnownUsers
from engine.snapshots import Snapshots
from persistence.interface import Commit, Held, Snapshot

HEAVY_BYTES = 8_192
"""A live actor of more is weighed, not only counted."""

NAMES_MAX = 1_000_000
"""Anonymous names whose user is known without a read; the oldest is asked of the store again past it."""


REASON_CHARACTERS_MAX: Final = 300


def reason_of(error: Exception) -> str:
    """What went wrong, in one line that can be stored."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text[:REASON_CHARACTERS_MAX].encode(errors="replace").decode()


class Residence:
    def __init__(self, limits: Limits, alarms: Alarms) -> None:
        self._live_max = limits.live_actors_max
        self._packed_bytes_max = limits.packed_bytes_max
        self._heavy_bytes_max = limits.live_heavy_bytes_max
        self._alarms = alarms
        self.known_users = KnownUsers()
        self.held: dict[str, Held] = {}
        """Whose actors take no turns: not found, not loaded, not woken."""
        self.on_hold: Callable[[str, str], Held] = lambda user, reason: Held(user, 0, reason, 0)
        """What is to be known of a hold, and written down."""
        self.snapshots = Snapshots(
            self.present, self.hold, self.held, self.known_users, self._weigh, limits.snapshot_bytes_max
        )
        self.live: Lru[Actor] = Lru()
        self.packed: Lru[bytes] = Lru()
        self.packed_bytes = 0
        self._heavy: dict[str, int] = {}
        """Live actors above HEAVY_BYTES and their bytes, the one weighed longest ago first."""
        self.heavy_bytes = 0
        self._squeezer = Compressor()
        self._withheld: dict[str, Actor] = {}
        self.names: dict[str, str] = {}
        """Anonymous name -> the user it was joined to, as far as known."""

    # --- finding --------------------------------------------------------------------------------------------------

    def find(self, user: str) -> Actor | None:
        """The actor, live; a new one if it is certainly not on disk. None: it has to be loaded, or waits, or is held."""
        actor = self.live.get(user)
        if actor is None:
            if user in self._withheld or user in self.held:
                return None
            data = self.packed.pop(user)
            if data is not None:
                self.packed_bytes -= len(data)
                actor = self._unpacked(user, self._squeezer.expand(data))
                if actor is None:
                    return None
            elif self.known_users.sure(user):
                actor = new_actor(user)
            else:
                return None
            self.live.put(user, actor)
        return actor

    def peek(self, user: str) -> Actor | None:
        """The actor if it is an object, withheld or not; nothing changes."""
        return self.live.peek(user) or self._withheld.get(user)

    def present(self, user: str) -> Actor | None:
        """The actor as an object if it is in memory at all."""
        actor = self.peek(user)
        return self.find(user) if actor is None and self.packed.peek(user) is not None else actor

    def holds(self, user: str) -> bool:
        """Whether it is in memory at all."""
        return self.peek(user) is not None or self.packed.peek(user) is not None

    def arrive(self, user: str, snapshot: Snapshot | None) -> Actor | None:
        """What the disk says about a user who is not in memory; None: nothing, so the actor is new. Who is held stays away."""
        if user in self.held:
            return None
        actor = new_actor(user) if snapshot is None else self._unpacked(user, snapshot.state)
        if actor is not None:
            self.live.put(user, actor)
        return actor

    def _unpacked(self, user: str, data: bytes) -> Actor | None:
        try:
            actor = unpack(data)
            self._weigh(actor, len(data))
        except Exception as error:  # whatever is in the row: it is this user's
            self.hold(user, f"its state cannot be read: {type(error).__name__}: {error}")
            return None
        return actor

    def learn_name(self, name: str, user: str) -> None:
        names = self.names
        if len(names) >= NAMES_MAX:
            del names[next(iter(names))]
        names[name] = user
        self.known_users.add(name)

    # --- leaving --------------------------------------------------------------------------------------------------

    def park(self, user: str) -> None:
        """Out of the way until `give_back`; only an actor that is live."""
        actor = self.live.pop(user)
        assert actor is not None, f"{user!r} is to wait, but is not live"
        self._withheld[user] = actor

    def give_back(self, user: str) -> None:
        """Nothing happens if it was not withheld."""
        actor = self._withheld.pop(user, None)
        if actor is not None:
            self.live.put(user, actor)

    def drop(self, user: str) -> None:
        """Out of memory as it is: it is to be read again. Whether it is ahead of its snapshot stays known."""
        self.live.pop(user)
        self._withheld.pop(user, None)
        self._no_longer_heavy(user)
        data = self.packed.pop(user)
        if data is not None:
            self.packed_bytes -= len(data)
        self._alarms.set(user, 0)

    def forget(self, user: str) -> None:
        """The actor is no more: it was joined into another, or never came to be."""
        self.drop(user)
        self.snapshots.forget(user)

    def hold(self, user: str, reason: str) -> None:
        """The actor takes no more turns, and is as the disk has it when it is set free. Nothing happens if it is held."""
        if user not in self.held:
            self.held[user] = self.on_hold(user, reason)
            self.forget(user)

    def shrink(self, commit: Commit) -> None:
        """Down to the limits. Called with the commit about to be written, which takes the snapshots of those who
        leave: as many as have come since it was called last, so the work is spread as the arrivals are."""
        snapshots = self.snapshots
        while len(self.live) > self._live_max:
            leaving = self.live.evict()
            assert leaving is not None
            self._put_away(leaving[1], commit)
        while self.heavy_bytes > self._heavy_bytes_max:
            user = next(iter(self._heavy))
            actor = self.live.pop(user)
            if actor is None:
                self._no_longer_heavy(user)  # something waits for it: it is weighed again when it is written
            else:
                self._put_away(actor, commit)
        unsettled: list[tuple[str, bytes]] = []
        while self.packed_bytes > self._packed_bytes_max:
            out = self.packed.evict()
            if out is None:
                break
            user, data = out
            self.packed_bytes -= len(data)
            if not snapshots.is_settled(user):
                unsettled.append(out)
        for user, data in unsettled:
            self.packed.put(user, data)
            self.packed_bytes += len(data)

    def _put_away(self, actor: Actor, commit: Commit) -> None:
        """One that is no longer live: packed, and written if it has changed."""
        user, snapshots = actor.user, self.snapshots
        try:
            data = snapshots.write(actor, commit) if snapshots.is_changed(user) else pack(actor)
        except Exception as error:  # whatever is in the actor: it is this user's
            self.hold(user, f"it cannot be written: {error}")
            return
        self._no_longer_heavy(user)
        self._alarms.rearm(user, actor.due)
        data = self._squeezer.compress(data)
        self.packed.put(user, data)
        self.packed_bytes += len(data)

    # --- weight ---------------------------------------------------------------------------------------------------

    def _weigh(self, actor: Actor, packed: int) -> None:
        """It takes so many bytes packed. Nested traits take many times that as objects, and count so."""
        nested = [value for value in actor.traits.values() if isinstance(value, list | dict)]
        found = packed + sum(map(weight, nested)) if nested else packed
        if found > HEAVY_BYTES or actor.user in self._heavy:
            self._no_longer_heavy(actor.user)
            if found > HEAVY_BYTES:
                self._heavy[actor.user] = found
                self.heavy_bytes += found

    def _no_longer_heavy(self, user: str) -> None:
        self.heavy_bytes -= self._heavy.pop(user, 0)
