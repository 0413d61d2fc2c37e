"""What became of our messages, told to the engine as events of their users."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from actors.model.event import Event
from actors.model.feedback import feedback
from actors.model.turn import Send
from engine.submit import Receipt, Submit


class Feedback:
    """Events that the engine refuses for now are submitted again after the time it names. `waiting`: how many those are."""

    def __init__(self, submit: Submit, now_ms: Callable[[], int]) -> None:
        self._submit = submit
        self._now_ms = now_ms
        self.waiting = 0

    def tell(self, name: str, send: Send, part: str = "", **properties: str | bool) -> None:
        """Once for each (send, name, part), however often it is told: the engine knows the message id again."""
        event = feedback(name, send, self._now_ms(), part, **properties)
        self._hand_over([event])

    def _hand_over(self, events: Sequence[Event]) -> None:
        def done(receipt: Receipt) -> None:
            if receipt.refused is not None and receipt.refused != "draining":
                self.waiting += len(events)
                asyncio.get_running_loop().call_later(max(receipt.retry_ms, 50) / 1000, again)

        def again() -> None:
            self.waiting -= len(events)
            self._hand_over(events)

        self._submit(events, done)
