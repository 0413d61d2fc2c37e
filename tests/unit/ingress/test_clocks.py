"""What a client's clock is taken to be, from what is heard of it."""

from __future__ import annotations

import os
import random
from typing import Any, NamedTuple

import msgspec
import pytest

from actors.model.event import Event
from ingress.messages.clocks import CLIENTS_MAX, DOUBT_MS, WAY_MS_MAX, ClientClock, Clocks
from ingress.messages.messages import Normalizer
from ingress.principals.principal import SERVER, Principal
from tests.unit.ingress.site import WRITE, Page, Site, ev

NOW = 1_795_320_000_000  # 2026-11-22T04:00:00Z
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
BROWSER = Principal(source="client", trusted=False, key="web")


class Client:
    """A page with a clock of its own, that posts. `slow` is what its clock is behind by, in ms."""

    def __init__(self, normalizer: Normalizer | None = None, *, slow: int = 0, name: str = "a1") -> None:
        self.normalizer = normalizer or Normalizer()
        self.slow = slow
        self.name = name

    def says(self, *happened: int, left: int, came: int, **more: Any) -> list[int]:
        """What it told at these moments, sent at one and come at another, all by our clock; when it is taken to have been,
        relative to NOW."""
        messages = [
            {"type": "track", "event": "x", "anonymousId": self.name, "timestamp": NOW + at - self.slow}
            for at in happened
        ]
        body = {"batch": messages, "sentAt": NOW + left - self.slow} | more
        return [at - NOW for at in times(self.normalizer, body, came)]


def times(
    normalizer: Normalizer, body: dict[str, Any], came: int, speaker: Principal = BROWSER, **more: Any
) -> list[int]:
    batch = normalizer.batch(msgspec.json.encode(body), received_at=NOW + came, speaker=speaker, **more)
    assert not batch.rejected
    return [event.occurred for event in batch.events]


# --- what is believed -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slow", [HOUR, -HOUR, 5 * HOUR, MINUTE, -MINUTE])
def test_a_wrong_clock_is_put_right_at_the_first_request(slow: int) -> None:
    assert Client(slow=slow).says(-20_000, -1_000, left=0, came=0) == [-20_000, -1_000]


@pytest.mark.parametrize("way", [0, 1, 500, WAY_MS_MAX])
def test_a_right_clock_is_believed_whatever_the_way_takes(way: int) -> None:
    assert Client().says(-40, 0, left=10, came=10 + way) == [-40, 0]


def test_a_clock_that_is_a_little_ahead_is_put_right_without_putting_events_in_one_another_s_place() -> None:
    client = Client(slow=-300)
    assert client.says(1, left=2, came=4) == [-1 + 4]  # the order first: its offset is -298
    assert client.says(0, left=1, came=50) == [2]  # then the add, before it


def test_a_back_end_is_believed_whatever_its_messages_say_of_when_they_left() -> None:
    body = {
        "batch": [{"type": "track", "event": "x", "userId": "u", "timestamp": NOW - 70_000}],
        "sentAt": NOW - 60_000,
    }
    assert times(Normalizer(), body, 0, SERVER) == [NOW - 70_000]


def test_a_back_end_whose_clock_is_ahead_is_never_believed_past_the_moment_of_receipt() -> None:
    body = {
        "batch": [{"type": "track", "event": "x", "userId": "u", "timestamp": NOW + 70_000}],
        "sentAt": NOW + 70_000,
    }
    assert times(Normalizer(), body, 5, SERVER) == [NOW + 5]


# --- two requests on the way at once ------------------------------------------------------------------------------------


@pytest.mark.parametrize("slow", [0, HOUR, -HOUR, 7_000, -50, 4_900, 5_100])
@pytest.mark.parametrize(("add_way", "order_way"), [(500, 2), (2, 500), (3_000, 1), (40, 41)])
def test_requests_that_overtake_one_another_keep_the_order_of_what_was_done(
    slow: int, add_way: int, order_way: int
) -> None:
    client = Client(slow=slow)
    asked = [("add", 0, 10, 10 + add_way), ("order", 1, 11, 11 + order_way)]
    put = []
    for number, (what, told, left, came) in enumerate(sorted(asked, key=lambda one: one[3])):
        put.append((*client.says(told, left=left, came=came), number, what))
    assert [what for _, _, what in sorted(put)] == ["add", "order"]


def seeded() -> random.Random:
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"SEED={seed}")
    return random.Random(seed)


class Request(NamedTuple):
    came: int
    left: int
    told: list[int]


def requests_of(rng: random.Random, first_way: int) -> list[Request]:
    """What a page does, in the order in which it comes: each request has a way of its own, and they overtake one another."""
    requests, at = [Request(first_way, 0, [-5])], 10_000
    for _ in range(20):
        told = sorted(rng.sample(range(at, at + 300), rng.randint(1, 4)))
        left = told[-1] + rng.choice((0, 1, 5))
        requests.append(Request(left + rng.choice((2, 30, 900, 4_000)), left, told))
        at = told[-1] + rng.choice((1, 1, 50, 3_000))
    return sorted(requests)


def put(client: Client, requests: list[Request]) -> list[tuple[int, int]]:
    """(what each was told to have been, when it is taken to have been), in the order in which they came."""
    return [
        pair
        for one in requests
        for pair in zip(one.told, client.says(*one.told, left=one.left, came=one.came), strict=True)
    ]


@pytest.mark.parametrize("slow", [0, -200, HOUR, -HOUR, 20_000])
def test_once_a_client_is_known_all_that_it_does_was_done_in_that_order(slow: int) -> None:
    rng = seeded()
    for _ in range(30):
        known = put(Client(slow=slow), requests_of(rng, 2))
        order = [told for told, _ in sorted(known, key=lambda one: one[1])]
        assert order == sorted(order)
        assert all(taken - told == (0 if slow == 0 else 2) for told, taken in known)


@pytest.mark.parametrize("slow", [0, -200, HOUR, -HOUR, 20_000])
@pytest.mark.parametrize("first_way", [900, 9_000])
def test_while_a_client_becomes_known_nothing_is_put_before_what_was_done_earlier(slow: int, first_way: int) -> None:
    rng = seeded()
    for _ in range(30):
        moments = [taken for _, taken in sorted(put(Client(slow=slow), requests_of(rng, first_way)))]
        assert moments == sorted(moments)


# --- what changes in between --------------------------------------------------------------------------------------------


def test_a_slow_first_request_is_a_slow_clock_until_a_quicker_one_has_come() -> None:
    client = Client()
    assert client.says(0, left=0, came=8_000) == [8_000]
    assert client.says(9_000, left=9_000, came=9_020) == [9_000]


def test_what_is_told_after_a_slow_first_request_is_never_put_before_it() -> None:
    client = Client()
    assert client.says(0, left=0, came=8_000) == [8_000]
    assert client.says(100, left=7_990, came=8_010) == [8_000]


@pytest.mark.parametrize("slow", [HOUR, -HOUR, -6 * MINUTE, 20_000])
def test_a_clock_that_is_set_right_is_believed_at_once(slow: int) -> None:
    client = Client(slow=slow)
    assert client.says(0, left=0, came=0) == [0]
    client.slow = 0
    assert client.says(59_000, left=60_000, came=60_000) == [59_000]


@pytest.mark.parametrize("slow", [HOUR, -HOUR])
def test_a_right_clock_that_is_set_wrong_is_put_right_at_once(slow: int) -> None:
    client = Client()
    assert client.says(0, left=0, came=0) == [0]
    client.slow = slow
    assert client.says(59_000, left=60_000, came=60_000) == [59_000]


def test_a_request_that_was_sent_again_with_its_first_time_is_late_and_its_clock_right() -> None:
    client = Client()
    client.says(0, left=0, came=20)
    assert client.says(1_000, left=1_000, came=61_000) == [1_000]
    assert client.says(70_000, left=70_000, came=70_020) == [70_000]


def test_who_comes_late_for_five_minutes_has_another_clock() -> None:
    client = Client()
    client.says(0, left=0, came=20)
    client.slow = MINUTE
    assert client.says(10_000, left=10_000, came=10_000) == [10_000 - MINUTE]
    assert client.says(100_000, left=100_000, came=100_400) == [100_000 - MINUTE]
    at = 10_000 + DOUBT_MS
    assert client.says(at - 1, left=at - 1, came=at - 1) == [at - 1 - MINUTE]
    assert client.says(at + 5, left=at + 5, came=at + 5) == [at + 5]


def test_the_doubt_ends_with_one_quick_request() -> None:
    client = Client()
    client.says(0, left=0, came=20)
    for at in range(MINUTE, 2 * DOUBT_MS, 2 * MINUTE):
        assert client.says(at, left=at, came=at + 30_000) == [at]
        assert client.says(at + MINUTE, left=at + MINUTE, came=at + MINUTE) == [at + MINUTE]


def test_after_a_restart_a_client_is_new_and_put_right_once_more() -> None:
    for _ in range(2):
        assert Client(slow=HOUR).says(-10, left=0, came=0) == [-10]


def test_a_time_that_makes_no_sense_does_not_hold_up_those_after_it() -> None:
    client = Client(slow=HOUR)
    assert client.says(30 * DAY, left=0, came=400) == [400]
    assert client.says(500, left=500, came=500) == [500]
    assert client.says(600, left=600, came=605) == [600]


# --- who is a client ----------------------------------------------------------------------------------------------------


def test_what_says_not_when_it_left_is_moved_by_what_is_known_of_its_client() -> None:
    client = Client(slow=HOUR)
    assert client.says(-HOUR, left=0, came=0, sentAt=None) == [-2 * HOUR]
    assert client.says(0, left=0, came=0) == [0]
    assert client.says(5, left=0, came=10, sentAt=None) == [5]


def test_each_client_has_a_clock_of_its_own() -> None:
    normalizer = Normalizer()
    slow, right = Client(normalizer, slow=HOUR), Client(normalizer, name="b1")
    assert [slow.says(0, left=0, came=0), right.says(1, left=1, came=1), slow.says(2, left=2, came=2)] == [
        [0],
        [1],
        [2],
    ]


def test_one_id_under_two_keys_is_two_clients() -> None:
    normalizer = Normalizer()
    message = {"type": "track", "event": "x", "anonymousId": "a", "timestamp": NOW - HOUR}
    times(normalizer, {"batch": [message], "sentAt": NOW - HOUR}, 0)
    other = Principal(source="client", trusted=False, key="other")
    assert times(normalizer, {"batch": [message]}, 0, other) == [NOW - HOUR]
    assert times(normalizer, {"batch": [message]}, 0) == [NOW]


def test_an_alias_without_an_id_of_its_sender_is_known_by_its_address() -> None:
    normalizer = Normalizer()
    proven = Principal(source="client", trusted=False, key="web", proven="ann")
    alias = {"type": "alias", "previousId": "a", "userId": "", "timestamp": NOW - HOUR}
    known = Principal(source="client", trusted=False, key="web", proven="ann", user="ann")
    assert times(normalizer, {"batch": [alias], "sentAt": NOW - HOUR}, 0, known, address="192.0.2.1") == [NOW]
    page = {"type": "track", "event": "x", "timestamp": NOW - HOUR}
    assert times(normalizer, {"batch": [page], "sentAt": NOW - HOUR}, 0, proven, address="192.0.2.7") == [NOW]
    assert times(normalizer, {"batch": [page]}, 0, proven, address="192.0.2.7") == [NOW]
    assert times(normalizer, {"batch": [page]}, 0, proven, address="192.0.2.8") == [NOW - HOUR]


@pytest.mark.parametrize("awkward", [[], [{"type": 7}]])
def test_messages_that_each_say_when_they_left_came_with_the_last_of_them(awkward: list[dict[str, Any]]) -> None:
    """Some clients stamp a message as it is put into the queue."""
    at = [NOW - HOUR - age for age in (30_000, 20_000, 10)]
    messages = [{"type": "track", "event": "x", "anonymousId": "a", "timestamp": one, "sentAt": one} for one in at]
    batch = Normalizer().batch(msgspec.json.encode(messages + awkward), received_at=NOW, speaker=BROWSER)
    assert [NOW - event.occurred for event in batch.events] == [29_990, 19_990, 0]


def test_a_message_as_people_write_it_says_when_it_left() -> None:
    message = {"event": "x", "anonymous_id": "a", "timestamp": NOW - HOUR - 5, "sent_at": NOW - HOUR}
    assert times(Normalizer(), message, 0) == [NOW - 5]


def test_one_message_alone_says_when_it_left() -> None:
    message = {"type": "track", "event": "x", "anonymousId": "a", "timestamp": NOW - HOUR - 5, "sentAt": NOW - HOUR}
    assert times(Normalizer(), message, 0) == [NOW - 5]


def test_no_more_clients_are_known_than_there_is_room_for() -> None:
    clocks = Clocks(2)
    for name in ("a", "b", "a", "c"):
        clocks.heard(name, HOUR, NOW)
    assert (len(clocks), clocks.get("b")) == (2, None)
    assert [clock.amount for name in "ac" if (clock := clocks.get(name))] == [HOUR, HOUR]
    assert CLIENTS_MAX == 32_768


def test_a_clock_of_which_nothing_was_heard_moves_nothing() -> None:
    assert ClientClock().moved(NOW, NOW) == NOW


# --- over a connection --------------------------------------------------------------------------------------------------


def a_page(site: Site, **hello: Any) -> Page:
    page = site.connect()
    page.hello(token=WRITE, user={"anonymousId": "a"}, **hello)
    return page


def happened(site: Site) -> list[int]:
    events: list[Event] = site.engine.events
    return [event.occurred - NOW for event in events]


def a_track(number: int, at: int) -> dict[str, Any]:
    return {"type": "track", "event": "x", "messageId": f"m{number}", "timestamp": NOW + at}


def test_the_frames_of_one_page_are_moved_by_the_same_however_long_each_took() -> None:
    site = Site()
    page = a_page(site)
    page.say(ev(1, a_track(1, -HOUR), sentAt=NOW - HOUR))
    page.pass_time(900)
    page.say(ev(2, a_track(2, -HOUR + 1), sentAt=NOW - HOUR + 2))
    assert happened(site) == [0, 1]


def test_a_page_that_comes_back_to_its_session_has_the_clock_that_it_had() -> None:
    site = Site()
    page = site.connect()
    welcome = page.hello(token=WRITE, user={"anonymousId": "a"})
    page.say(ev(1, a_track(1, -HOUR), sentAt=NOW - HOUR))
    page.pass_time(4_000)
    again = a_page(site, session=welcome["session"])
    again.say(ev(2, a_track(2, -HOUR + 1), sentAt=NOW - HOUR + 2))
    other = a_page(site)
    other.say(ev(1, a_track(3, -HOUR + 1), sentAt=NOW - HOUR + 2))
    assert happened(site) == [0, 1, 3_999]


def test_a_frame_of_awkward_messages_is_moved_by_the_same_as_the_others() -> None:
    site = Site()
    page = a_page(site)
    page.say(ev(1, a_track(1, -HOUR), sentAt=NOW - HOUR))
    page.pass_time(900)
    page.say(ev(2, a_track(2, -HOUR + 1) | {"event": 7}, a_track(3, -HOUR + 2), sentAt=NOW - HOUR + 3))
    assert happened(site) == [0, 2]
