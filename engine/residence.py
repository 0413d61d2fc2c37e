"""Where an actor is: live (an object), packed (its bytes), or cold (its row on disk).

Rules it keeps:

* An actor is packed only together with its snapshot, if it has changed; so what is packed never differs from what is, or
  is about to be, on disk.
* Packed bytes are dropped only when that snapshot is on disk: a later load cannot find an older actor.
* Actors are counted, and those that are large are weighed as well: a few thousand of them are as much as all others.
* An actor that something waits for (`withhold`) is out of the way of everybody until it is given back.
"""

from __future__ import annotations

from actors.actor import Actor, new_actor, pack, unpack
from actors.kept import weight
from engine.absence import Absence
from engine.alarms import Alarms
from engine.generations import Generations
from engine.limits import Limits
from engine.snapshots import Snapshots
from engine.squeezing import Squeezer
from persistence.interface import Commit, Snapshot

HEAVY_BYTES = 8_192
"""A live actor of more is weighed, not only counted."""

NAMES_MAX = 1_000_000
"""Anonymous names whose user is known without a read; the oldest is asked of the store again past it."""


class Residence:
    def __init__(self, limits: Limits, alarms: Alarms) -> None:
        self._live_max = limits.live_actors_max
        self._packed_bytes_max = limits.packed_bytes_max
        self._heavy_bytes_max = limits.live_heavy_bytes_max
        self._alarms = alarms
        self.absence = Absence()
        self.snapshots = Snapshots(self.present, self.absence, self._weigh)
        self.live: Generations[Actor] = Generations()
        self.packed: Generations[bytes] = Generations()
        self.packed_bytes = 0
        self._heavy: dict[str, int] = {}
        """Live actors above HEAVY_BYTES and their bytes, the one weighed longest ago first."""
        self.heavy_bytes = 0
        self._squeezer = Squeezer()
        self._withheld: dict[str, Actor] = {}
        self.names: dict[str, str] = {}
        """Anonymous name -> the user it was joined to, as far as known."""

    # --- finding --------------------------------------------------------------------------------------------------

    def find(self, user: str) -> Actor | None:
        """The actor, live; a new one if it is certainly not on disk. None: it has to be loaded, or waits."""
        actor = self.live.get(user)
        if actor is None:
            if user in self._withheld:
                return None
            data = self.packed.pop(user)
            if data is not None:
                self.packed_bytes -= len(data)
                state = self._squeezer.expand(data)
                actor = unpack(state)
                self._weigh(actor, len(state))
            elif self.absence.sure(user):
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

    def arrive(self, user: str, snapshot: Snapshot | None) -> Actor:
        """What the disk says about a user who is not in memory; None: nothing, so the actor is new."""
        if snapshot is None:
            actor = new_actor(user)
        else:
            actor = unpack(snapshot.state)
            self._weigh(actor, len(snapshot.state))
        self.live.put(user, actor)
        return actor

    def learn_name(self, name: str, user: str) -> None:
        names = self.names
        if len(names) >= NAMES_MAX:
            del names[next(iter(names))]
        names[name] = user
        self.absence.tell(name)

    # --- leaving --------------------------------------------------------------------------------------------------

    def withhold(self, user: str) -> None:
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

    def trim(self, commit: Commit) -> None:
        """Down to the limits. Called with the commit about to be written, which takes the snapshots of those who
        leave: as many as have come since it was called last, so the work is spread as the arrivals are."""
        snapshots = self.snapshots
        while len(self.live) > self._live_max:
            leaving = self.live.expel()
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
            out = self.packed.expel()
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
        user = actor.user
        data = self.snapshots.write(actor, commit) if self.snapshots.is_changed(user) else pack(actor)
        self._no_longer_heavy(user)
        self._alarms.settle(user, actor.due)
        data = self._squeezer.squeeze(data)
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
