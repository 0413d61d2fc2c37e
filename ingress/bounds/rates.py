"""How fast a write key and a network address may speak: so that whoever holds what is public fills nobody's disk.

Only those who are not trusted are counted (and server keys, if it is asked for). Each key and address has some seconds'
worth in hand and earns it back evenly (GCRA); whatever comes goes as a whole if anything is in hand, and what follows
waits until it is earned. Who has earned all back costs nothing; of the others so many are kept, and those quiet for
longest are forgotten.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from engine.submit import Receipt, RefusalCode
from ingress.bounds.limits import IngressLimits
from ingress.principals.principal import Principal

NAMES_MAX: Final = 65_536
IPV6_GROUPS: Final = 4
"""Of an IPv6 address: a /64 is what one customer is given."""


class Buckets:
    """One rate for each of many names. `per_second` 0: no limit; `burst`: what may come at once, 0 a second's worth."""

    def __init__(self, per_second: int, burst: int = 0, names_max: int = NAMES_MAX) -> None:
        self.limited = per_second > 0
        self._interval_ms = 1000 / per_second if per_second else 0.0
        self._in_hand_ms = (burst or per_second) * self._interval_ms
        self._names_max = names_max
        self._busy_until: OrderedDict[str, float] = OrderedDict()
        """When all that it said has been earned back; who spoke last is last."""

    def wait_ms(self, name: str, now: int) -> int:
        """0: it may speak; else in so many milliseconds."""
        until = self._busy_until.get(name)
        if until is None or until - now < self._in_hand_ms:
            return 0
        return int(until - now - self._in_hand_ms) + 1

    def count(self, name: str, amount: int, now: int) -> None:
        """It said so much."""
        if not (self.limited and amount):
            return
        busy_until = self._busy_until
        busy_until[name] = max(busy_until.get(name, 0), now) + amount * self._interval_ms
        busy_until.move_to_end(name)
        if len(busy_until) > self._names_max:
            busy_until.popitem(last=False)
        # Two for each that comes: so those who are quiet are gone soon, and nobody waits for a sweep.
        for _ in range(2):
            oldest = next(iter(busy_until), None)
            if oldest is None or busy_until[oldest] > now:
                break
            del busy_until[oldest]

    def __len__(self) -> int:
        return len(self._busy_until)


class Rates:
    """Of a server's ways in, together."""

    def __init__(self, limits: IngressLimits) -> None:
        self._server_keys = Buckets(limits.server_key_events_per_second_max)
        self._keys = Buckets(limits.key_events_per_second_max)
        self._addresses = Buckets(limits.address_events_per_second_max, limits.address_burst_events_max)
        self._bytes = Buckets(limits.address_bytes_per_second_max, limits.address_burst_bytes_max)

    def concern(self, speaker: Principal) -> bool:
        """Whether anything of what this speaker says is counted."""
        return not speaker.trusted or (speaker.source == "server" and self._server_keys.limited)

    def refusal(self, speaker: Principal, address: str, now: int) -> Receipt | None:
        """None: it may speak."""
        if speaker.source == "server":
            return _refusal("too_many_for_key", self._server_keys.wait_ms(speaker.key, now))
        if speaker.trusted:
            return None
        return self.refusal_of_address(address, now) or _refusal(
            "too_many_for_key", self._keys.wait_ms(speaker.key, now)
        )

    def refusal_of_address(self, address: str, now: int) -> Receipt | None:
        network = network_of(address)
        wait_ms = max(self._addresses.wait_ms(network, now), self._bytes.wait_ms(network, now))
        return _refusal("too_many_for_address", wait_ms)

    def count(self, speaker: Principal, address: str, events: int, size: int, now: int) -> None:
        """It said so many events, in so many bytes once inflated."""
        if speaker.source == "server":
            self._server_keys.count(speaker.key, events, now)
        elif not speaker.trusted:
            network = network_of(address)
            self._keys.count(speaker.key, events, now)
            self._addresses.count(network, events, now)
            self._bytes.count(network, size, now)


def network_of(address: str) -> str:
    """Who is taken for one: an IPv4 address, or the first half of an IPv6 address."""
    if ":" not in address or "." in address:
        return address
    head, gap, tail = address.partition("::")
    groups = head.split(":") if head else []
    if gap:
        after = tail.split(":") if tail else []
        groups += ["0"] * (8 - len(groups) - len(after)) + after
    return ":".join(groups[:IPV6_GROUPS])


def _refusal(code: RefusalCode, wait_ms: int) -> Receipt | None:
    return Receipt(refused=code, retry_ms=wait_ms) if wait_ms else None
