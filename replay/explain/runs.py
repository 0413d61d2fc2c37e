"""The runs of a user in a campaign: where each stands, what moves it, what has happened in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from actors.model import program as compiled
from actors.model.state import ENDED, Run
from actors.model.turn import Decision
from actors.model.work import Work
from actors.runs.patterns import due
from actors.runs.steps import instructions, last_activity
from language.syntax import ast
from language.syntax.durations import written
from persistence.interface import Outboxed
from replay.explain import words
from replay.explain.expressions import Walk
from replay.explain.fate import fate
from replay.explain.fold import Moment
from replay.explain.language import Language
from replay.explain.layout import Source, layout, step_text, steps_of
from replay.explain.model import ExplainedStep, Part, RunView, SendView
from replay.explain.patterns import PatternWalk
from replay.explain.reasons import in_words
from replay.explain.sends import Checks

RUNS_SHOWN_MAX: Final = 10
"""Runs that have ended are shown up to so many, the newest."""


class RunWalk:
    """One active run, with the campaign as it was in the version that the run is pinned to."""

    def __init__(self, language: Language, moment: Moment, campaign: ast.Campaign, run: Run) -> None:
        self._language = language
        self._moment = moment
        self._campaign = campaign
        self._run = run
        self._program = moment.known.program.versions[run.version]
        self._code = instructions(self._program, run)
        self._sources: list[Source] = layout(steps_of(campaign, run.variant))
        assert len(self._sources) == len(self._code), f"{len(self._code)} instructions of {len(self._sources)} steps"

    def now(self) -> str:
        """Where the run stands."""
        source, wake = self._sources[self._run.pc], self._wake()
        step = step_text(source) if isinstance(source, ast.Step) else self._code[self._run.pc].step
        until = f" until {words.moment(wake, self._moment.now)}" if wake else ""
        if isinstance(source, ast.SendStep):
            asked = words.moment(self._run.asked, self._moment.now) if self._run.asked else ""
            return f"holds `{step}` since {asked}; tries again{until.replace(' until', ' at')}"
        return f"waits in `{step}`{until}"

    def wake(self) -> int:
        """Its next timer, in ms; 0: none."""
        partials = [due(pattern, self._run, self._moment.actor, self._run.occurred) for pattern in self._program.timed]
        return min((at for at in (self._wake(), *partials) if at), default=0)

    def _wake(self) -> int:
        """When the wait at hand ends if nothing happens; an idle wait is put off only when its timer rings."""
        instruction = self._code[self._run.pc]
        if isinstance(instruction, compiled.WaitIdle):
            return self._quiet_since(instruction) + self._run.deadline
        return self._run.wake

    def _quiet_since(self, instruction: compiled.WaitIdle) -> int:
        work = Work(self._moment.actor, self._moment.known.program, self._moment.now, self._moment.actor.turn)
        return last_activity(work, self._run, instruction)

    # --- what moves it -------------------------------------------------------------------------------------------------

    def wait(self) -> tuple[Part, ...]:
        run, now = self._run, self._moment.now
        source, instruction = self._sources[run.pc], self._code[run.pc]
        match source:
            case ast.WaitUntil(patterns=patterns):
                walk = self._patterns(self._began())
                return (*map(walk.part, patterns), *self._time_is_up())
            case ast.WaitWhen(condition=condition):
                part = Walk(self._language, self._moment, run=run, in_run=True).part(condition)
                return (part, *self._time_is_up())
            case ast.WaitIdle():
                assert isinstance(instruction, compiled.WaitIdle)
                since = self._quiet_since(instruction)
                saw = (
                    f"quiet for {words.span(now - since)} of {written(run.deadline)}, since {words.moment(since, now)}"
                )
                return (Part(text=step_text(source), state="pending", until=since + run.deadline, saw=saw),)
            case ast.Step():
                return (Part(text=step_text(source), state="pending", until=run.wake),)
            case _:
                return ()

    def _time_is_up(self) -> tuple[Part, ...]:
        deadline = self._run.deadline
        return (Part(text="time is up", state="pending", until=deadline),) if deadline else ()

    def _began(self) -> tuple[int, int]:
        """The place in the history at which the wait at hand began."""
        rows = [row for row in self._moment.decisions if row.run == self._run.id and row.decision == "waiting"]
        return (rows[-1].at, rows[-1].turn) if rows else (-1, -1)

    def _patterns(self, since: tuple[int, int] = (-1, -1)) -> PatternWalk:
        return PatternWalk(self._language, self._moment, self._campaign.id, run=self._run, since=since)

    def exits(self) -> tuple[Part, ...]:
        walk = self._patterns()
        return tuple(map(walk.part, self._campaign.exits))

    def goal(self) -> tuple[Part, ...]:
        goal = self._campaign.goal
        if goal is None:
            return ()
        if self._run.goal < 0:
            return (Part(text="goal", state="true", saw="it was reached"),)
        walk = self._patterns()
        return tuple(map(walk.part, goal.patterns))

    def sends(self) -> tuple[SendView, ...]:
        """From where it stands on: jumps only lead forward."""
        return sends(self._language, self._moment, self._campaign, self._program, self._run)


def sends(
    language: Language, moment: Moment, campaign: ast.Campaign, program: compiled.Campaign, run: Run
) -> tuple[SendView, ...]:
    code = instructions(program, run)[run.pc :]
    found = [one for one in code if isinstance(one, compiled.SendMessage)]
    return tuple(Checks(language, moment, campaign, program, run, one).view() for one in found)


class Runs:
    """All runs of the user in one campaign; `versions` are the campaigns that runs may be pinned to."""

    def __init__(
        self,
        moment: Moment,
        rows: Iterable[Decision],
        versions: dict[str, tuple[Language, ast.Campaign]],
        outbox: Mapping[str, Outboxed],
    ) -> None:
        self._moment = moment
        self._versions = versions
        self._outbox = outbox
        self._rows: dict[str, list[Decision]] = {}
        for row in rows:
            if row.run:
                self._rows.setdefault(row.run, []).append(row)

    def views(self, campaign: str) -> tuple[RunView, ...]:
        """The active ones, and the newest of those that have ended, by entry."""
        active = {run.id: run for run in self._moment.actor.runs if run.campaign == campaign and run.pc != ENDED}
        ended = [
            self._ended(rows)
            for run, rows in self._rows.items()
            if run not in active and rows[0].campaign == campaign and rows[0].decision == "entered"
        ]
        ended.sort(key=lambda view: view.entered)
        current = [self._active(run) for run in active.values()]
        return tuple(sorted([*ended[-RUNS_SHOWN_MAX:], *current], key=lambda view: view.entered))

    def _told(self, row: Decision) -> ExplainedStep:
        step, found = in_words(row), self._outbox.get(row.message or "")
        if row.decision != "sent" or found is None:
            return step
        return msgspec.structs.replace(step, text=f"{step.text}; {fate(found, self._moment.now)}")

    def _active(self, run: Run) -> RunView:
        rows = self._rows.get(run.id, [])
        known = self._versions.get(run.version)
        happened = tuple(map(self._told, rows))
        if known is None or run.version not in self._moment.known.program.versions:
            now = "its version of the campaign is not kept any more: it ends at its next move"
            return RunView(id=run.id, version=run.version, entered=run.entered, active=True, now=now, happened=happened)
        walk = RunWalk(known[0], self._moment, known[1], run)
        return RunView(
            id=run.id,
            version=run.version,
            entered=run.entered,
            key=run.key,
            variant=run.variant,
            active=True,
            now=walk.now(),
            wake=walk.wake(),
            wait=walk.wait(),
            exits=walk.exits(),
            goal=walk.goal(),
            sends=walk.sends(),
            happened=happened,
        )

    def _ended(self, rows: list[Decision]) -> RunView:
        happened = tuple(map(self._told, rows))
        ending = next((row for row in reversed(rows) if row.decision in ("exited", "finished")), None)
        now = "its end is not in the ledger"
        if ending is not None:
            now = f"{in_words(ending).text}, at {words.moment(ending.at, self._moment.now)}"
        variant = next((row.variant for row in rows if row.variant), "") or ""
        return RunView(
            id=rows[0].run,
            version=rows[0].version,
            entered=rows[0].at,
            variant=variant,
            active=False,
            now=now,
            happened=happened,
        )
