"""The policy of a site, compiled: spans in milliseconds."""

from __future__ import annotations

from actors.model import program as compiled
from actors.sending.frequency import DAY_MS
from language.syntax import ast
from language.syntax.durations import written


def compile_policy(policy: ast.Policy) -> compiled.Policy:
    quiet = policy.quiet_hours
    return compiled.Policy(
        marketing_opt_in=policy.marketing_consent == "opt_in",
        tracking_opt_in=policy.tracking_consent == "opt_in",
        unverified_email=policy.unverified_email == "allow",
        trust_anonymous_ids=policy.trust_anonymous_ids,
        expires=round(policy.expires * 1000),
        time_zone=policy.time_zone,
        lateness=round(policy.lateness * 1000),
        caps=tuple(compile_cap(cap) for cap in policy.caps),
        cooldown=round(policy.cooldown * 1000),
        fatigue_after=policy.fatigue_after,
        fatigue_factor=policy.fatigue_factor,
        quiet=None
        if quiet is None
        else compiled.QuietHours(
            start=quiet.start, end=quiet.end, time_zone=quiet.time_zone, hold=quiet.then == "hold"
        ),
        holds_capped=policy.on_cap == "hold",
        default_campaign=policy.default_campaign,
        deduplicate=round(policy.deduplicate * 1000),
    )


def compile_cap(cap: ast.Cap) -> compiled.Cap:
    span = DAY_MS if cap.seconds is None else round(cap.seconds * 1000)
    return compiled.Cap(
        limit=cap.limit,
        span=span,
        by_day=cap.seconds is None,
        topic=cap.topic,
        channel=cap.channel,
        text=f"{cap.limit} per {'day' if cap.seconds is None else written(span)}",
    )
