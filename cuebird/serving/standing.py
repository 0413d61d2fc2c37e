"""Where a user stands in each campaign, for the page of the user: what `cuebird explain` says, its times as instants."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

import msgspec

from analytics.user_view import moment
from replay.explain.model import CampaignView, Explanation, Part
from replay.ledger import iso

_TIME: Final = re.compile(
    r"\b(?P<day>\d{4}-\d\d-\d\d) (?P<clock>\d\d:\d\d(?::\d\d)?)\b"
    r"|(?:(?<=\bat )|(?<=\buntil )|(?<=\bfrom ))(?P<today>\d\d:\d\d(?::\d\d)?)(?!:?\d|-)"
)
"""How `replay.explain.words.moment` writes a time, which is UTC: with its day, or after at, until and from."""

MARKS: Final = {"true": "✓", "false": "✗", "pending": "…"}


class Piece(msgspec.Struct, frozen=True):
    """A part of a line: text, or an instant if `iso` is not empty; `text` is then its time in UTC."""

    text: str
    iso: str = ""


class StandingLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line, so deep. `state` is that of a part of a condition, else empty."""

    depth: int = 0
    state: str = ""
    mark: str = ""
    pieces: tuple[Piece, ...]


class UserStanding(msgspec.Struct, frozen=True, kw_only=True):
    """One campaign. `conditions` and `happened` are there if it was asked for by its name."""

    campaign: str
    why: str
    says: StandingLine
    conditions: tuple[StandingLine, ...] = ()
    happened: tuple[StandingLine, ...] = ()
    next: tuple[StandingLine, ...] = ()
    """What would make it fire."""


def standings(explanation: Explanation, *, whole: bool) -> list[UserStanding]:
    """Put an explanation into lines for a page. `whole`: with each condition, and with what happened in its runs."""
    day = iso(explanation.at)[:10]
    return [_standing(view, day, whole=whole) for view in explanation.campaigns]


def _standing(view: CampaignView, day: str, *, whole: bool) -> UserStanding:
    return UserStanding(
        campaign=view.campaign,
        why=view.why.strip(),
        says=StandingLine(pieces=pieces(view.says, day)),
        conditions=tuple(_parts((*view.entry, *view.rules), day)) if whole else (),
        happened=tuple(_happened(view)) if whole else (),
        next=tuple(StandingLine(pieces=pieces(witness.text, day)) for witness in view.witnesses),
    )


def _parts(parts: Iterable[Part], day: str, depth: int = 0) -> Iterator[StandingLine]:
    for part in parts:
        said = f"{part.text}: {part.saw}" if part.saw and part.saw != part.text else part.text
        yield StandingLine(depth=min(depth, 3), state=part.state, mark=MARKS[part.state], pieces=pieces(said, day))
        yield from _parts(part.parts, day, depth + 1)


def _happened(view: CampaignView) -> Iterator[StandingLine]:
    for run in view.runs:
        for step in run.happened:
            at = moment(step.at)
            text = pieces(step.text, iso(step.at)[:10])
            yield StandingLine(pieces=(Piece(at["utc"], at["iso"]), Piece("  "), *text))


def pieces(text: str, day: str) -> tuple[Piece, ...]:
    """Cut a text at its times. A time without its day is of `day`, `2026-01-31`."""
    found: list[Piece] = []
    at = 0
    for match in _TIME.finditer(text):
        found.append(Piece(text[at : match.start()]))
        at = match.end()
        found.append(_instant(match[0], f"{match['day'] or day}T{match['clock'] or match['today']}"))
    return tuple(piece for piece in (*found, Piece(text[at:])) if piece.text)


def _instant(text: str, written: str) -> Piece:
    try:
        when = datetime.fromisoformat(written).replace(tzinfo=UTC)
    except ValueError:
        # `at 29:99` is somebody's text.
        return Piece(text)
    return Piece(f"{text} UTC", when.isoformat())
