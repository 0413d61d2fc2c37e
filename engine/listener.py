"""Who is told what the engine has done: figures, delivery, a test."""

from __future__ import annotations

from actors.model.turn import Send
from persistence.interface import Commit


class EngineListener:
    """Does nothing; a listener overrides what it wants to be told. A method is called between commits and must not fail."""

    def on_commit(self, commit: Commit) -> None:
        """All of it is on disk, and nobody has been told before. In the order of the commits."""

    def on_sends(self, sends: list[Send]) -> None:
        """They have just been committed, each told at most once in all lives of the database. Also called with none, when
        there may be something in the outbox that is not told by name."""
