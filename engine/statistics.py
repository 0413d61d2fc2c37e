"""How the engine is doing, as one frozen value: for the dashboard, /metrics and tests."""

from __future__ import annotations

from typing import Literal

import msgspec

from actors.model.turn import Turn
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


class IntakeCounts:
    """What became of inputs and timers since the start; each is told once, by whoever let a turn be taken."""

    def __init__(self) -> None:
        self.events = 0
        self.duplicates = 0
        self.too_old = 0
        self.untracked = 0
        self.refused = 0
        self.decisions = 0
        self.sends = 0
        self.fired = 0
        self.conflicts = 0
        self.refusals: dict[str, dict[str, int]] = {}
        self.reached: dict[str, int] = {}

    def batch(self, taken: int, duplicates: int, too_old: int, untracked: int) -> None:
        """Count the inputs of a batch by their outcomes."""
        self.events += taken
        if duplicates or too_old or untracked:
            self.duplicates += duplicates
            self.too_old += too_old
            self.untracked += untracked

    def turn(self, turn: Turn) -> None:
        """Count what came of a turn."""
        if turn.decisions:
            self.decisions += len(turn.decisions)
        self.sends += len(turn.sends)
        if turn.conflicts:
            self.conflicts += turn.conflicts
        for campaign, reason in turn.refusals:
            counts = self.refusals.setdefault(campaign, {})
            counts[reason] = counts.get(reason, 0) + 1
        for limit in turn.reached:
            self.reached[limit] = self.reached.get(limit, 0) + 1
