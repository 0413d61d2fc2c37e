"""What the door counts: who waits, from where, how much of what has not come whole, and how many descriptors there are."""

from __future__ import annotations

import logging
import random
import resource

import pytest

from ingress.bounds.buffered import SMALL, Buffered
from ingress.bounds.descriptors import RESERVE, Lookout, fitted, needed
from ingress.bounds.gate import Gate, proxies
from ingress.bounds.limits import IngressLimits
from ingress.bounds.metrics import Counts
from ingress.http.development import is_loopback


class Client:
    """A socket, or a body: knows whether it was sent away."""

    def __init__(self) -> None:
        self.away = False

    def abort(self) -> None:
        self.away = True

    give_up = abort


def test_whatever_comes_what_is_kept_stays_within_the_limit() -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    limits = IngressLimits(buffered_bytes_max=200_000, slow_ms=1_000)
    buffered = Buffered(limits)
    kept: dict[Client, int] = {}
    now = 0.0
    for _ in range(5_000):
        now += chance.random() / 10
        client = chance.choice(list(kept)) if kept and chance.random() < 0.7 else Client()
        size = 0 if chance.random() < 0.2 else kept.get(client, 0) + chance.randrange(1, 60_000)
        stays = buffered.hold(client, size, now)
        assert stays is not client.away
        kept[client] = size
        kept = {one: size for one, size in kept.items() if size and not one.away}
        assert buffered.bytes == sum(kept.values())
        assert buffered.bytes <= 250_000
        assert buffered.bytes <= 200_000 or size <= SMALL or client.away
    buffered.end()
    assert buffered.bytes == 0
    assert all(client.away for client in kept)


def test_under_honest_load_what_came_first_is_finished_first() -> None:
    buffered = Buffered(IngressLimits(buffered_bytes_max=200_000, slow_ms=1_000))
    first, second = Client(), Client()
    assert buffered.hold(first, 150_000, 0.0)
    assert not buffered.hold(second, 60_000, 0.9)
    assert (first.away, second.away) == (False, True)
    third = Client()
    assert buffered.hold(third, 60_000, 1.1)
    assert (first.away, third.away) == (True, False)


def gate_of(now: list[int] | None = None, **limits: int) -> Gate:
    clock = now or [0]
    return Gate(IngressLimits(**limits), Counts(), lambda: clock[0])


def test_the_one_that_waits_longest_goes_and_who_spoke_stays() -> None:
    gate = gate_of(waiting_connections_max=2)
    spoke, slow, third, fourth = (Client() for _ in range(4))
    for client in (spoke, slow):
        gate.wait(client)
    gate.admit(spoke)
    gate.wait(third)
    gate.wait(fourth)
    assert [client.away for client in (spoke, slow, third, fourth)] == [False, True, False, False]


def test_an_address_has_its_share_and_a_proxy_more() -> None:
    gate = gate_of(http_connections_per_address_max=1)
    gate.is_proxy = proxies("127.0.0.1, 10.0.0.0/8, unix:")
    assert gate.enter("192.0.2.7") is None
    assert gate.enter("192.0.2.7") == "connection_limit"
    assert [gate.enter("10.1.2.3") for _ in range(3)] == [None] * 3
    gate.leave("192.0.2.7")
    assert gate.enter("192.0.2.7") is None
    assert gate.http == 4


@pytest.mark.parametrize(
    ("told", "address", "trusted"),
    [
        ("127.0.0.1,::1", "::1", True),
        ("127.0.0.1", "127.0.0.2", False),
        (["10.0.0.0/8"], "10.9.9.9", True),
        ("*", "192.0.2.1", True),
        ("", "", False),
        ("no address", "192.0.2.1", False),
    ],
)
def test_a_proxy_is_known_by_its_address(told: str | list[str], address: str, trusted: bool) -> None:
    assert proxies(told)(address) is trusted


def test_what_is_malformed_is_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = [1]
    gate = gate_of(now)
    for at in (1, 2, 3, 60_001, 60_002):
        now[0] = at
        gate.malformed("malformed", "192.0.2.1")
    assert [record.getMessage() for record in caplog.records] == [
        "1 malformed requests, the newest (malformed) from 192.0.2.1",
        "3 malformed requests, the newest (malformed) from 192.0.2.1",
    ]


@pytest.mark.parametrize("files", [20, 100, 128, 1_024, 20_000])
def test_connections_leave_the_reserve_of_descriptors_alone(files: int, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        limits = fitted(IngressLimits(), files)
    assert needed(limits) <= max(files, RESERVE + 8)
    assert min(limits.connections_max, limits.http_connections_max, limits.waiting_connections_max) > 0
    assert "ulimit -n" in caplog.text


def test_with_descriptors_enough_nothing_is_lowered(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert fitted(IngressLimits(), needed(IngressLimits())) == IngressLimits()
    assert caplog.text == ""


def test_that_no_descriptor_is_left_is_said_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    lookout = Lookout()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lookout.look()
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        for _ in range(3):
            lookout.look()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    for _ in range(3):
        lookout.look()
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


@pytest.mark.parametrize(
    ("name", "ours"),
    [("localhost", True), ("a.localhost", True), ("127.9.9.9", True), ("::1", True), ("localhost.", True)]
    + [(name, False) for name in ("", "localhost.example", "127.0.0.1.example", "0.0.0.0", "notlocalhost", "::2")],
)
def test_only_names_that_can_mean_nothing_else_are_this_machine(name: str, ours: bool) -> None:
    assert is_loopback(name) is ours
