"""The program: command line, settings, composition, and the public API (`from cuebird import Simulation`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cuebird.playing.simulation import Sent as Sent
    from cuebird.playing.simulation import Simulation as Simulation

__all__ = ["Sent", "Simulation"]


def __getattr__(name: str) -> Any:
    """The API is imported when it is asked for: the command line should not pay for it at every start."""
    if name not in __all__:
        raise AttributeError(f"module 'cuebird' has no attribute {name!r}")
    import cuebird.playing.simulation

    return getattr(cuebird.playing.simulation, name)
