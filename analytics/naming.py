"""What a user is called on a page."""

from __future__ import annotations

from typing import Final

from actors.model.event import ANONYMOUS

TAIL_CHARACTERS: Final = 6


def label(user: str) -> str:
    """Name a user by their id, a visitor who has not signed in by the end of it: `Visitor 517581`. Shops begin the ids
    of all visitors alike (`shopper-9-…`), and what is random stands at the end."""
    if not user.startswith(ANONYMOUS):
        return user
    return f"Visitor {user.removeprefix(ANONYMOUS)[-TAIL_CHARACTERS:]}"
