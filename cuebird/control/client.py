"""A command's end of the socket: one order, and its result. Nothing here needs an event loop."""

from __future__ import annotations

import http.client
import os
import socket
import struct
import time
from pathlib import Path
from typing import Final

import msgspec

from cuebird.changes.database_state import holder
from cuebird.control.order import Order, OrderResult
from cuebird.control.place import address_of, socket_of

WAIT_S_MAX: Final = 30.0
"""How long an engine may say nothing at all; it says something each few seconds while it works on an order."""

LOOK_S: Final = 0.02
"""How often it is looked whether an engine that has just begun listens."""


class NoAnswer(Exception):
    """The process that holds the database did not do what was asked, and the text says why."""


def ask(database: Path, pid: int, order: Order) -> OrderResult:
    """Blocks until the engine, that of process `pid`, has done it. Raises NoAnswer."""
    connection = _Connection(database, pid)
    try:
        connection.request("POST", "/orders", msgspec.json.encode(order), {"X-Engine": str(pid), "Connection": "close"})
        answer = connection.getresponse()
        raw = answer.read()
    except NoAnswer:
        raise
    except TimeoutError:
        raise NoAnswer(f"process {pid}, which holds the database, did not answer within {WAIT_S_MAX:.0f} s") from None
    except (OSError, http.client.HTTPException):
        raise NoAnswer(f"process {pid} ended before it said what became of it: look, and say it again") from None
    finally:
        connection.close()
    if answer.status != 200:
        raise NoAnswer(
            _problem(raw) or f"{socket_of(database)} answered {answer.status}: it is no engine of this version"
        )
    try:
        return msgspec.json.decode(raw, type=OrderResult)
    except msgspec.MsgspecError as error:
        raise NoAnswer(f"{socket_of(database)} answered what is no result ({error})") from None


class _Connection(http.client.HTTPConnection):
    def __init__(self, database: Path, pid: int) -> None:
        super().__init__("cuebird", timeout=WAIT_S_MAX)
        self._database = database
        self._pid = pid

    def connect(self) -> None:
        """Raises NoAnswer, of each thing that may be the matter in its own words."""
        until = time.monotonic() + WAIT_S_MAX
        while (found := self._connected()) is None:
            if holder(self._database) != self._pid:
                raise NoAnswer(f"process {self._pid}, which held the database, has ended: say it again")
            if time.monotonic() > until:
                raise NoAnswer(
                    f"process {self._pid} holds the database, and nobody listens on {socket_of(self._database)}: it is another "
                    "command at work, or its log says why it has no socket"
                )
            time.sleep(LOOK_S)
        self.sock = found
        self._believe(found)

    def _connected(self) -> socket.socket | None:
        """None if nobody listens yet."""
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.settimeout(WAIT_S_MAX)
        try:
            with address_of(self._database) as address:
                made.connect(address)
        except (FileNotFoundError, ConnectionRefusedError, BlockingIOError):  # the last: many wait already
            made.close()
            return None
        except OSError as error:
            made.close()
            raise NoAnswer(self._refused(error)) from None
        return made

    def _refused(self, error: OSError) -> str:
        path = socket_of(self._database)
        if isinstance(error, PermissionError):
            return f"{path}: {error.strerror}. Say it as the user whose database it is"
        return f"{path}: {error.strerror or error}"

    def _believe(self, connected: socket.socket) -> None:
        """An order names users and reasons: it goes to nobody but the database's owner, or root."""
        if not hasattr(socket, "SO_PEERCRED"):
            return  # the mode of the directory has to do
        raw = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _, user, _ = struct.unpack("3i", raw)
        owner = os.stat(self._database).st_uid
        if user not in (owner, 0):
            raise NoAnswer(
                f"user {user} listens on {socket_of(self._database)}, and the database is user {owner}'s: remove that socket, "
                "and start the engine again"
            )


def _problem(raw: bytes) -> str:
    try:
        return msgspec.json.decode(raw, type=dict[str, str]).get("problem", "")
    except msgspec.MsgspecError:
        return ""
