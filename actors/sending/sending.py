"""Sends: decided at the end of a turn, by priority; held and tried again; handed to the outbox with all they need."""

from __future__ import annotations

from typing import Any

import msgspec

from actors.model.context import nested, value_at
from actors.model.program import Campaign, SendMessage
from actors.model.state import ENDED, Run
from actors.model.turn import Send
from actors.model.work import Work
from actors.runs.steps import go_on, instructions, milliseconds
from actors.sending.frequency import note_send
from actors.sending.policy import address, missing, objections
from actors.sending.send_caps import note_decision
from actors.values.ids import identity

_encode = msgspec.json.Encoder(decimal_format="number").encode


def decide(work: Work, run: Run, campaign: Campaign) -> None:
    """One run that has come to a send: it goes out, is held, or is skipped; unless held, the run goes on."""
    if run.pc == ENDED:
        return
    instruction = instructions(campaign, run)[run.pc]
    assert isinstance(instruction, SendMessage)
    scope = work
    scope.run = run
    asked = run.asked or work.now
    expires = asked + milliseconds(work, instruction.expires, work.program.policy.expires)
    message = identity(campaign.id, campaign.version, work.actor.user, run.id, run.pc)
    reasons = list(objections(scope, run, campaign, instruction))
    if run.asked and (work.now > expires or (work.now == expires and reasons)):
        _write(work, run, campaign, instruction, message, "skipped", ["expired", *(one.reason for one in reasons)])
    elif not reasons and campaign.shadow:
        _write(work, run, campaign, instruction, message, "skipped", ["shadow"])
    elif not reasons:
        _write(work, run, campaign, instruction, message, "sent", [])
        _hand_over(work, run, campaign, instruction, message, asked, expires)
    elif reasons[0].until:
        run.asked = asked
        run.wake = min(expires, max(one.until for one in reasons))
        _write(work, run, campaign, instruction, message, "held", [one.reason for one in reasons])
        return
    else:
        cap = next((one.cap for one in reasons if one.cap), "")
        _write(work, run, campaign, instruction, message, "skipped", [one.reason for one in reasons], cap)
    run.asked = 0
    go_on(work, run, campaign)


def _write(
    work: Work,
    run: Run,
    campaign: Campaign,
    instruction: SendMessage,
    message: str,
    decision: Any,
    reasons: list[str],
    cap: str = "",
) -> None:
    detail: dict[str, Any] = {"also": reasons[1:]} if len(reasons) > 1 else {}
    if cap:
        detail["cap"] = cap
    if decision == "held":
        detail["until"] = run.wake
    if "render_error" in reasons:
        detail["missing"] = missing(work, instruction)
    work.write(
        campaign,
        run,
        decision,
        step=instruction.step,
        reason=reasons[0] if reasons else None,
        channel=instruction.channel,
        template=instruction.template,
        message=message,
        detail=detail,
    )


def _hand_over(
    work: Work, run: Run, campaign: Campaign, instruction: SendMessage, message: str, asked: int, expires: int
) -> None:
    actor = work.actor
    to = actor.user if instruction.channel == "push" else address(actor, work.program)
    assert to is not None, "no_address is an objection"
    run.sent += 1
    note_decision(actor, campaign.id, instruction, work.now, work.program)
    if instruction.purpose == "marketing":
        note_send(actor, work.now, instruction.channel, instruction.topic, campaign.id, work.program.policy)
    work.sends = (
        *work.sends,
        Send(
            id=message,
            user=actor.user,
            campaign=campaign.id,
            version=campaign.version,
            run=run.id,
            step=instruction.step,
            channel=instruction.channel,
            template=instruction.template,
            purpose=instruction.purpose,
            topic=instruction.topic,
            to=to,
            subject=instruction.subject,
            at=work.now,
            expires=expires,
            context=_context(work, run, instruction),
        ),
    )


def _context(work: Work, run: Run, instruction: SendMessage) -> bytes:
    """All that the template may look at, as it was when the send was decided."""
    actor, scope = work.actor, work
    context: dict[str, Any] = {name: value(scope) for name, value in instruction.collections}
    context["user"] = {**actor.traits, "id": actor.user, "first_seen": actor.first_seen, "last_seen": actor.last_seen}
    if instruction.user_context:
        known = [(path, actor.memory.get(key)) for path, key in instruction.user_context]
        context["user"]["context"] = nested((path, state[2] if state else None) for path, state in known)
    context["entry"] = scope.entry
    if instruction.entry_context:
        told = scope.entry.get("context")
        context["entry"] = {
            **scope.entry,
            "context": nested((path, value_at(told, path)) for path in instruction.entry_context),
        }
    context["run"] = {
        "id": run.id,
        "entered_at": run.entered / 1000,
        "sent": run.sent,
        "variant": run.variant or None,
        **(run.names or {}),
    }
    context["data"] = {name: value(scope) for name, value in instruction.data}
    return _encode(context)
