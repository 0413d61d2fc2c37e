"""Who may come in when there is more than can be done: decided before anything is decoded.

Rules it keeps:

* A large body is decoded only when it is its turn: one each time round the loop, so that commits and small bodies get
  theirs between, and only while the engine has room for batches.
* What waits for its turn is bounded in bytes; what comes beyond is refused, before it is read if its size is told.
* Small bodies (one event, an order) do not wait: the engine keeps room for them that batches cannot take.
* A stream is not refused but not read from, and waits in the same line.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

import msgspec
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from engine.submit import Receipt, RefusalCode
from ingress.bounds.backoff import Backoff
from ingress.bounds.limits import IngressLimits
from ingress.bounds.rates import Buckets


class AdmissionRefused(Exception):
    """Nothing was taken, nor decoded; what the engine would say of it."""

    def __init__(self, receipt: Receipt) -> None:
        super().__init__(receipt.refused)
        self.receipt = receipt


OVERLOADED: Final = Receipt(refused="overloaded")
LASTING: Final[frozenset[RefusalCode | None]] = frozenset({"overloaded", "storage_full", "draining"})
"""Refusals that concern all clients: the longer they last the longer each is to stay away, and all for different times."""


class Admission(Collector):
    """`in_flight`: inputs that the engine has taken and that are not yet on disk. `chance`: numbers from 0 to 1."""

    def __init__(
        self,
        limits: IngressLimits | None = None,
        now_ms: Callable[[], int] = lambda: 0,
        in_flight: Callable[[], int] = lambda: 0,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._limits = limits = limits or IngressLimits()
        self._now_ms = now_ms
        self._in_flight = in_flight
        self._backoff = Backoff(limits.retry_ms, limits.overload_retry_ms_max, chance)
        self._refusals = Buckets(limits.refusals_per_second_max)
        self._line: deque[tuple[Callable[[], bool], int]] = deque()
        """(begins its turn and says True, or says False because it is gone; bytes)"""
        self.waiting_bytes = 0
        self._given = False
        """A turn was given, and the loop has not come round since."""

    # --- turns ----------------------------------------------------------------------------------------------------

    def look(self, size: int) -> None:
        """Before a body of so many bytes is read. Raises AdmissionRefused."""
        limits, waiting = self._limits, self.waiting_bytes
        if size >= limits.small_bytes_max and waiting and waiting + size > limits.waiting_bytes_max:
            raise AdmissionRefused(OVERLOADED)

    async def turn(self, size: int) -> None:
        """Returns when a body of that weight may be decoded, which is to be done before the next `await`. Raises AdmissionRefused."""
        if size < self._limits.small_bytes_max:
            return
        if self._line or self._given or self.full:
            self.look(size)
            turn = _Turn()
            self.wait(turn.begin, size)
            await turn.begun
        else:
            self._give_soon()

    async def next_turn(self) -> None:
        """Returns when the next part of a body may be given to the engine that was let in already: before all others."""
        turn = _Turn()
        self._line.appendleft((turn.begin, 0))
        if not self._given:
            self._give_soon()
        await turn.begun

    def wait(self, begin: Callable[[], bool], size: int = 0) -> None:
        """`begin` is called when it is its turn; it says whether it takes it."""
        self._line.append((begin, size))
        self.waiting_bytes += size

    @property
    def full(self) -> bool:
        """The engine has no room for batches."""
        return self._in_flight() >= self._limits.bulk_inputs_max

    def settled(self) -> None:
        """The engine may have room again."""
        if self._line and not self._given:
            self._give()

    def _give(self) -> None:
        self._given = False
        while self._line and not self.full:
            begin, size = self._line.popleft()
            self.waiting_bytes -= size
            if begin():
                self._give_soon()
                return

    def _give_soon(self) -> None:
        self._given = True
        asyncio.get_running_loop().call_soon(self._give)

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("cuebird_waiting", "Large bodies and streams that wait for the engine", len(self._line))
        yield GaugeMetricFamily("cuebird_waiting_bytes", "Size of the bodies among them", self.waiting_bytes)

    # --- refusals -------------------------------------------------------------------------------------------------

    def told(self, receipt: Receipt) -> Receipt:
        """A refusal, with the time that its client is to stay away."""
        if receipt.refused not in LASTING:
            return receipt
        wait_ms = max(receipt.retry_ms, self._backoff.wait_ms(self._now_ms()))
        return msgspec.structs.replace(receipt, retry_ms=wait_ms)

    def refusal_wait_ms(self) -> int:
        """How long a client waits to hear its refusal: not at all, until there are very many."""
        now = self._now_ms()
        wait_ms = self._refusals.wait_ms("", now)
        if wait_ms < self._limits.refusal_wait_ms_max:
            self._refusals.count("", 1, now)
        return min(wait_ms, self._limits.refusal_wait_ms_max)


class _Turn:
    """Of a coroutine that may be cancelled while it waits."""

    def __init__(self) -> None:
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def begin(self) -> bool:
        if self.begun.done():
            return False
        self.begun.set_result(None)
        return True
