"""What the engine holds at most, and what happens at each limit."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    inflight_inputs_max: int = 20_000
    """Inputs taken and not yet on disk; past it a batch is refused as `overloaded` and is to be sent again."""
    critical_inputs_max: int = 5_000
    """So many more for small batches that hold a critical event (a purchase, feedback of our own messages)."""
    critical_batch_inputs_max: int = 20
    """A larger batch gets none of that room, whatever it holds."""
    inflight_bytes_max: int = 16_000_000
    """Of properties and contexts of inputs not yet on disk; past it a batch is refused as `overloaded`."""
    critical_bytes_max: int = 4_000_000
    """So many more for small batches that hold a critical event."""
    live_actors_max: int = 200_000
    """Actors kept as objects; past it those not used for longest are packed."""
    live_heavy_bytes_max: int = 128_000_000
    """Of live actors that take more than 8 kB each when packed; past it those written longest ago are packed."""
    packed_bytes_max: int = 256_000_000
    """Actors kept as bytes; past it those packed for longest are left on disk alone."""
    user_events_per_second_max: int = 500
    """Of one user, from browsers, sustained; a second's worth may come at once. Past it: `too_many_for_user`."""
    snapshot_every_ms: int = 5_000
    """Changed actors are written anew this often, or as often as their number allows."""
    snapshots_per_commit_max: int = 64
    """Snapshots that ride in one commit; the rest wait for the next."""
    snapshot_bytes_per_commit_max: int = 4_000_000
    """Of those snapshots; past it the rest wait likewise."""
    snapshot_bytes_max: int = 4_000_000
    """Of one actor; one that is larger cannot be written, and is held in quarantine."""
    quarantine_events_max: int = 10_000
    """Events in quarantine; past it those of users who are held, or fail, are refused as `user_quarantined`."""
    quarantine_user_events_max: int = 1_000
    """Of one user; past it: `user_quarantined`."""
    quarantine_bytes_max: int = 32_000_000
    """Of all events in quarantine; past it: `user_quarantined`."""
    quarantine_retry_ms: int = 60_000
    """What a client is told to wait whose event finds no room in quarantine."""
    timers_per_slice_max: int = 512
    """Users whose timers fire before inputs get their turn again."""
    refused_retry_ms: int = 1_000
    """What a client that is refused is told to wait at least."""


class Keep(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the journal is kept, in what nobody needs for a start."""

    age_ms: int = 400 * 86_400_000
    bytes_max: int = 100_000_000_000
    reach_ms: int = 30 * 86_400_000
    """So much is kept for backtests, whatever `bytes_max` says."""
