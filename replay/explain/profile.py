"""What is known of one user right now: traits, memory, segments, runs with their next timers."""

from __future__ import annotations

from typing import Any

from actors.model.local_time import time_zone
from actors.model.scope import Scope
from actors.model.state import ENDED, Actor, Run
from actors.runs.run import run_due
from actors.runs.steps import instructions
from language.syntax import ast
from replay.explain.language import Language
from replay.explain.recall import KnownPrograms
from replay.ledger import iso


def profile(actor: Actor, known: KnownPrograms, now: int) -> dict[str, Any]:
    """Plain values for JSON. The actor is only read. `known.program` is what it runs under."""
    scope = Scope(actor, known.program, now)
    language = Language(known.site)
    return {
        "user": actor.user,
        "traits": actor.traits,
        "first_seen": _instant(actor.first_seen),
        "last_seen": _instant(actor.last_seen),
        "signed_in": actor.signed_in,
        "time_zone": time_zone(actor, known.program),
        "tracked": actor.tracked,
        "unsubscribed_topics": list(actor.unsubscribed),
        "suppressed_addresses": list(actor.suppressed),
        "conflicts": [
            {
                "at": iso(one.at),
                "how": one.how,
                "name": one.name,
                "kept": one.kept,
                "kept_at": _instant(one.kept_at),
                "lost": one.lost,
                "lost_at": _instant(one.lost_at),
                "other": one.other or None,
            }
            for one in actor.conflicts
        ],
        "remembered": {name: _collection(name, language, scope) for name in language.collections},
        "segments": [name for name in language.segments if language.expressions.segment(name)(scope)],
        "variants": actor.assigned or {},
        "next_timer": _instant(actor.due),
        "runs": [_run(actor, run, known) for run in actor.runs if run.pc != ENDED],
    }


def _instant(at: int) -> str | None:
    return iso(at) if at else None


def _collection(name: str, language: Language, scope: Scope) -> object:
    def value(*parts: str) -> object:
        return language.compile(ast.Name(parts=(name, *parts)), in_run=False)(scope)

    if isinstance(language.collections[name], ast.Bag):
        return {part: value(part) for part in ("items", "value", "quantity")}
    return value()


def _run(actor: Actor, run: Run, known: KnownPrograms) -> dict[str, Any]:
    campaign = known.program.versions.get(run.version)
    return {
        "run": run.id,
        "campaign": run.campaign,
        "version": run.version,
        "entered": _instant(run.entered),
        "key": run.key or None,
        "variant": run.variant or None,
        "step": instructions(campaign, run)[run.pc].step if campaign is not None else None,
        "next_timer": _instant(run.wake if campaign is None else run_due(actor, run, campaign)),
        "sent": run.sent,
        "values": run.names or {},
    }
