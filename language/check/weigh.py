"""The most bytes that one user can take under a program, packed: what `check` says, and what the engine relies on.

Every part of an actor has a bound of its own in `actors/`; here they are added up. The test of it lets loose what the ways
in let through.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from actors.model.assignment import ASSIGNED_MAX
from actors.model.compiled_patterns import Absence, AllOf, Pattern, SequencePattern, Silence, Unmatched
from actors.model.newest import CONFLICTS_MAX, SHOWN_CHARACTERS_MAX, TOPIC, TRAIT_TIMES_MAX, WORD_TIMES_MAX
from actors.model.program import Campaign, Program, Split, WaitUntil, WaitWhen
from actors.model.recent import IDS_BYTES_MAX
from actors.model.state import ENTRIES_BYTES_MAX, ENTRY_BYTES_MIN, RUNS_MAX, USER_BYTES_MAX, WATCHED_MAX, Actor, Run
from actors.model.traits import CONSENT_BYTES_MAX, TRAITS_BYTES_MAX
from actors.profile import SUPPRESSED_MAX, UNSUBSCRIBED_MAX
from actors.runs.entry import ENTRIES_MAX
from actors.runs.patterns import PARTIALS_MAX
from actors.sending.frequency import SENT_MAX
from actors.values.address import ADDRESS_CHARACTERS_MAX
from actors.values.kept import BODY_BYTES_MAX, NAME_BYTES_MAX
from actors.values.zone import NAME_CHARACTERS_MAX

NUMBER: Final = 9
"""A number, or the key of a slot or pattern."""
HEAD: Final = 5
"""Of a text, a list or an object."""
PLACE: Final = 1 + 2 * NUMBER
"""`[occurred, ordinal]`"""


def actor_bytes_max(program: Program) -> dict[str, int]:
    """Return the most bytes of each part of a packed actor; their sum is the most of the whole."""
    runs = RUNS_MAX + WATCHED_MAX
    return {
        "events": sum(NUMBER + slot.bytes_max for slot in program.slots),
        # Their names may stand once more in `Actor.claimed`.
        "traits": 2 * (HEAD + TRAITS_BYTES_MAX) + CONSENT_BYTES_MAX,
        "runs": HEAD
        + runs * max(map(_run, program.versions.values()), default=0)
        + ENTRIES_BYTES_MAX
        + runs * ENTRY_BYTES_MIN,
        "patterns": HEAD + sum(_partials(_entry_patterns(program))),
        "message ids": HEAD + IDS_BYTES_MAX,
        "entries and sends": 2 * HEAD + ENTRIES_MAX * _entry(program) + SENT_MAX * _sent(program),
        "the rest": _rest(program),
    }


def _text(*texts: str) -> int:
    """Of the longest of them."""
    return HEAD + max((len(text.encode()) for text in texts), default=0)


def _run(campaign: Campaign) -> int:
    """Of one run, without the properties of its entry event."""
    fields = len(Run.__struct_fields__)
    # The head of its key is counted with the fields.
    names = _text(campaign.id) + _text(campaign.version) + NAME_BYTES_MAX + _text(*_variants(campaign), "holdout")
    awaited = [one.name for one in _code(campaign) if isinstance(one, WaitUntil | WaitWhen) and one.name]
    named = sum(_text(name) + 1 for name in set(awaited))
    patterns = {pattern.key: pattern for pattern in (*campaign.partial, *campaign.timed)}
    return HEAD + fields * NUMBER + 2 * NUMBER + names + named + sum(_partials(patterns, in_run=True))


def _code(campaign: Campaign) -> Iterable[object]:
    return (one for code in (campaign.code, *campaign.codes.values()) for one in code)


def _variants(campaign: Campaign) -> list[str]:
    return [variant.name for variant in campaign.variants]


def _entry_patterns(program: Program) -> Mapping[int, Pattern | Unmatched]:
    patterns = [
        *(pattern for one in program.versions.values() for pattern in one.entries),
        *(p for _, p in program.timed),
    ]
    return {pattern.key: pattern for pattern in patterns if isinstance(pattern, _Kept)}


_Kept = SequencePattern | AllOf | Absence | Silence | Unmatched
"""Patterns of which something is kept in between."""


def _partials(patterns: Mapping[int, Pattern | Unmatched], *, in_run: bool = False) -> Iterable[int]:
    for pattern in patterns.values():
        match pattern:
            case SequencePattern(steps=steps):
                yield NUMBER + HEAD + PARTIALS_MAX * (HEAD + (len(steps) - 1) * PLACE)
                yield NUMBER + HEAD + PARTIALS_MAX * (NUMBER + PLACE)
            case AllOf():
                yield NUMBER + HEAD + PARTIALS_MAX * (NUMBER + PLACE)
            case Absence(steps=steps):
                body = HEAD + (2 if in_run else BODY_BYTES_MAX)
                yield NUMBER + HEAD + PARTIALS_MAX * (2 + NUMBER + HEAD + len(steps) * PLACE + body)
            case Silence() | Unmatched():
                yield 4 * NUMBER


def _entry(program: Program) -> int:
    return _text(*(one.id for one in program.versions.values())) + 1 + NAME_BYTES_MAX + NUMBER


def _sent(program: Program) -> int:
    versions = program.versions.values()
    topics = [getattr(one, "topic", "") for campaign in versions for one in _code(campaign)]
    return 1 + NUMBER + _text("email") + _text(*topics) + _text(*(one.id for one in versions))


def _rest(program: Program) -> int:
    versions = program.versions.values()
    experiments = {campaign.experiment: _variants(campaign) for campaign in versions if campaign.experiment}
    splits = {
        one.id: [variant.name for variant in one.variants]
        for campaign in versions
        for one in _code(campaign)
        if isinstance(one, Split)
    }
    assigned = [_text(name) + _text(*variants) for name, variants in (experiments | splits).items()]
    return (
        len(Actor.__struct_fields__) * NUMBER
        + 2 * (HEAD + USER_BYTES_MAX)
        + HEAD
        + NAME_CHARACTERS_MAX * 4
        + SUPPRESSED_MAX * (HEAD + ADDRESS_CHARACTERS_MAX)
        + UNSUBSCRIBED_MAX * (HEAD + NAME_BYTES_MAX)
        + (TRAIT_TIMES_MAX + WORD_TIMES_MAX) * (HEAD + NUMBER + len(TOPIC) + 2 * NAME_BYTES_MAX)
        + CONFLICTS_MAX * (8 * NUMBER + 4 * (HEAD + 4 * SHOWN_CHARACTERS_MAX))
        + sum(_text(one.name) for one in program.segments)
        + sum(sorted(assigned)[-ASSIGNED_MAX:])
        + sum(_text(name) + HEAD + limit * NUMBER for name, limit in program.capped.items())
    )
