"""The entry rules of a campaign, as if one of its patterns matched now (language.md §2)."""

from __future__ import annotations

import msgspec

from actors.actor import pack, unpack
from actors.model import program as compiled
from actors.model.assignment import share
from actors.model.compiled_patterns import AllOf, Match, Silence
from actors.model.compiled_patterns import Membership as CompiledMembership
from actors.model.state import ENDED, RUNS_MAX, Run
from actors.model.work import Work
from actors.runs.entry import enter, last_entry
from actors.runs.patterns import Found
from actors.runs.steps import WAIT_MS_MAX
from language.syntax import ast
from language.syntax.durations import written
from replay.explain import words
from replay.explain.expressions import Walk
from replay.explain.fold import Came, Moment
from replay.explain.language import Language
from replay.explain.model import Part, State
from replay.explain.patterns import PatternWalk

_ENTERED = "entered"


def event_at_hand(campaign: compiled.Campaign, walk: PatternWalk) -> Came | None:
    """The newest event that could have completed an entry pattern: the rules are asked as if it came again now."""
    found = [came for match in _last_steps(campaign) if (came := walk.last_match(match)) is not None]
    return max(found, key=lambda came: came.place, default=None)


def _last_steps(campaign: compiled.Campaign) -> list[Match]:
    matches: list[Match] = []
    for pattern in campaign.entries:
        if isinstance(pattern, Match):
            matches.append(pattern)
        elif isinstance(pattern, AllOf):
            matches += pattern.matches
        elif not isinstance(pattern, Silence | CompiledMembership):
            matches.append(pattern.steps[-1])
    return matches


def refusal(moment: Moment, campaign: compiled.Campaign, body: bytes) -> str | None:
    """What the actor itself would answer if a pattern matched now with that event: a reason, or None if it entered."""
    rows = _entering(moment, campaign, body).decisions
    row = next(row for row in rows if row.campaign == campaign.id)
    return None if row.decision == _ENTERED else row.reason


def supposed_run(moment: Moment, campaign: compiled.Campaign, body: bytes) -> Run:
    """The run that there would be if the user entered now, variant and holdout assigned; the user is left as he is."""
    open_to_all = msgspec.structs.replace(
        campaign,
        status="live",
        canary=1.0,
        side="",
        condition=None,
        audience=None,
        re_entry="always",
        re_entry_after=0,
        concurrency="parallel",
        code=(compiled.WaitFor(step="", duration=lambda scope: WAIT_MS_MAX / 1000), compiled.Finish(step="")),
        codes={},
    )
    return _entering(moment, open_to_all, body, alone=True).actor.runs[-1]


def _entering(moment: Moment, campaign: compiled.Campaign, body: bytes, *, alone: bool = False) -> Work:
    actor = unpack(pack(moment.actor))
    if alone:
        actor.runs = []
    work = Work(actor, moment.known.program, moment.now, actor.turn + 1)
    enter(work, campaign, Found(body, moment.now, work.ordinal))
    return work


class Rules:
    def __init__(self, language: Language, moment: Moment, campaign: ast.Campaign, body: bytes) -> None:
        self._moment = moment
        self._campaign = campaign
        self._walk = Walk(language, moment, body=body)
        key = campaign.entry.key
        value = self._walk.value(ast.Name(parts=("event", key))) if key is not None else None
        self.key = "" if value is None else value if isinstance(value, str) else msgspec.json.encode(value).decode()

    def parts(self) -> tuple[Part, ...]:
        """In their order; the first that is not true is the reason of `not_entered`."""
        campaign, entry = self._campaign, self._campaign.entry
        parts = [self._status()]
        if campaign.status == "canary":
            parts.append(self._canary())
        if entry.condition is not None:
            parts.append(_named("if", self._walk.part(entry.condition)))
        if entry.audience is not None:
            parts.append(_named("audience", self._walk.part(entry.audience)))
        if entry.re_entry != "always":
            parts.append(self._re_entry())
        parts.append(self._concurrency())
        return tuple(parts)

    def _status(self) -> Part:
        status = self._campaign.status
        runs = status in ("live", "canary", "shadow")
        saw = {"shadow": "it decides everything and sends nothing"}.get(status, "" if runs else "nobody enters")
        return Part(text=f"status: {status}", state="true" if runs else "false", saw=saw)

    def _canary(self) -> Part:
        campaign = self._campaign
        place = share(f"{campaign.id}/canary", self._moment.actor.user)
        state: State = "true" if place < campaign.canary / 100 else "false"
        saw = f"the user stands at {words.number(place * 100)} of 100; those below {words.number(campaign.canary)} are let in"
        return Part(text=f"canary {words.number(campaign.canary)}%", state=state, saw=saw)

    def _re_entry(self) -> Part:
        entry, now = self._campaign.entry, self._moment.now
        last = last_entry(self._moment.actor, self._campaign.id, self.key)
        after = round(entry.re_entry_after * 1000)
        text = "re_entry: once" if entry.re_entry == "once" else f"re_entry: after {written(after)}"
        if last is None:
            return Part(text=text, state="true", saw=f"never entered{self._for_key()}")
        saw = f"last entered{self._for_key()} {words.ago(last, now)}"
        if entry.re_entry == "once":
            return Part(text=text, state="false", saw=saw)
        free = last + after
        if now >= free:
            return Part(text=text, state="true", saw=saw)
        return Part(text=text, state="pending", until=free, saw=f"{saw}; again from {words.moment(free, now)}")

    def _for_key(self) -> str:
        return f" with {self._campaign.entry.key} {self.key}" if self.key else ""

    def _concurrency(self) -> Part:
        rule, name = self._campaign.entry.concurrency, self._campaign.id
        mine = [run for run in self._moment.actor.runs if run.campaign == name and run.pc != ENDED]
        same = [run for run in mine if rule == "one_per_user" or run.key == self.key]
        text = f"concurrency: {rule}"
        if rule == "parallel" or not same:
            refused = _too_many_runs(self._moment)
            saw = refused or ("no run is under way" if not mine else words.counted(len(mine), "run") + " under way")
            return Part(text=text, state="false" if refused else "true", saw=saw)
        since = words.moment(same[0].entered, self._moment.now)
        return Part(text=text, state="false", saw=f"a run{self._for_key()} is under way since {since}")


def _too_many_runs(moment: Moment) -> str:
    """Why no run at all may begin; "" if one may."""
    active = sum(run.pc != ENDED for run in moment.actor.runs)
    return f"{active} runs are under way, the most there may be" if active >= RUNS_MAX else ""


def _named(name: str, part: Part) -> Part:
    return msgspec.structs.replace(part, text=f"{name}: {part.text}")
