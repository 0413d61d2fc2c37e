"""How long a connection's proof still holds. Whoever was let in by it is not to stay longer."""

from __future__ import annotations

from typing import Final

from ingress.principals.principal import Principal

EXPIRING_MS: Final = 60_000
"""How long before its end the renewal of a proof is asked for."""


class ProofWatch:
    """Of one connection; `renewed` when it has shown a new one."""

    def __init__(self) -> None:
        self._told = False

    def renewed(self) -> None:
        self._told = False

    def expiring_in_ms(self, speaker: Principal, now: int) -> int | None:
        """How long it still holds, told once when that becomes short; None: there is nothing to say."""
        left = left_ms(speaker, now)
        if left is None or left > EXPIRING_MS or self._told:
            return None
        self._told = True
        return left


def left_ms(speaker: Principal, now: int) -> int | None:
    """How long the speaker's proof still holds, 0 if it has ended; None: for ever, or there is none."""
    return None if speaker.expires_ms is None else max(0, speaker.expires_ms - now)
