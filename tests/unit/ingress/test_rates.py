"""How fast a key and an address may speak, and how long those stay away who are refused."""

from __future__ import annotations

import random
from typing import Any

import pytest

from ingress.bounds.backoff import Backoff
from ingress.bounds.limits import IngressLimits
from ingress.bounds.rates import Buckets, Rates, network_of
from ingress.principals.keys import KeyRing, WriteKey
from ingress.principals.principal import SERVER, Principal
from tests.unit.ingress.site import NOW, Page, Site, ev, track

VISITOR = Principal(source="client", key="shop", trusted=False)
DEVELOPER = Principal(source="client", key="dev", trusted=True)


def code(rates: Rates, speaker: Principal, address: str, now: int = NOW) -> str | None:
    refusal = rates.refusal(speaker, address, now)
    return refusal.refused if refusal is not None else None


# --- keys and addresses -------------------------------------------------------------------------------------------


def test_an_address_may_say_ten_seconds_worth_at_once_and_then_as_much_as_it_earns() -> None:
    rates = Rates(IngressLimits())
    for _ in range(5):
        assert code(rates, VISITOR, "1.1.1.1") is None
        rates.count(VISITOR, "1.1.1.1", 500, 1_000, NOW)
    refusal = rates.refusal(VISITOR, "1.1.1.1", NOW)
    assert refusal is not None
    assert (refusal.refused, refusal.retry_ms) == ("too_many_for_address", 1)
    rates.count(VISITOR, "1.1.1.1", 250, 1_000, NOW)
    assert code(rates, VISITOR, "1.1.1.1", NOW + 1_000) == "too_many_for_address"
    assert code(rates, VISITOR, "1.1.1.1", NOW + 1_001) is None


def test_an_address_may_not_send_few_events_of_many_bytes_either() -> None:
    rates = Rates(IngressLimits())
    rates.count(VISITOR, "1.1.1.1", 1, 2_256_000, NOW)
    assert code(rates, VISITOR, "1.1.1.1", NOW + 999) == "too_many_for_address"
    assert code(rates, VISITOR, "1.1.1.1", NOW + 1_001) is None


def test_a_key_is_limited_over_all_addresses() -> None:
    rates = Rates(IngressLimits(key_events_per_second_max=1_000))
    for number in range(10):
        rates.count(VISITOR, f"1.1.1.{number}", 100, 1_000, NOW)
    assert code(rates, VISITOR, "2.2.2.2") == "too_many_for_key"
    assert code(rates, Principal(source="client", key="other shop", trusted=False), "2.2.2.2") is None


def test_neither_a_back_end_nor_a_developer_is_limited_and_a_back_end_is_if_one_asks_for_it() -> None:
    rates = Rates(IngressLimits())
    asked = Rates(IngressLimits(server_key_events_per_second_max=100))
    for speaker in (SERVER, DEVELOPER):
        for each in (rates, asked):
            each.count(speaker, "1.1.1.1", 1_000_000, 1_000_000_000, NOW)
        assert code(rates, speaker, "1.1.1.1") is None
    assert code(asked, SERVER, "1.1.1.1") == "too_many_for_key"
    assert code(rates, VISITOR, "1.1.1.1") is None, "what a back end says is not its visitors'"


@pytest.mark.parametrize("field", ["key_events", "address_events", "address_bytes"])
def test_a_limit_of_0_is_none(field: str) -> None:
    off: dict[str, Any] = {f"{name}_per_second_max": 0 for name in ("key_events", "address_events", "address_bytes")}
    rates = Rates(IngressLimits(**off))
    rates.count(VISITOR, "1.1.1.1", 1_000_000, 1_000_000_000, NOW)
    assert code(rates, VISITOR, "1.1.1.1") is None
    on = Rates(IngressLimits(**(off | {f"{field}_per_second_max": 10})))
    on.count(VISITOR, "1.1.1.1", 1_000_000, 1_000_000_000, NOW)
    assert code(on, VISITOR, "1.1.1.1") is not None


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2"),
        ("2001:db8:1:2::6", "2001:db8:1:2"),
        ("2001:db8::6", "2001:db8:0:0"),
        ("::1", "0:0:0:0"),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.1"),
        ("", ""),
    ],
)
def test_whoever_has_a_network_of_addresses_is_one(address: str, network: str) -> None:
    assert network_of(address) == network


def test_who_is_quiet_again_costs_nothing_and_the_others_are_bounded() -> None:
    buckets = Buckets(10, names_max=100)
    for number in range(50):
        buckets.count(f"a{number}", 1, NOW)
    assert len(buckets) == 50
    for number in range(50):
        buckets.count("b", 1, NOW + 1_000 + number)
    assert len(buckets) == 1
    buckets.count("b", 0, NOW + 3_600_000)
    for number in range(1_000):
        buckets.count(f"c{number}", 1_000, NOW + 2_000)
    assert len(buckets) == 100
    assert buckets.wait_ms("c999", NOW + 2_000) > 0


# --- over a WebSocket ---------------------------------------------------------------------------------------------


def test_a_page_that_is_too_fast_is_told_when_to_go_on_and_no_ok_covers_what_was_refused() -> None:
    site = Site(limits=IngressLimits(address_events_per_second_max=1, address_burst_events_max=2))
    page = site.connect()
    page.hello(token="wk_public", user={"anonymousId": "v"})
    assert page.say(ev(1, track(1), track(2)))[0]["t"] == "ok"
    (said,) = page.say(ev(2, track(3)))
    assert (said["t"], said["id"], said["code"], said["retry_ms"]) == ("err", 2, "too_many_for_address", 1)
    assert page.session.events.rest_ms == 1, "it is not to be read from meanwhile"
    assert site.world.counts.refused["ws", "too_many_for_address"] == 1
    assert len(site.engine.events) == 2
    page.pass_time(said["retry_ms"])
    assert page.say(ev(3, track(3)))[0]["id"] == 3
    assert page.session.acks.acked == 1, "whoever missed the err must send frame 2 again"


def test_a_back_ends_stream_is_not_limited_by_its_address() -> None:
    page = Site(limits=IngressLimits(address_events_per_second_max=1, address_burst_events_max=2)).connect()
    page.hello()
    for number in range(1, 10):
        assert page.say(ev(number, *(track(100 * number + i) for i in range(50))))[0]["t"] == "ok"


def test_a_back_ends_stream_is_limited_if_one_asks_for_it() -> None:
    page = Site(limits=IngressLimits(server_key_events_per_second_max=2)).connect()
    page.hello()
    assert page.say(ev(1, track(1), track(2)))[0]["t"] == "ok"
    assert page.say(ev(2, track(3)))[0]["code"] == "too_many_for_key"


def test_development_mode_is_not_limited() -> None:
    keys = KeyRing(write_keys=(WriteKey(name="w", value="w"),), dev=True)
    page = Page(Site(keys=keys, limits=IngressLimits(address_events_per_second_max=1)), "", None)
    page.hello(token="anything")
    for number in range(1, 30):
        assert page.say(ev(number, track(number)))[0]["t"] == "ok"


# --- who is refused -----------------------------------------------------------------------------------------------


def test_the_longer_an_overload_lasts_the_longer_all_stay_away_and_no_longer_than_the_most() -> None:
    backoff = Backoff(2_000, 60_000, chance=lambda: 0.0)
    waits = [backoff.wait_ms(NOW + second * 1_000) for second in range(300)]
    assert waits[0] == 2_000
    assert waits[60] == 2_000 + 15_000
    assert waits == sorted(waits)
    assert waits[-1] == 60_000


def test_a_calm_as_long_as_the_overload_was_makes_it_forgotten() -> None:
    backoff = Backoff(2_000, 60_000, chance=lambda: 0.0)
    for second in range(31):
        backoff.wait_ms(NOW + second * 1_000)
    assert backoff.wait_ms(NOW + 30_000 + 20_000) == 2_000 + 2_500
    assert backoff.wait_ms(NOW + 30_000 + 20_000 + 10_000) == 2_000


def test_those_who_are_refused_in_one_moment_come_back_over_as_long_as_they_wait() -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    backoff = Backoff(2_000, 60_000, chance=random.Random(seed).random)
    for second in range(40):
        backoff.wait_ms(NOW + second * 1_000)
    waits = [backoff.wait_ms(NOW + 40_000) for _ in range(1_000)]
    assert 12_000 <= min(waits) <= 13_000
    assert 23_000 <= max(waits) <= 24_000
    each_second = [sum(wait // 1_000 == second for wait in waits) for second in range(12, 24)]
    assert max(each_second) < 150, "no second has much more than its twelfth"
