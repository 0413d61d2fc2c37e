"""What Prometheus is told of the engine and of the ways out, beside the counters of the ways in (ingress/bounds/metrics.py)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import accumulate
from typing import get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from cuebird.serving.reload import Reload
from delivery.dispatcher import Dispatcher
from engine.engine import Engine
from engine.latencies import Histogram
from engine.statistics import Statistics, StorageState
from ingress.bounds.metrics import family
from persistence.interface import SendState, Store, StoreError


class Metrics(Collector):
    """No user, address or message is ever a label. `look` is awaited before each scrape: the outbox is asked then."""

    def __init__(self, engine: Engine, dispatcher: Dispatcher, store: Store, reload: Reload) -> None:
        self._engine = engine
        self._dispatcher = dispatcher
        self._store = store
        self._reload = reload
        self._outbox: Mapping[SendState, int] = {}

    async def look(self) -> None:
        with suppress(StoreError):  # what is the matter with the disk is told by the figures themselves
            self._outbox = await self._store.unsettled()

    def collect(self) -> Iterator[Metric]:
        now = self._engine.statistics()
        yield from _turns(now)
        yield from _memory(now)
        yield from _disk(now)
        on_hold = int(self._dispatcher.hold is not None)
        yield _level("outbox_on_hold", "1: nothing goes out that an operator has not released", on_hold)
        limited = int(bool(self._dispatcher.only_to))
        yield _level("mail_limited", "1: mail goes to the addresses of [delivery] only_to alone", limited)
        yield _level("site_differs", "1: the site's files are not what runs", int(self._reload.differs))
        yield _total("site_refused", "Edits of the site that were refused", self._reload.refused)
        yield _gauge("outbox", "Messages that are not settled", "state", self._outbox)
        yield family("cuebird_messages", "What became of messages", ["outcome"], self._dispatcher.counts)


def _turns(now: Statistics) -> Iterator[Metric]:
    became = {
        "taken": now.events,
        "duplicate": now.duplicates,
        "too_old": now.too_old,
        "untracked": now.untracked,
        "refused": now.refused,
        "fault": now.faults,
    }
    yield family("cuebird_inputs", "What became of events", ["how"], became)
    yield _total("decisions", "Rows of the ledger", now.decisions)
    yield _total("sends", "Messages decided", now.sends)
    yield _total("timers_fired", "Users whose timers fired", now.fired)
    refused = {(campaign, reason): n for campaign, reasons in now.refusals.items() for reason, n in reasons.items()}
    yield family("cuebird_entries_refused", "Entries not made", ["campaign", "reason"], refused)
    yield family("cuebird_limits_reached", "Something of a user not kept, or only a part", ["limit"], now.reached)
    yield _total("profile_conflicts", "Words on a user that lost to newer ones", now.conflicts)
    yield _seconds("timer_lateness_seconds", "From due to on disk", now.lateness)


def _memory(now: Statistics) -> Iterator[Metric]:
    yield _gauge("actors", "Actors in memory", "kind", {"live": now.live_actors, "packed": now.packed_actors})
    yield _level("actors_packed_bytes", "Their size", now.packed_bytes)
    yield _level("actors_heavy_bytes", "Size of the large ones among the live", now.live_heavy_bytes)
    yield _level("actors_dirty", "Changed since their last snapshot", now.dirty_actors)
    yield _level("users_held", "In quarantine: their actors take no turns", now.held_users)
    yield _level("events_quarantined", "On disk, and taken by no actor", now.quarantined_events)
    yield _level("timers", "Users with a timer", now.timers)
    yield _level("inputs_in_flight", "Taken, and not on disk yet", now.inflight)
    yield _level("inputs_in_flight_bytes", "Their size", now.inflight_bytes)
    yield _total("actor_loads", "Look-ups of actors on disk, each for many at once", now.loads)


def _disk(now: Statistics) -> Iterator[Metric]:
    yield _total("commits", "Transactions", now.commits)
    yield _seconds("commit_seconds", "A transaction, with its fsync", now.commit)
    yield _level("journal_position", "Of the newest input on disk", now.seq)
    yield _level("journal_to_replay", "Inputs that a start would take again", now.seq - now.replayed_from)
    yield _level("journal_entries", "Inputs that are kept", now.journal.entries)
    yield _level("journal_bytes", "Their size on the disk", now.journal.bytes)
    yield _level("journal_begins_timestamp_seconds", "When the oldest of them was taken", now.journal.begins_at / 1000)
    states = {state: int(now.storage == state) for state in get_args(StorageState)}
    yield _gauge("storage", "1: so it is", "state", states)
    yield _level("clock_held", "1: the machine's clock has jumped and timers wait", int(now.clock_held))
    offset = "The machine's clock less the engine's: above 0 it is not believed, below 0 time goes on a tenth slower"
    yield _level("clock_offset_seconds", offset, now.clock_offset_ms / 1000)


def _total(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"cuebird_{name}", text, value=value)


def _gauge(name: str, text: str, label: str, values: Mapping[str, float] | Mapping[SendState, int]) -> Metric:
    family = GaugeMetricFamily(f"cuebird_{name}", text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _level(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"cuebird_{name}", text, value=value)


def _seconds(name: str, text: str, told: Histogram) -> Metric:
    bounds = [*(str(bound / 1000) for bound in told.bounds_ms), "+Inf"]
    buckets = list(zip(bounds, accumulate(told.counts), strict=True))
    return HistogramMetricFamily(f"cuebird_{name}", text, buckets=buckets, sum_value=told.sum_ms / 1000)
