"""An event that is sent again is known by its id: for how long, of how many, and what it costs."""

from __future__ import annotations

import random
from hashlib import blake2b

import msgspec
import pytest

from actors.actor import Actor, pack, unpack
from actors.model import recent
from actors.model.recent import IDS_BYTES_MAX, IDS_MAX, NEWEST_KEPT, NEWEST_MAX, OlderIds
from actors.values.digests import SIZE, both, digest, knows, split, with_digest

WEEK = 7 * 86_400_000
START = 1_767_600_000_000
PACKED_ID_BYTES_MAX = 11
"""Of one older id: 6 of its hash, at most 4 of marks, and its part of what a chunk of 64 adds."""


class User:
    """The ids of one user as an actor keeps them."""

    def __init__(self, window: int = WEEK) -> None:
        self.ids = b""
        self.older: OlderIds | None = None
        self.window = window

    def knows(self, message_id: str) -> bool:
        found = digest(message_id)
        return knows(self.ids, found) or (self.older is not None and recent.knew(self.older, found))

    def take(self, message_id: str, at: int) -> None:
        self.ids, self.older = recent.kept(with_digest(self.ids, digest(message_id)), self.older, at, self.window)

    def is_past_telling(self, told_at: int) -> bool:
        return self.older is not None and told_at <= self.older.forgotten

    def join(self, source: User, at: int) -> None:
        older = recent.joined(source.older, self.older, self.window)
        self.ids, self.older = recent.kept(both(source.ids, self.ids), older, at, self.window)

    def packed(self) -> bytes:
        return pack(Actor("ann", ids=self.ids, older_ids=self.older))


def taken(count: int, apart: int = 1, name: str = "m") -> User:
    user = User()
    for number in range(count):
        user.take(f"{name}{number}", START + number * apart)
    return user


def test_a_digest_is_what_it_was_when_it_was_written() -> None:
    for message_id in ("", "order-o1", "Ü" * 256):
        assert digest(message_id) == blake2b(message_id.encode(), digest_size=SIZE).digest()


def test_digests_stay_themselves_when_they_are_put_together_and_taken_apart() -> None:
    ids = [digest(f"m{number}") for number in range(10)]
    together = b""
    for one in ids:
        together = with_digest(together, one)
    older, newer = split(together, 4)
    assert [knows(older, one) for one in ids] == [True] * 4 + [False] * 6
    assert [knows(newer, one) for one in ids] == [False] * 4 + [True] * 6
    assert both(older, newer) == together


@pytest.mark.parametrize("count", [1, 63, 64, 127, 128, 129, 300, 5_000])
def test_all_that_was_taken_within_the_window_is_known_and_nothing_else(count: int) -> None:
    user = taken(count)
    assert all(user.knows(f"m{number}") for number in range(count))
    assert not any(user.knows(f"never {number}") for number in range(1_000))
    assert not user.is_past_telling(START)


def test_of_more_than_can_be_kept_the_newest_are_known_and_the_time_of_the_others_is_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recent, "IDS_MAX", 6_000)
    count = 12_000
    user = taken(count)
    kept = [number for number in range(count) if user.knows(f"m{number}")]
    assert kept == list(range(kept[0], count))
    assert 6_000 <= len(kept) < 6_000 + recent.CHUNK_MAX + NEWEST_MAX
    assert all(user.is_past_telling(START + number) for number in range(kept[0]))
    assert not user.is_past_telling(START + kept[0] + NEWEST_MAX)


def test_somebody_who_does_little_weighs_what_somebody_who_does_nothing_else_weighed_before() -> None:
    assert len(taken(127).packed()) == len(pack(Actor("ann", ids=bytes(127 * SIZE))))
    assert len(taken(1_000, apart=86_400_000).packed()) <= len(pack(Actor("ann", ids=bytes(127 * SIZE)))) + 24


def test_an_id_costs_a_few_bytes_however_many_there_are() -> None:
    for count in (200, 1_000, 10_000):
        assert len(taken(count).packed()) < count * PACKED_ID_BYTES_MAX + 200


def test_ids_that_are_older_than_the_window_are_dropped_by_the_next_event() -> None:
    user = taken(5_000)
    user.take("much later", START + 2 * WEEK)
    assert len(user.packed()) < 1_000
    assert not user.is_past_telling(START), "what comes from so long ago is no business of the actor"


def test_a_visitor_who_is_joined_brings_all_ids_along() -> None:
    for mine, theirs in ((10, 10), (100, 100), (300, 5), (5, 300), (3_000, 2_000)):
        user, visitor = taken(mine), taken(theirs, name="v")
        user.join(visitor, START + 10_000)
        assert all(user.knows(f"m{number}") for number in range(mine))
        assert all(user.knows(f"v{number}") for number in range(theirs))


def test_joining_any_number_of_visitors_stays_within_the_bounds() -> None:
    user, visitor, odd = User(), taken(4_000), taken(4_000 - 513, name="odd")
    for number in range(24):
        user.join(odd if number % 2 else visitor, START + 4_000 + number)
    user.take("the newest", START + 5_000)
    assert user.older is not None
    assert IDS_MAX * SIZE <= sum(len(chunk.ids) for chunk in user.older.chunks) <= (IDS_MAX + recent.CHUNK_MAX) * SIZE
    assert len(user.packed()) < IDS_BYTES_MAX + 100
    assert user.knows("the newest")
    assert user.is_past_telling(START)


class Witnessed(User):
    """The same, beside a list of all that was taken and when."""

    def __init__(self, window: int) -> None:
        super().__init__(window)
        self.told: list[tuple[str, int]] = []
        self.is_joined = False

    def take(self, message_id: str, at: int) -> None:
        super().take(message_id, at)
        self.told.append((message_id, at))

    def take_in(self, other: Witnessed, at: int) -> None:
        self.join(other, at)
        self.told += other.told
        self.is_joined = True

    def keeps_its_promise(self, message_id: str, then: int, at: int, most: int) -> bool:
        """Of two who were one the newer ids are not quite told from the older: the promise is then that none counts twice."""
        newer = sum(1 for _, other in self.told if other >= then)
        if then < at - self.window or self.knows(message_id):
            return True
        return self.is_past_telling(then) and (newer > most or self.is_joined)


def test_whatever_comes_between_an_event_is_known_for_as_long_as_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    """With bounds so small that they are met all the time."""
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for _ in range(8):
        most, window = rng.choice((200, 1_000)), rng.choice((500, 5_000, 10**9))
        monkeypatch.setattr(recent, "IDS_MAX", most)
        monkeypatch.setattr(recent, "CHUNK_MAX", rng.choice((NEWEST_KEPT, 100, 256)))
        people = [Witnessed(window) for _ in range(3)]
        at = START
        for number in range(1_500):
            at += rng.choice((0, 0, 1, 1, 2, rng.randrange(50)))
            user = rng.choice(people)
            if user.told and rng.random() < 0.3:
                assert user.keeps_its_promise(*rng.choice(user.told), at, most), (seed, number)
            if len(people) > 1 and rng.random() < 0.002:
                people = [user, *(other for other in people if other is not user)]
                user.take_in(people.pop(), at)
            user.take(f"m{number}", at)
            if rng.random() < 0.01:
                actor = unpack(user.packed())
                user.ids, user.older = actor.ids, actor.older_ids


def test_the_newest_of_a_former_version_are_known_still() -> None:
    full = b""
    for number in range(NEWEST_MAX):
        full = with_digest(full, digest(f"m{number}"))
    former = list(msgspec.msgpack.decode(pack(Actor("ann", ids=full))))[:-1]
    actor = unpack(msgspec.msgpack.encode(former))
    user = User()
    user.ids, user.older = actor.ids, actor.older_ids
    for number in range(200):
        user.take(f"new {number}", START + number)
    assert all(user.knows(f"m{number}") for number in range(NEWEST_MAX))
