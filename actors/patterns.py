"""What has just matched: the event at hand against event patterns."""

from __future__ import annotations

from actors.program import Match
from actors.state import Run
from actors.work import Work


def matched(work: Work, matches: tuple[Match, ...], run: Run | None) -> Match | None:
    """The first of `matches` that the event at hand fits; `entry.x` in a condition is the run's."""
    event = work.event
    if event is None:
        return None
    scope = work.scope
    scope.run = run
    for match in matches:
        if match.event == event.name and (match.where is None or match.where(scope)):
            return match
    return None
