"""The policy's default campaign: entered by whoever entered no other for so long."""

from __future__ import annotations

from actors.model.compiled_patterns import Unmatched
from actors.runs.patterns import due
from replay.explain import words
from replay.explain.fold import Moment
from replay.explain.model import Part


def unmatched(moment: Moment, campaign: str) -> tuple[Part, ...]:
    """Its part, if `campaign` is the default one."""
    patterns = [
        pattern
        for timed, pattern in moment.known.program.timed
        if timed.id == campaign and isinstance(pattern, Unmatched)
    ]
    return tuple(_part(moment, pattern) for pattern in patterns)


def _part(moment: Moment, pattern: Unmatched) -> Part:
    ripe = due(pattern, moment.actor, moment.actor, moment.known.program.since.get(pattern.key, 0))
    if not ripe:
        return Part(text=pattern.text, state="false", saw="the user has never been seen")
    began = words.moment(ripe - pattern.span, moment.now)
    return Part(text=pattern.text, state="pending", until=ripe, saw=f"in no campaign since {began}")
