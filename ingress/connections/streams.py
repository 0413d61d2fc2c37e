"""Who is connected, and what was pushed to whom lately.

One counter numbers the pushes of all users, so that a stream that changes its name (a visitor signs in) keeps its order
and no offset ever means two pushes. It starts anew with each process: `epoch` says which one an offset belongs to.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

import msgspec

from actors.identity import visitor_of
from actors.model.event import ANONYMOUS, BARE, Event
from engine.submit import Receipt, Submit


class Push(msgspec.Struct, frozen=True, kw_only=True):
    """A message for a page that is open."""

    id: str
    """The send's id."""
    data: bytes
    """Raw JSON object: what the page shows."""
    kind: str = "push"
    expires: int = 0
    """Milliseconds since the epoch; 0: never."""
    variant: str = ""
    about: dict[str, str] = {}
    """What its feedback says of it: message, campaign, run, template, topic, channel."""


class Item(msgspec.Struct, frozen=True):
    """A push in a user's ring."""

    offset: int
    at: int
    push: Push


class Since(msgspec.Struct, frozen=True):
    """How far a page had read."""

    epoch: str
    offset: int


class Attached(msgspec.Struct, frozen=True):
    """What a page missed. Not `recovered`: some of it is gone, the page must ask its shop for the whole."""

    missed: Sequence[Item]
    recovered: bool
    offset: int


OnPush = Callable[[Item], None]

Owner = Callable[[str, Callable[[str], None]], None]
"""Calls back, now or later, with the user that an anonymous name belongs to; with the name itself if it is nobody's."""


class _Ring:
    __slots__ = ("dropped", "items")

    def __init__(self, dropped: int) -> None:
        self.items: deque[Item] = deque()
        self.dropped = dropped
        """Highest offset that may have been here and is not any more."""


class Streams:
    """`pushes_max` and `keep_ms` bound each user's ring, `users_max` the rings."""

    def __init__(
        self,
        epoch: str,
        now_ms: Callable[[], int],
        *,
        pushes_max: int = 100,
        keep_ms: int = 86_400_000,
        users_max: int = 100_000,
    ) -> None:
        self.epoch = epoch
        self.offset = 0
        self._now_ms = now_ms
        self._pushes_max = pushes_max
        self._keep_ms = keep_ms
        self._users_max = users_max
        self._rings: OrderedDict[str, _Ring] = OrderedDict()
        self._open: dict[str, dict[int, OnPush]] = {}
        self._homes: dict[int, str] = {}
        self._bare: set[int] = set()
        self._moved: OrderedDict[str, str] = OrderedDict()
        self._forgotten = 0
        self._next_stream = 0

    def publish(self, user: str, push: Push) -> int:
        """Keep it and hand it to the user's open streams; their number."""
        user = self._moved.get(user, user)
        self.offset += 1
        item = Item(self.offset, self._now_ms(), push)
        ring = self._ring(user)
        ring.items.append(item)
        self._prune(ring)
        streams = self._open.get(user)
        if not streams:
            return 0
        # A copy: a stream may end itself while it is told.
        for on_push in list(streams.values()):
            on_push(item)
        return len(streams)

    def attach(
        self, user: str, on_push: OnPush, since: Since | None = None, *, follows: bool = True
    ) -> tuple[int, Attached]:
        """Open a stream of the user's pushes, from now on and, with `since`, from where it was. Its id, to detach.

        `follows`: it is that visitor, so that it goes along when he turns out to be somebody. A stream that only knows
        his name stays behind, with pushes of its own.
        """
        if user in self._moved:
            user = self._moved[user] if follows else self.own(user)
        self._next_stream += 1
        stream = self._next_stream
        if not follows:
            self._bare.add(stream)
        self._open.setdefault(user, {})[stream] = on_push
        self._homes[stream] = user
        return stream, self._missed(user, since)

    @staticmethod
    def own(name: str) -> str:
        """The visitor of its own that a stream is which only knows a name that belongs to somebody."""
        return BARE + name.removeprefix(ANONYMOUS)

    def detach(self, stream: int) -> None:
        self._bare.discard(stream)
        home = self._homes.pop(stream, None)
        if home is None:
            return
        streams = self._open[home]
        del streams[stream]
        if not streams:
            del self._open[home]

    def find(self, stream: int, offset: int) -> tuple[str, Push] | None:
        """Whose stream it is now, and the push at that offset, if it is still kept."""
        home = self._homes.get(stream)
        ring = self._rings.get(home) if home is not None else None
        if home is None or ring is None:
            return None
        return next(((home, item.push) for item in reversed(ring.items) if item.offset == offset), None)

    def rename(self, source: str, to: str) -> None:
        """A visitor turned out to be a user: his streams and what was pushed follow, and whoever comes as that visitor."""
        to = self._moved.get(to, to)
        if source == to:
            return
        self._moved[source] = to
        if len(self._moved) > self._users_max:
            self._moved.popitem(last=False)
        ring = self._rings.pop(source, None)
        if ring is not None:
            target = self._ring(to)
            target.items = deque(sorted([*target.items, *ring.items], key=lambda item: item.offset))
            target.dropped = max(target.dropped, ring.dropped)
            self._prune(target)
        for stream, on_push in self._open.pop(source, {}).items():
            home = self.own(source) if stream in self._bare else to
            self._open.setdefault(home, {})[stream] = on_push
            self._homes[stream] = home

    def connected(self, user: str) -> bool:
        return user in self._open

    def statistics(self) -> dict[str, int]:
        return {"streams": len(self._homes), "users": len(self._open), "rings": len(self._rings)}

    def _missed(self, user: str, since: Since | None) -> Attached:
        if since is None:
            return Attached((), False, self.offset)
        if since.epoch != self.epoch:
            return Attached((), False, self.offset)
        ring = self._rings.get(user)
        if ring is None:
            return Attached((), since.offset >= self._forgotten, self.offset)
        self._prune(ring)
        now = self._now_ms()
        missed = [item for item in ring.items if item.offset > since.offset]
        live = [item for item in missed if not item.push.expires or item.push.expires > now]
        return Attached(live, since.offset >= ring.dropped, self.offset)

    def _ring(self, user: str) -> _Ring:
        ring = self._rings.get(user)
        if ring is None:
            # It may have had one that was forgotten.
            ring = self._rings[user] = _Ring(self._forgotten)
            if len(self._rings) > self._users_max:
                _, oldest = self._rings.popitem(last=False)
                self._forgotten = max([self._forgotten, oldest.dropped, *(item.offset for item in oldest.items)])
        else:
            self._rings.move_to_end(user)
        return ring

    def _prune(self, ring: _Ring) -> None:
        earliest = self._now_ms() - self._keep_ms
        while ring.items and (len(ring.items) > self._pushes_max or ring.items[0].at < earliest):
            ring.dropped = ring.items.popleft().offset


def push_frame(item: Item) -> str:
    """`{"t":"push",…}` of cuebird.v1."""
    return f'{{"t":"push",{push_fields(item)}}}'


def push_fields(item: Item) -> str:
    push = item.push
    head = msgspec.json.encode({"offset": item.offset, "id": push.id, "kind": push.kind}).decode()[1:-1]
    more = ""
    if push.expires:
        more += f',"exp":"{iso(push.expires)}"'
    if push.variant:
        more += f',"ab":{msgspec.json.encode(push.variant).decode()}'
    return f'{head},"data":{push.data.decode()}{more}'


def iso(moment_ms: int) -> str:
    """`2026-11-22T05:00:00.000Z`."""
    moment = datetime.fromtimestamp(moment_ms / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment_ms % 1000:03d}Z"


def following(submit: Submit, streams: Streams, owner: Owner) -> Submit:
    """The same front door; once an alias is on disk, the visitor's streams are those of whom he belongs to: the engine says
    who that is, for a visitor who was somebody before stays that."""

    def submit_and_follow(events: Sequence[Event], done: Callable[[Receipt], None]) -> None:
        joined = [name for event in events if event.kind == "alias" and (name := visitor_of(event))]
        if not joined:
            submit(events, done)
            return

        def follow(receipt: Receipt) -> None:
            if receipt.refused is None and not receipt.quarantined:
                for name in joined:
                    owner(name, partial(streams.rename, name))
            done(receipt)

        submit(events, follow)

    return submit_and_follow
