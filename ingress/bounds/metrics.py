"""Counters of the ways in: plain integers on the hot path, made into Prometheus families when they are asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class Counts(Collector):
    """`source` is the way in: ws, http, sse. No user, e-mail or message id is ever a label."""

    def __init__(self) -> None:
        self.received: Counter[str] = Counter()
        self.rejected: Counter[tuple[str, str]] = Counter()
        """(source, reason)"""
        self.duplicates: Counter[str] = Counter()
        self.too_old: Counter[str] = Counter()
        self.unproven: Counter[str] = Counter()
        self.refused: Counter[tuple[str, str]] = Counter()
        """(source, why the engine took nothing)"""
        self.frames_in = 0
        self.frames_out = 0
        self.connections: Counter[str] = Counter()
        self.closes: Counter[int] = Counter()
        self.pushes: Counter[str] = Counter()
        self.malformed: Counter[str] = Counter()
        """By what was wrong."""
        self.put_out = 0

    def collect(self) -> Iterator[Metric]:
        yield family("cuebird_events_received", "Messages taken", ["source"], self.received)
        yield family("cuebird_events_rejected", "Messages at fault", ["source", "reason"], self.rejected)
        yield family("cuebird_events_duplicate", "Messages that had come before", ["source"], self.duplicates)
        yield family("cuebird_events_too_old", "Messages too old to know whether they came", ["source"], self.too_old)
        yield family("cuebird_events_unproven", "Messages that named a user without proof", ["source"], self.unproven)
        yield family("cuebird_events_refused", "Batches the engine did not take", ["source", "reason"], self.refused)
        yield family("cuebird_frames", "WebSocket frames", ["dir"], {"in": self.frames_in, "out": self.frames_out})
        yield family("cuebird_connection_closes", "Connections that we closed", ["code"], self.closes)
        yield family("cuebird_pushes", "Pushes handed to open streams", ["transport"], self.pushes)
        yield family("cuebird_requests_malformed", "Requests and handshakes that are none", ["reason"], self.malformed)
        yield CounterMetricFamily(
            "cuebird_connections_put_out", "Cut while they waited, for others", value=self.put_out
        )
        open_now = GaugeMetricFamily("cuebird_connections", "Open connections", labels=["transport"])
        for transport in ("ws", "sse"):
            open_now.add_metric([transport], self.connections[transport])
        yield open_now


def family(name: str, text: str, labels: Sequence[str], values: Mapping[Any, float]) -> CounterMetricFamily:
    """Values by the label, or by a tuple of the labels."""
    found = CounterMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        found.add_metric([str(part) for part in key] if isinstance(key, tuple) else [str(key)], value)
    return found
