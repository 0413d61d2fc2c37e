"""Pushes to the pages that are open, and to those that come back."""

from __future__ import annotations

import msgspec
import pytest

from actors.model.event import Event
from ingress.connections.streams import Item, Since, Streams, following, push_frame
from tests.unit.ingress.engine import MemoryEngine
from tests.unit.ingress.site import NOW, Clock, push


class Open:
    """A page that is open."""

    def __init__(self, streams: Streams, user: str, since: Since | None = None) -> None:
        self.heard: list[int] = []
        self.stream, self.attached = streams.attach(user, self._on_push, since)
        self.missed = [item.offset for item in self.attached.missed]

    def _on_push(self, item: Item) -> None:
        self.heard.append(item.offset)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def streams(clock: Clock) -> Streams:
    return Streams("e1", clock.now_ms, pushes_max=3, keep_ms=1_000, users_max=2)


def test_every_page_of_the_user_hears_a_push_and_no_other_does(streams: Streams) -> None:
    first, second, other = Open(streams, "ann"), Open(streams, "ann"), Open(streams, "bob")
    assert streams.publish("ann", push()) == 2
    assert (first.heard, second.heard, other.heard) == ([1], [1], [])
    streams.detach(first.stream)
    streams.detach(first.stream)
    assert streams.publish("ann", push()) == 1
    streams.detach(second.stream)
    assert streams.publish("ann", push()) == 0
    assert streams.connected("bob")
    assert not streams.connected("ann")


@pytest.mark.parametrize(
    ("since", "missed", "recovered"),
    [
        (None, [], False),
        (Since("e1", 5), [], True),
        (Since("e1", 3), [4, 5], True),
        (Since("e1", 2), [3, 4, 5], True),
        (Since("e1", 1), [3, 4, 5], False),
        (Since("e1", 9), [], True),
        (Since("e0", 4), [], False),
    ],
)
def test_a_page_that_comes_back_hears_what_is_kept_and_is_told_whether_it_is_all(
    streams: Streams, since: Since | None, missed: list[int], recovered: bool
) -> None:
    for number in range(5):
        streams.publish("ann", push(number))
    page = Open(streams, "ann", since)
    assert (page.missed, page.attached.recovered, page.attached.offset) == (missed, recovered, 5)


def test_old_pushes_are_forgotten_and_expired_ones_not_repeated(streams: Streams, clock: Clock) -> None:
    streams.publish("ann", push(1))
    clock.now += 600
    streams.publish("ann", push(2, expires=NOW + 700))
    streams.publish("ann", push(3))
    clock.now += 401
    page = Open(streams, "ann", Since("e1", 0))
    assert (page.missed, page.attached.recovered) == ([3], False)


def test_a_user_whose_pushes_were_forgotten_for_others_is_not_told_that_all_is_well(streams: Streams) -> None:
    for user in ("ann", "bob", "cid"):
        streams.publish(user, push())
    assert Open(streams, "ann", Since("e1", 0)).attached.recovered is False
    assert Open(streams, "bob", Since("e1", 0)).attached.recovered is True
    assert Open(streams, "new", Since("e1", 3)).attached.recovered is True
    assert streams.statistics()["rings"] == 2


def test_a_visitor_who_signs_in_keeps_stream_and_pushes(streams: Streams) -> None:
    page = Open(streams, "~a1")
    streams.publish("~a1", push(1))
    streams.publish("ann", push(2))
    streams.rename("~a1", "ann")
    assert streams.publish("ann", push(3)) == 1
    assert streams.publish("~a1", push(4)) == 1, "the old name keeps pointing to the user"
    assert page.heard == [1, 3, 4]
    assert streams.find(page.stream, 3) is not None
    assert Open(streams, "~a1", Since("e1", 1)).missed == [2, 3, 4]
    streams.detach(page.stream)
    streams.rename("ann", "ann")


def test_the_stream_follows_an_alias_once_it_is_on_disk(streams: Streams) -> None:
    engine = MemoryEngine(hold=True)
    submit = following(engine.submit, streams, engine.owner)
    page = Open(streams, "~a1")
    words: list[object] = []
    alias = Event(user="ann", kind="alias", message_id="m", body=b'{"from":"~a1"}')
    submit([alias], words.append)
    assert streams.publish("ann", push(1)) == 0
    engine.commit()
    assert len(words) == 1
    assert streams.publish("ann", push(2)) == 1
    engine.refuse = "overloaded"
    submit([Event(user="bob", kind="alias", message_id="n", body=b'{"from":"~a2"}')], words.append)
    Open(streams, "~a2")
    assert not streams.connected("bob"), "a refused alias moves nobody"
    assert page.heard == [2]


def test_a_frame_holds_the_pushs_own_data(streams: Streams) -> None:
    item = Item(7, NOW, push(1, kind='a "kind"', variant="v1", expires=NOW))
    assert msgspec.json.decode(push_frame(item)) == {
        "t": "push", "offset": 7, "id": "send-1", "kind": 'a "kind"', "data": {"title": "Still thinking?"},
        "exp": "2026-11-22T04:00:00.000Z", "ab": "v1",
    }  # fmt: skip
