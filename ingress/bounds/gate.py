"""Sockets of which nobody knows yet what they want: counted, and put out when there are too many.

A socket waits until it has said a whole request or shown a key, as a WebSocket its hello; between two requests; and while
it does not take what was answered. Whoever means well waits for milliseconds, so it is the one waiting longest that has to
go when the room is full.
"""

from __future__ import annotations

import ipaddress
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, Literal, Protocol

from ingress.bounds.limits import IngressLimits
from ingress.bounds.metrics import Counts

log = logging.getLogger(__name__)

MINUTE_MS: Final = 60_000

TooMany = Literal["overloaded", "connection_limit"]


class Waiting(Protocol):
    """A socket that may be put out."""

    def abort(self) -> None: ...


class Gate:
    """`is_proxy`: addresses of our own proxies, behind which anybody may stand: not limited by address."""

    def __init__(self, limits: IngressLimits, counts: Counts, now_ms: Callable[[], int]) -> None:
        self.is_proxy: Callable[[str], bool] = lambda address: False
        self.waiting: dict[Waiting, None] = {}
        """Who waits, the longest first."""
        self.http = 0
        """HTTP connections that are no event streams."""
        self.addresses: Counter[str] = Counter()
        """The same by their address."""
        self._limits = limits
        self._counts = counts
        self._now_ms = now_ms
        self._untold = 0
        self._tell_at = 0

    def enter(self, address: str) -> TooMany | None:
        """Count an HTTP connection, or say why it is one too many. Every enter that gave None is followed by a leave."""
        limits = self._limits
        if self.addresses[address] >= limits.http_connections_per_address_max and not self.is_proxy(address):
            return "connection_limit"
        if self.http >= limits.http_connections_max and not self._put_out():
            return "overloaded"
        self.http += 1
        self.addresses[address] += 1
        return None

    def leave(self, address: str) -> None:
        self.http -= 1
        self.addresses[address] -= 1
        if self.addresses[address] <= 0:
            del self.addresses[address]

    def wait(self, socket: Waiting) -> None:
        """It has yet to say what it wants; past the limit the one that has waited longest is cut."""
        self.waiting[socket] = None
        if len(self.waiting) > self._limits.waiting_connections_max:
            self._put_out()

    def admit(self, socket: Waiting) -> None:
        """It waits no more: it has said something, or is gone."""
        self.waiting.pop(socket, None)

    def malformed(self, reason: str, address: str) -> None:
        """Count a request that is none. Said in the log once a minute at most: anybody may send as many as they like."""
        self._counts.malformed[reason] += 1
        self._untold += 1
        now = self._now_ms()
        if now >= self._tell_at:
            log.warning("%d malformed requests, the newest (%s) from %s", self._untold, reason, address)
            self._untold, self._tell_at = 0, now + MINUTE_MS

    def _put_out(self) -> bool:
        """Make room for one, if anybody waits."""
        oldest = next(iter(self.waiting), None)
        if oldest is None:
            return False
        del self.waiting[oldest]
        self._counts.put_out += 1
        oldest.abort()
        return True


def proxies(told: str | Sequence[str]) -> Callable[[str], bool]:
    """Whether an address is one of those told: addresses and networks, parted by commas; `*` for all."""
    parts = [part.strip() for part in (told.split(",") if isinstance(told, str) else told)]
    if "*" in parts:
        return lambda address: True
    networks = [network for part in parts if (network := _network(part)) is not None]

    @lru_cache(maxsize=1024)
    def is_proxy(address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in networks)

    return is_proxy


def _network(told: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(told, strict=False)
    except ValueError:
        # uvicorn takes names too (of Unix sockets); those have no address to be limited by.
        return None
