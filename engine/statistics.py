"""How the engine is doing, as one frozen value: for the dashboard, /metrics and tests."""

from __future__ import annotations

from typing import Literal

import msgspec

from engine.latencies import Histogram
from persistence.interface import Journal

StorageState = Literal["good", "full", "stalled", "failed"]


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """Counts are since the start of the process; times are milliseconds, percentiles of the newest 8,192."""

    events: int
    """Taken: each is a row of the journal."""
    duplicates: int
    too_old: int
    """Not taken: of a time of which their user's message ids are forgotten."""
    untracked: int
    """Counted and forgotten, for want of consent."""
    refused: int
    """In batches that were refused, whatever the reason."""
    faults: int
    """Turns that an actor failed on (a bug of ours): not taken, written to the log once a user."""
    held_users: int
    """Users whose actors take no turns until an operator says so."""
    quarantined_events: int
    """On disk, and taken by no actor."""
    decisions: int
    sends: int
    fired: int
    """Users whose timers fired."""
    refusals: dict[str, dict[str, int]]
    """Entries not made, by campaign and reason."""
    reached: dict[str, int]
    """How often an actor did not keep something, or only a part of it, by limit."""
    conflicts: int
    """Words on a user's profile that lost to others."""
    live_actors: int
    live_heavy_bytes: int
    """Of live actors that take more than 8 kB when packed."""
    packed_actors: int
    packed_bytes: int
    dirty_actors: int
    """Changed since their last snapshot."""
    loads: int
    """Look-ups of actors on disk, each for many at once."""
    timers: int
    """Users with a timer."""
    inflight: int
    inflight_bytes: int
    commits: int
    commit_ms_p50: float
    commit_ms_p99: float
    commit: Histogram
    last_commit_rows: int
    lateness_ms_p50: float
    """Of timers, from due to on disk."""
    lateness_ms_p99: float
    lateness: Histogram
    seq: int
    """Of the newest journal row on disk."""
    replayed_from: int
    """Recovery would take the journal again from here."""
    journal: Journal
    """As it was when it was last looked through, at most a minute ago."""
    clock_held: bool
    """The machine's clock has jumped; timers wait until that is confirmed."""
    clock_offset_ms: int
    """What the machine's clock is ahead of the engine's (held) or, below 0, behind it; 0: it is followed."""
    storage: StorageState
    draining: bool
