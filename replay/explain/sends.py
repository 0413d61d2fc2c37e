"""Every check before a send, as if it were due now: not only the first that fails (language.md §6)."""

from __future__ import annotations

import msgspec

from actors.model import program as compiled
from actors.model.local_time import time_zone
from actors.model.state import Run
from actors.sending.frequency import capped_until, cooling_until
from actors.sending.policy import Objection, address, missing, objections
from actors.sending.send_caps import caps_of, free_at
from actors.values import zone
from actors.values.address import valid_address
from language.syntax import ast
from language.syntax.durations import written
from replay.explain import words
from replay.explain.expressions import Walk
from replay.explain.fold import Moment
from replay.explain.language import Language
from replay.explain.model import Part, SendView, State


class Checks:
    """The checks of one send of one run."""

    def __init__(
        self,
        language: Language,
        moment: Moment,
        campaign: ast.Campaign,
        program: compiled.Campaign,
        run: Run,
        send: compiled.SendMessage,
    ) -> None:
        self._language = language
        self._moment = moment
        self._campaign = campaign
        self._program = program
        self._run = run
        self._send = send
        self._policy = moment.known.program.policy
        self._objections = {one.reason: one for one in objections(moment.scope(run), run, program, send)}

    def view(self) -> SendView:
        checks = tuple(self._checks())
        bad = [check for check in checks if check.state != "true"]
        pending = bool(bad) and all(check.state == "pending" for check in bad)
        state: State = "true" if not bad else "pending" if pending else "false"
        return SendView(
            step=self._send.step,
            channel=self._send.channel,
            state=state,
            until=max(check.until for check in bad) if pending else 0,
            checks=checks,
        )

    def _checks(self) -> list[Part]:
        audience = self._campaign.entry.audience
        checks = []
        if audience is not None:
            part = Walk(self._language, self._moment, run=self._run).part(audience)
            checks.append(msgspec.structs.replace(part, text=f"audience: {part.text}"))
        checks.append(self._consent())
        if self._run is not None and self._run.unproven:
            checks.append(self._check("unproven", self._proof(), "proof"))
        if self._send.channel == "email":
            checks += [self._address(), self._suppression()]
        if self._program.holdout:
            saw = "held out: enrolled and measured, never sent to" if "holdout" in self._objections else "not held out"
            checks.append(self._check("holdout", saw))
        if self._send.printed:
            checks.append(self._values())
        checks += self._own_caps()
        if self._send.purpose == "marketing":
            checks += [*self._caps(), *self._cooldown(), *self._quiet_hours()]
        if self._program.shadow:
            checks.append(Part(text="shadow", state="false", saw="the campaign decides everything and sends nothing"))
        return checks

    def _check(self, reason: str, saw: str, text: str = "") -> Part:
        objection = self._objections.get(reason)
        state, until = _state(objection)
        return Part(text=text or reason, state=state, until=until, saw=saw)

    # --- may we, can we ------------------------------------------------------------------------------------------------

    def _consent(self) -> Part:
        send, actor = self._send, self._moment.actor
        if send.purpose == "transactional":
            return Part(text="consent", state="true", saw="transactional: none is needed")
        told = actor.traits.get("consent")
        given = told.get("marketing") if isinstance(told, dict) else None
        wanted = "a yes" if self._policy.marketing_opt_in else "only that there is no no"
        saw = f"user.consent.marketing is {words.value(given)}; the policy wants {wanted}"
        if told is not None and not isinstance(told, dict):
            saw = f"user.consent is {words.value(told)}, and only an object such as {{marketing: true}} says anything"
        if send.topic in actor.unsubscribed:
            saw += f"; unsubscribed from {send.topic}"
        return self._check("no_consent", saw, "consent")

    def _proof(self) -> str:
        began = "a page without proof began the run"
        return began if "unproven" in self._objections else f"{began}; marketing needs none"

    def _address(self) -> Part:
        traits, to = self._moment.actor.traits, address(self._moment.actor, self._moment.known.program)
        if to is not None:
            return self._check("no_address", f"it would go to {to}", "address")
        told, unverified = traits.get("email"), traits.get("unverified_email")
        if told is None and isinstance(unverified, str) and valid_address(unverified):
            saw = f"there is only the unverified {unverified}, and the policy sends to none such"
        else:
            saw = f"user.email is {words.value(told)}" + ("" if told is None else ", which is no address")
        return self._check("no_address", saw, "address")

    def _suppression(self) -> Part:
        suppressed = "suppressed" in self._objections
        saw = "it bounced for good, or its owner complained" if suppressed else "not suppressed"
        return self._check("suppressed", saw, "suppression")

    def _values(self) -> Part:
        unknown = missing(self._moment.scope(self._run), self._send)
        saw = f"the template prints {words.joined(unknown)} with no default, and that is not known"
        return self._check("render_error", saw if unknown else "all that it prints is known", "template")

    # --- how often, and when -------------------------------------------------------------------------------------------

    def _zone(self) -> str:
        return time_zone(self._moment.actor, self._moment.known.program)

    def _own_caps(self) -> list[Part]:
        """One part for the cap of the campaign, one for that of the send: who is over it is not held back, but skipped."""
        actor, now, parts = self._moment.actor, self._moment.now, []
        for name, cap in caps_of(self._program, self._send):
            times = (actor.decided or {}).get(name, ())
            until = free_at(actor, name, cap, now, self._zone())
            saw = f"the last was decided {words.ago(times[-1], now)}" if times else "nothing decided of late"
            parts.append(
                Part(
                    text=f"{_cap_text(cap)} of the {'campaign' if name == self._program.id else 'send'}",
                    state="false" if until else "true",
                    until=until,
                    saw=f"{saw}; free again at {words.moment(until, now)}" if until else saw,
                )
            )
        return parts

    def _caps(self) -> list[Part]:
        """One part for each cap that concerns the send."""
        send, now, parts = self._send, self._moment.now, []
        for cap in self._policy.caps:
            if (cap.channel or send.channel) != send.channel or (cap.topic or send.topic) != send.topic:
                continue
            only = msgspec.structs.replace(self._policy, caps=(cap,))
            until = capped_until(self._moment.actor, now, send.channel, send.topic, only, self._zone())
            if not until:
                parts.append(Part(text=_cap_text(cap), state="true", saw=self._sent(cap)))
                continue
            after = f"; free again at {words.moment(until, now)}"
            state: State = "pending" if self._policy.holds_capped else "false"
            parts.append(Part(text=_cap_text(cap), state=state, until=until, saw=f"{self._sent(cap)}{after}"))
        return parts

    def _sent(self, cap: compiled.Cap) -> str:
        rows = [
            row
            for row in self._moment.actor.sent
            if (not cap.channel or row[1] == cap.channel) and (not cap.topic or row[2] == cap.topic)
        ]
        if not rows:
            return "nothing sent of late"
        saw = f"the last went {words.ago(rows[-1][0], self._moment.now)}"
        tired = self._policy.fatigue_after and self._moment.actor.ignored >= self._policy.fatigue_after
        return f"{saw}; {self._moment.actor.ignored} in a row were ignored" if tired else saw

    def _cooldown(self) -> list[Part]:
        policy, now, topic = self._policy, self._moment.now, self._send.topic
        if not policy.cooldown:
            return []
        until = cooling_until(self._moment.actor, now, topic, policy)
        saw = f"{topic} may go again at {words.moment(until, now)}" if until else f"no {topic} was sent in that time"
        return [self._check("cooldown", saw, f"cooldown {written(policy.cooldown)} of a topic")]

    def _quiet_hours(self) -> list[Part]:
        quiet = self._policy.quiet
        if quiet is None:
            return []
        place = self._zone() if quiet.time_zone == "user" else quiet.time_zone
        here = zone.local(self._moment.now, place)
        saw = f"it is {here:%H:%M} in {place}"
        return [self._check("quiet_hours", saw, f"quiet hours {_minute(quiet.start)} to {_minute(quiet.end)}")]


def _state(objection: Objection | None) -> tuple[State, int]:
    if objection is None:
        return "true", 0
    return ("pending", objection.until) if objection.until else ("false", 0)


def _minute(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _cap_text(cap: compiled.Cap) -> str:
    of = f" of {cap.topic}" if cap.topic else ""
    by = f" by {cap.channel}" if cap.channel else ""
    return f"cap {cap.text}{of}{by}"
