"""Sockets within what the system lets a process open, so that mail and the database always find a descriptor."""

from __future__ import annotations

import errno
import logging
import os
import resource
from typing import Final

import msgspec

from ingress.bounds.limits import IngressLimits

log = logging.getLogger(__name__)

RESERVE: Final = 64
"""Descriptors for everything that is no client: the database and its threads, mail, files of a site."""


def raised(needed: int) -> int:
    """How many files this process may open, after asking the system for as many as are needed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return needed
    wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(soft, wanted)


def needed(limits: IngressLimits) -> int:
    """Descriptors at the limits. Who waits for a hello is counted beside those who were let in."""
    return limits.connections_max + limits.http_connections_max + limits.waiting_connections_max + RESERVE


def fitted(limits: IngressLimits, files_max: int) -> IngressLimits:
    """The limits, lowered so that all connections together leave the reserve alone. Said in the log if they are."""
    if needed(limits) <= files_max:
        return limits
    sockets = max(files_max - RESERVE, 8)
    shares = {
        "http_connections_max": min(limits.http_connections_max, sockets // 4),
        "waiting_connections_max": min(limits.waiting_connections_max, sockets // 4),
    }
    shares["connections_max"] = min(limits.connections_max, sockets - sum(shares.values()))
    log.info(
        "%d descriptors are too few for `connections_max` and the like (%d): lowered to %s; raise `ulimit -n` (LimitNOFILE)",
        files_max,
        needed(limits),
        ", ".join(f"{name} = {value}" for name, value in shares.items()),
    )
    return msgspec.structs.replace(limits, **shares)


class Lookout:
    """Notices that there are none left: connections are not accepted then, and nobody is told by the system."""

    def __init__(self) -> None:
        self.exhausted = False

    def look(self) -> None:
        """Say it once when it begins, and once when it is over."""
        exhausted = _none_left()
        if exhausted and not self.exhausted:
            log.error("no descriptors left: no connection is accepted until some are closed; raise `ulimit -n`")
        elif self.exhausted and not exhausted:
            log.warning("there are descriptors again")
        self.exhausted = exhausted


def _none_left() -> bool:
    try:
        os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        return error.errno in (errno.EMFILE, errno.ENFILE)
    return False
