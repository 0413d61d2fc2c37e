"""Where an actor is: live (an object), packed (its bytes), cold (its row on disk), or held (nowhere, until an operator says so).

Rules it keeps:

* An actor is packed only together with its snapshot, if it has changed; so what is packed never differs from what is, or
  is about to be, on disk.
* Packed bytes are dropped only when that snapshot is on disk: a later load cannot find an older actor.
* An actor that cannot be read or written is held, and is that user's loss alone.
* An actor that something waits for (`withhold`) is out of the way of everybody until it is given back.
"""

from __future__ import annotations

from collections.abc import Callable

from actors.actor import Actor, new_actor, pack, unpack
from engine.absence import Absence
from engine.alarms import Alarms
from engine.generations import Generations
from engine.limits import Limits
from engine.snapshots import Snapshots
from engine.squeezing import Squeezer
from persistence.interface import Commit, Held, Snapshot

NAMES_MAX = 1_000_000
"""Anonymous names whose user is known without a read; the oldest is asked of the store again past it."""


class Residence:
    def __init__(self, limits: Limits, alarms: Alarms) -> None:
        self._live_max = limits.live_actors_max
        self._packed_bytes_max = limits.packed_bytes_max
        self._alarms = alarms
        self.absence = Absence()
        self.held: dict[str, Held] = {}
        """Whose actors take no turns: not found, not loaded, not woken."""
        self.on_hold: Callable[[str, str], Held] = lambda user, reason: Held(user, 0, reason, 0)
        """What is to be known of a hold, and written down."""
        self.snapshots = Snapshots(self.present, self.hold, self.held, self.absence, limits.snapshot_bytes_max)
        self.live: Generations[Actor] = Generations()
        self.packed: Generations[bytes] = Generations()
        self.packed_bytes = 0
        self._squeezer = Squeezer()
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
            return unpack(data)
        except Exception as error:  # whatever is in the row: it is this user's
            self.hold(user, f"its state cannot be read: {type(error).__name__}: {error}")
            return None

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

    def trim(self, commit: Commit) -> None:
        """Down to the limits. Called with the commit about to be written, which takes the snapshots of those who
        leave: as many as have come since it was called last, so the work is spread as the arrivals are."""
        snapshots = self.snapshots
        while len(self.live) > self._live_max:
            leaving = self.live.expel()
            assert leaving is not None
            user, actor = leaving
            try:
                data = snapshots.write(actor, commit) if snapshots.is_changed(user) else pack(actor)
            except Exception as error:  # whatever is in the actor: it is this user's
                self.hold(user, f"it cannot be written: {error}")
                continue
            self._alarms.settle(user, actor.due)
            data = self._squeezer.squeeze(data)
            self.packed.put(user, data)
            self.packed_bytes += len(data)
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
