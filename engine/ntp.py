"""Whether the machine's clock is kept in step with the world's: what the kernel was told by its NTP daemon."""

from __future__ import annotations

import ctypes
from typing import Final

TIMEX_BYTES: Final = 512
"""More than any `struct timex`; all zeros (`modes` among them) only asks."""

TIME_ERROR: Final = 5
"""adjtimex(2): "The system clock is not synchronized to a reliable server". A clock that is set by hand is not either, until
the daemon has looked at it again."""


def synchronised() -> bool:
    """Return whether the kernel says so; False where it cannot be asked (no Linux)."""
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(TIMEX_BYTES))
    except (AttributeError, OSError):
        return False
    return 0 <= int(state) < TIME_ERROR
