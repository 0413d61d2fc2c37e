"""What every connection of ours can do with its socket, whatever is spoken on it."""

from __future__ import annotations

import asyncio


class Socket:
    """`transport` is given by the protocol that this is a part of."""

    transport: asyncio.Transport

    def pause(self) -> None:
        """Read nothing more from it, until `resume`."""
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def resume(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def abort(self) -> None:
        """Cut it, without a word."""
        self.transport.abort()
