"""How many examples, from which seed."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings

EXAMPLES = int(os.environ.get("CUEBIRD_EXAMPLES", "200"))
"""In all, shared by the kinds of sites. A night takes 20000."""

SEED = os.environ.get("CUEBIRD_SEED")
"""None: the same examples each time."""


def sampled(share: float) -> Callable[[Callable[..., Any]], Callable[[], None]]:
    """Runs a property on that part of the examples."""

    def decorate(test: Callable[..., Any]) -> Callable[[], None]:
        print(f"CUEBIRD_SEED={SEED or 'derandomised'} CUEBIRD_EXAMPLES={EXAMPLES}")
        chosen = settings(
            max_examples=max(8, round(EXAMPLES * share)),
            derandomize=SEED is None,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink),
        )(test)
        return chosen if SEED is None else seed(int(SEED))(chosen)

    return decorate
