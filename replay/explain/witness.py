"""What would make it fire: the shortest future that is found, played through a copy of the actor before it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import msgspec

from actors.actor import fire, pack, take, unpack
from actors.model import program as compiled
from actors.model.event import Event
from actors.model.state import ENDED, Run
from actors.model.turn import Decision
from actors.sending.policy import objections
from language.syntax import ast
from replay.explain import words
from replay.explain.bases import Bases
from replay.explain.fold import Moment
from replay.explain.goals import NEW, GoalEvent, Goals, Happen, cheapest
from replay.explain.language import Language
from replay.explain.layout import layout, steps_of
from replay.explain.model import ExplainedMove, Witness
from replay.explain.rules import supposed_run

STEP_MS: Final = 1_000
"""Between two events, and before the first."""

HORIZON_MS: Final = 400 * 86_400_000
"""How far time alone is followed."""

TIMERS_MAX: Final = 2_000
TRIES_MAX: Final = 300

ADDRESS: Final = "someone@example.test"

Stop = Callable[[Decision], bool]


def event_of(move: ExplainedMove, number: int, user: str) -> Event:
    """A move as the input it stands for."""
    return Event(
        user=user,
        kind=move.kind,
        name=move.event,
        message_id=f"witness-{number}",
        occurred=move.at,
        body=msgspec.json.encode(move.properties),
    )


def play(moment: Moment, moves: Iterable[ExplainedMove], stop: Stop) -> Decision | None:
    """The first decision that `stop` is true of, if these moves came and then nothing."""
    actor, program = unpack(pack(moment.actor)), moment.known.program
    for number, move in enumerate(moves):
        turn = take(actor, event_of(move, number, actor.user), move.at, program)
        for decision in turn.decisions:
            if stop(decision):
                return decision
    for _ in range(TIMERS_MAX):
        if not 0 < actor.due <= moment.now + HORIZON_MS:
            return None
        for decision in fire(actor, actor.due, program).decisions:
            if stop(decision):
                return decision
    return None


class Witnesses:
    def __init__(self, language: Language, moment: Moment, campaign: ast.Campaign, program: compiled.Campaign) -> None:
        self._language = language
        self._moment = moment
        self._campaign = campaign
        self._program = program
        self._own = frozenset(event for pattern in program.entries for event in pattern.events)
        self._bases = Bases(language, moment, campaign.id, Goals(language, moment, self._own))

    def found(self) -> tuple[Witness, ...]:
        """How it enters, if the user is not in it; and how it sends."""
        run = next(
            (run for run in self._moment.actor.runs if run.campaign == self._campaign.id and run.pc != ENDED), None
        )
        if run is not None:
            sends = self._first(self._plans_in(run), "sent")
            return () if sends is None else (sends,)
        enters = self._first(self._plans_to_enter(), "entered")
        if enters is None:
            return ()
        sends = self._first(self._plans_after(enters.moves), "sent")
        return (enters,) if sends is None else (enters, sends)

    def _first(self, plans: Iterable[tuple[ExplainedMove, ...]], wanted: str) -> Witness | None:
        campaign = self._campaign.id

        def stop(decision: Decision) -> bool:
            return decision.campaign == campaign and decision.decision == wanted

        for number, moves in enumerate(plans):
            if number == TRIES_MAX:
                return None
            decision = play(self._moment, moves, stop)
            if decision is not None:
                outcome = "enters" if wanted == "entered" else "sends"
                what = "it enters" if wanted == "entered" else f"{decision.step or 'it sends'} goes out"
                text = f"{_told(moves, self._moment.now)}: {what} at {words.moment(decision.at, self._moment.now)}"
                return Witness(
                    outcome="enters" if outcome == "enters" else "sends", moves=moves, at=decision.at, text=text
                )
        return None

    # --- into the campaign ---------------------------------------------------------------------------------------------

    def _plans_to_enter(self) -> Iterator[tuple[ExplainedMove, ...]]:
        yield ()
        entry = self._campaign.entry
        bases = [base for pattern in entry.patterns for base in self._bases.of(pattern)]
        keys: list[dict[str, Any]] = [{}] if entry.key is None else [{}, {entry.key: NEW}]
        dated = [
            (start, (*wish.events, *_with_last(base, {**wish.own, **key})))
            for start in self._times(self._conditions(self._moment.now))
            for wish in self._conditions(start)
            for base in bases
            for key in keys
        ]
        dated.sort(key=lambda one: (len(one[1]), one[0], sum(len(happen.properties) for happen in one[1])))
        for start, plan in dated:
            if plan:
                yield self._moves(plan, start)

    def _conditions(self, now: int) -> list[GoalEvent]:
        """Ways to the `if` and the audience as they would stand at `now`, if nothing came before."""
        wishes = Goals(self._language, msgspec.structs.replace(self._moment, now=now), self._own)
        found = [GoalEvent()]
        for condition in (self._campaign.entry.condition, self._campaign.entry.audience):
            if condition is not None:
                ways = wishes.of(condition)
                found = [one.joined(way) for one in found for way in ways]
        return cheapest([GoalEvent(), *found])

    def _times(self, conditions: list[GoalEvent]) -> list[int]:
        """At once; when a condition turns true; when it may be entered again."""
        entry, now = self._campaign.entry, self._moment.now
        name = self._campaign.id
        entries = self._moment.actor.entries
        last = max(
            (at for key, at in zip(entries[::2], entries[1::2], strict=True) if key.split("\x1f")[0] == name), default=0
        )
        again = last + round(entry.re_entry_after * 1000)
        later = {wish.at for wish in conditions if wish.at > now} | ({again} if again > now else set())
        return [now + STEP_MS, *sorted(later | ({max(later)} if later else set()))]

    def _moves(self, plan: Iterable[Happen], start: int) -> tuple[ExplainedMove, ...]:
        return tuple(
            ExplainedMove(
                at=start + number * STEP_MS,
                kind="track" if happen.event else "identify",
                event=happen.event,
                properties=happen.properties,
            )
            for number, happen in enumerate(plan)
        )

    # --- to a send -----------------------------------------------------------------------------------------------------

    def _plans_after(self, entering: tuple[ExplainedMove, ...]) -> Iterator[tuple[ExplainedMove, ...]]:
        """The same entry; if that is not enough, with what stands against a send put right before it."""
        yield entering
        run = supposed_run(self._moment, self._program, b"{}")
        mending = self._mending(run)
        if mending:
            shifted = [msgspec.structs.replace(move, at=move.at + STEP_MS * len(mending)) for move in entering]
            yield (*self._moves(mending, self._moment.now + STEP_MS), *shifted)

    def _plans_in(self, run: Run) -> Iterator[tuple[ExplainedMove, ...]]:
        """Time alone; what the wait waits for; and both with what stands against a send put right before."""
        yield ()
        mending, start = self._mending(run), self._moment.now + STEP_MS
        if mending:
            yield self._moves(mending, start)
        for waited in self._waited(run):
            yield self._moves(waited, start)
            if mending:
                yield self._moves((*mending, *waited), start)

    def _waited(self, run: Run) -> Iterator[tuple[Happen, ...]]:
        if self._program.version != run.version:
            return
        source = layout(steps_of(self._campaign, run.variant))[run.pc]
        wishes = Goals(self._language, self._moment, run=run)
        if isinstance(source, ast.WaitUntil):
            bases = Bases(self._language, self._moment, self._campaign.id, wishes, run)
            for pattern in source.patterns:
                yield from bases.of(pattern)
        elif isinstance(source, ast.WaitWhen):
            for wish in wishes.of(source.condition, in_run=True):
                if wish.events:
                    yield wish.events

    def _mending(self, run: Run) -> tuple[Happen, ...]:
        """What a user could do about the objections to the sends of the campaign."""
        code = self._program.codes.get(run.variant, self._program.code)
        scope = self._moment.scope(run)
        reasons = {
            (one.reason, send.topic)
            for send in code
            if isinstance(send, compiled.SendMessage)
            for one in objections(scope, run, self._program, send)
        }
        traits: dict[str, Any] = {}
        events: list[Happen] = []
        for reason, topic in sorted(reasons):
            if reason == "no_consent":
                traits["consent"] = {"marketing": True}
                if topic in self._moment.actor.unsubscribed:
                    events.append(Happen("email_subscribed", {"topic": topic}))
            elif reason == "no_address":
                traits["email"] = ADDRESS
        return (*([Happen("", traits)] if traits else []), *events)


def _with_last(base: tuple[Happen, ...], own: dict[str, Any]) -> tuple[Happen, ...]:
    """The base, its last event with these properties too; what its pattern asks of them stays."""
    if not base or not own:
        return base
    last = base[-1]
    return (*base[:-1], Happen(last.event, {**own, **last.properties}))


def _told(moves: tuple[ExplainedMove, ...], now: int) -> str:
    if not moves:
        return "if nothing happens"
    begin = f" at {words.moment(moves[0].at, now)}" if moves[0].at > now + STEP_MS else ""
    told: list[str] = []
    for move in moves:
        shown = words.joined([f"{name} {words.value(value)}" for name, value in move.properties.items()])
        text = (move.event or "identify") + (f" with {shown}" if shown else "")
        if told and told[-1].removesuffix(" again") == text:
            text += " again"
        told.append(text)
    return f"if {', then '.join(told)} comes{begin}"
