"""Chance that is none: assignments by hash, the same for one user today, after a restart and in a simulation."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from actors.model.program import Variant
from actors.model.state import Actor

ASSIGNED_MAX: Final = 256
"""Experiments and splits of one user whose variant is remembered; past it the one assigned longest ago is again a hash."""


def share(subject: str, user: str) -> float:
    """A number in [0, 1) that is a function of (subject, user), spread evenly over users."""
    return int.from_bytes(blake2b(f"{subject}\x1f{user}".encode(), digest_size=7).digest(), "big") / (1 << 56)


def choose(subject: str, user: str, variants: tuple[Variant, ...]) -> str:
    """A variant by weight."""
    point = share(subject, user) * sum(variant.weight for variant in variants)
    for variant in variants:
        point -= variant.weight
        if point < 0:
            return variant.name
    return variants[-1].name


def assign(actor: Actor, experiment: str, variants: tuple[Variant, ...]) -> str:
    """The user's variant, kept from then on whatever becomes of the weights, as long as it exists."""
    known = (actor.assigned or {}).get(experiment)
    if known is not None and any(variant.name == known for variant in variants):
        return known
    chosen = choose(experiment, actor.user, variants)
    actor.assigned = last_assigned({**(actor.assigned or {}), experiment: chosen})
    return chosen


def last_assigned(assigned: dict[str, str]) -> dict[str, str]:
    """As many as are kept, those assigned last."""
    return dict(list(assigned.items())[-ASSIGNED_MAX:])
