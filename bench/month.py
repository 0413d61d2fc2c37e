"""A month of a shop as a file of Segment messages, for `cuebird simulate`: `python -m bench.month USERS FILE`.

Each user is told once, signs up or not, and comes back for six visits of sixteen events of the canonical mix: about a
hundred events a user. Lines are in order of time; the same seed gives the same bytes.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from bench.workload import SEED, Template, digits, iso, templates, who

BEGIN_MS: Final = 1_767_600_000_000
DAY_MS: Final = 86_400_000
DAYS: Final = 30
VISITS: Final = 6
EVENTS_A_VISIT: Final = 16
APART_MS: Final = 45_000
"""Between two events of a visit: it takes twelve minutes."""
POOL: Final = 20_000


def lines(users: int, seed: int = SEED) -> Iterator[bytes]:
    """The messages, first to last, without line ends."""
    rng = random.Random(seed)
    pool = templates(POOL, seed)
    for number, (at, user, which) in enumerate(sorted(_moments(rng, users))):
        name = f"u{user:05d}"
        if which == _WHO:
            yield who(name, at)
        elif which == _SIGNED_UP:
            yield _signed_up(name, at)
        else:
            template: Template = pool[which].of(name)
            yield template.text % template.holes(digits(number), iso(at))


_WHO: Final = -2
_SIGNED_UP: Final = -1


def _moments(rng: random.Random, users: int) -> Iterator[tuple[int, int, int]]:
    """(when, which user, which template or one of the two above), in no order."""
    for user in range(users):
        visits = sorted(rng.randrange(DAYS * DAY_MS) for _ in range(VISITS))
        first = BEGIN_MS + visits[0]
        yield first - 2, user, _WHO
        if rng.random() < 0.5:
            yield first - 1, user, _SIGNED_UP
        for visit in visits:
            for step in range(EVENTS_A_VISIT):
                yield BEGIN_MS + visit + step * APART_MS, user, rng.randrange(POOL)


def _signed_up(user: str, at: int) -> bytes:
    message = {
        "type": "track",
        "messageId": f"up-{user}",
        "timestamp": iso(at).decode(),
        "userId": user,
        "event": "Signed Up",
    }
    return msgspec.json.encode(message)


def write(users: int, path: Path) -> int:
    """How many messages are in it."""
    count = 0
    with path.open("wb") as file:
        for line in lines(users):
            file.write(line + b"\n")
            count += 1
    return count


if __name__ == "__main__":
    print(write(int(sys.argv[1]), Path(sys.argv[2])))
