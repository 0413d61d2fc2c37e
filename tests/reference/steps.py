"""What a run does: its steps one after the other until one waits, and whether its messages may go out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from language.syntax import ast
from language.syntax.durations import written
from tests.reference.clocks import next_time
from tests.reference.expressions import Moment, evaluate, is_true
from tests.reference.history import Assigned, Decided, Happening, Sent, TraitsWritten
from tests.reference.policy import Wanted, objections
from tests.reference.runs import TEN_YEARS_MS, Person, Run, drawn
from tests.reference.values import Value, number

EMITS = 8


@dataclass(frozen=True)
class Row:
    """One row of the ledger. `run` is any name that no other run has."""

    at: int
    user: str
    campaign: str
    decision: str
    reason: str | None
    step: str
    channel: str | None
    template: str | None
    variant: str | None
    run: str
    detail: str


class Walk:
    """The moves of one user's runs in one turn. `ordinal` is its place in the order of all that was ever taken."""

    def __init__(self, site: ast.Site, person: Person, now: int, ordinal: int, rows: list[Row]) -> None:
        self.site = site
        self.person = person
        self.now = now
        self.ordinal = ordinal
        self.rows = rows
        self.event: Happening | None = None
        self.properties: dict[str, Any] = {}
        self.changed: set[tuple[str, bool]] = set()
        self.asking: list[Run] = []
        self.emitted: list[tuple[str, dict[str, Any], bool]] = []
        self.unproven = False
        """Whether this turn comes of something that nobody proved."""
        self.emits = 0

    # --- helpers --------------------------------------------------------------------------------------------------

    def moment(self, run: Run | None = None) -> Moment:
        return Moment(self.site, self.person.history, self.now, run, self.properties, in_run=run is not None)

    def asks_for_proof(self, purpose: str) -> bool:
        return purpose == "transactional" and not self.person.history.user.startswith("~")

    def write(
        self,
        campaign: ast.Campaign,
        run: Run | None,
        decision: str,
        *,
        step: str = "",
        reason: str | None = None,
        send: ast.SendStep | None = None,
        variant: str | None = None,
        detail: dict[str, Any] | None = None,
    ) -> None:
        self.rows.append(
            Row(
                at=self.now,
                user=self.person.history.user,
                campaign=campaign.id,
                decision=decision,
                reason=reason,
                step=step,
                channel=None if send is None else send.channel,
                template=None if send is None else send.template,
                variant=variant or (run.variant if run else None),
                run="" if run is None else str(run.number),
                detail=msgspec.json.encode(detail or {}, order="sorted").decode(),
            )
        )

    @property
    def place(self) -> tuple[int, int]:
        """Where in the history we are."""
        return (self.now, self.ordinal) if self.event is None else self.event.place

    # --- steps ----------------------------------------------------------------------------------------------------

    def end(self, run: Run, reason: str, pattern: ast.Pattern | None = None) -> None:
        detail = {} if pattern is None else {"pattern": text_of(pattern)}
        self.write(run.campaign, run, "exited", step=run.step, reason=reason, detail=detail)
        run.ended = True

    def came(self, run: Run, step: ast.WaitUntil | ast.WaitWhen) -> None:
        """What the run waited for has come."""
        if step.name:
            run.named = {**run.named, step.name: True}
        self.write(run.campaign, run, "matched", step=run.step)
        self.next(run)

    def time_is_up(self, run: Run, step: ast.WaitUntil | ast.WaitWhen) -> None:
        if step.name:
            run.named = {**run.named, step.name: False}
        self.write(run.campaign, run, "timed_out", step=run.step)
        self.next(run)

    def next(self, run: Run) -> None:
        del run.steps[0]
        run.until = None
        self.go_on(run)

    def go_on(self, run: Run) -> None:
        """Step after step, until one waits or none is left."""
        while not run.ended:
            if not run.steps:
                self.write(run.campaign, run, "finished")
                run.ended = True
            elif not self.do(run, run.steps[0]):
                return

    def do(self, run: Run, step: ast.AnyStep) -> bool:
        """Carries out a step; false if the run waits at it, or is already past it."""
        moment, campaign = self.moment(run), run.campaign
        shadow = "shadow" if campaign.status == "shadow" else None
        match step:
            case ast.Branch(cases=cases, otherwise=otherwise):
                for case, (condition, steps) in enumerate(cases, start=1):
                    if is_true(condition, moment):
                        self.write(campaign, run, "branched", step=run.step, detail={"case": case})
                        run.steps[:1] = steps
                        return True
                run.steps[:1] = otherwise
                return True
            case ast.Split(id=id_, ways=ways):
                variant = self.assigned(id_, ways)
                self.write(campaign, run, "assigned", step=run.step, variant=variant, detail={"experiment": id_})
                run.steps[:1] = [one for way in ways if way.name == variant for one in way.steps]
                return True
            case ast.SetTraits(traits=traits):
                values = {name: evaluate(value, moment) for name, value in traits}
                if not shadow:
                    self.person.history.facts.append(TraitsWritten(values, self.now))
                self.write(campaign, run, "set", step=run.step, reason=shadow, detail=values)
            case ast.Emit(event=event) if shadow:
                self.write(campaign, run, "emitted", step=run.step, reason=shadow, detail={"event": event})
            case ast.Emit(event=event, properties=properties):
                self.emits += 1
                if self.emits > EMITS:
                    self.write(campaign, run, "emitted", step=run.step, reason="emit_depth_max")
                else:
                    told = {name: evaluate(value, moment) for name, value in properties}
                    self.emitted.append((event, told, run.unproven))
                    self.write(campaign, run, "emitted", step=run.step, detail={"event": event})
            case ast.Exit(reason=reason):
                self.end(run, reason)
                return False
            case ast.SendStep():
                self.asking.append(run)
                return False
            case _:
                return self.wait(run, step, moment)
        del run.steps[0]
        return True

    def wait(self, run: Run, step: ast.AnyStep, moment: Moment) -> bool:
        """False: the run waits now (or is already past the wait); true: there is nothing to wait for."""
        run.until = None
        match step:
            case ast.WaitFor(duration=duration):
                run.until = self.now + _milliseconds(evaluate(duration, moment))
                over = run.until == self.now
            case ast.WaitAt(minute=minute, days=days, time_zone=zone):
                run.until = next_time(self.now, minute, moment.zone.key if zone == "user" else zone, days)
                over = run.until == self.now
            case ast.WaitIdle(duration=duration):
                run.length = _milliseconds(evaluate(duration, moment))
                run.until = self.silent_at(run, step)
                # A late event never ends the silence of its own instant.
                late = self.event is not None and self.event.occurred < self.now and run.length > 0
                over = run.until <= self.now and not late
                run.until = max(run.until, self.now)
            case ast.WaitUntil(up_to=up_to) | ast.WaitWhen(up_to=up_to):
                if isinstance(step, ast.WaitWhen) and is_true(step.condition, moment):
                    self.came(run, step)
                    return False
                if up_to is not None:
                    run.until = self.now + _milliseconds(evaluate(up_to, moment))
                    if run.until == self.now:
                        self.time_is_up(run, step)
                        return False
                over = False
            case _:
                raise AssertionError(step)
        if over:
            del run.steps[0]
            return True
        detail = {"until": run.until} if run.until and not isinstance(step, ast.WaitWhen) else {}
        self.write(run.campaign, run, "waiting", step=run.step, detail=detail)
        return False

    def silent_at(self, run: Run, step: ast.WaitIdle) -> int:
        """When the user will have been silent for so long, by what is known now."""
        history = self.person.history
        if not step.of:
            return (history.last_seen() or 0) + run.length
        times = [one.occurred for name in step.of for one in history.events(name)]
        return max(times, default=run.entry_place[0]) + run.length

    def assigned(self, experiment: str, ways: tuple[ast.Way, ...]) -> str:
        found = self.person.history.variant_of(experiment)
        if found is None:
            found = drawn(experiment, self.person.history.user, ways)
            self.person.history.facts.append(Assigned(experiment, found))
        return found

    # --- sends ----------------------------------------------------------------------------------------------------

    def decide_sends(self) -> None:
        """The higher priority first, then the older run."""
        while self.asking:
            run = min(self.asking, key=lambda one: (-one.campaign.priority, self.person.runs.index(one)))
            self.asking.remove(run)
            if not run.ended:
                self.decide(run)

    def decide(self, run: Run) -> None:
        step, campaign, moment = run.steps[0], run.campaign, self.moment(run)
        assert isinstance(step, ast.SendStep)
        wanted = Wanted(
            step.channel,
            step.topic or topic_of(campaign),
            step.purpose or campaign.purpose,
            campaign.entry.audience,
            run.variant == "holdout",
            run.unproven and self.asks_for_proof(step.purpose or campaign.purpose),
            tuple(self.own_caps(run, step)),
        )
        asked = self.now if run.asked is None else run.asked
        policy_expires = round(self.site.policy.expires * 1000)
        told = None if step.expires is None else number(evaluate(step.expires, moment))
        expires = asked + (policy_expires if told is None else _milliseconds(told))
        found = list(objections(wanted, moment))
        reasons = [one.reason for one in found]
        if run.asked is not None and (self.now > expires or (self.now == expires and reasons)):
            self.written(run, step, "skipped", ["expired", *reasons])
        elif found and found[0].until:
            run.asked = asked
            run.until = min(expires, max(one.until for one in found))
            self.written(run, step, "held", reasons, until=run.until)
            return
        elif found:
            caps = [one.cap for one in found if one.cap]
            self.written(run, step, "skipped", reasons, **({"cap": caps[0]} if caps else {}))
        elif campaign.status == "shadow":
            self.written(run, step, "skipped", ["shadow"])
        else:
            self.written(run, step, "sent", [])
            run.sent += 1
            self.person.history.facts.append(Decided(self.now, campaign.id, step.channel, step.template))
            if wanted.purpose == "marketing":
                self.person.history.facts.append(Sent(self.now, wanted.channel, wanted.topic))
        run.asked = None
        self.next(run)

    def own_caps(self, run: Run, step: ast.SendStep) -> Iterator[tuple[str, ast.Cap, list[int]]]:
        """Of the campaign and of the send."""
        mine = [one for one in self.person.history.decided() if one.campaign == run.campaign.id]
        same = [one.at for one in mine if (one.channel, one.template) == (step.channel, step.template)]
        for name, cap, times in (
            ("campaign", run.campaign.cap, [one.at for one in mine]),
            (run.step, step.cap, same),
        ):
            if cap is not None:
                told = "day" if cap.seconds is None else written(round(cap.seconds * 1000))
                yield f"{name}: {cap.limit} per {told}", cap, times

    def written(self, run: Run, step: ast.SendStep, decision: str, reasons: list[str], **detail: Any) -> None:
        also = {"also": reasons[1:]} if len(reasons) > 1 else {}
        reason = reasons[0] if reasons else None
        self.write(run.campaign, run, decision, step=run.step, reason=reason, send=step, detail={**also, **detail})


def _milliseconds(value: Value) -> int:
    seconds = number(value)
    return 0 if seconds is None else min(max(0, round(seconds * 1000)), TEN_YEARS_MS)


def topic_of(campaign: ast.Campaign) -> str:
    return campaign.topic or campaign.id


def text_of(pattern: ast.Pattern) -> str:
    return pattern.text or (pattern.event if isinstance(pattern, ast.EventPattern) else "")
