"""What all ways in of a server share: whom they give events to, who may speak, and how much."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import msgspec

from engine.submit import Submit
from ingress.bounds.admission import Admission
from ingress.bounds.limits import IngressLimits
from ingress.bounds.metrics import Counts
from ingress.bounds.rates import Rates
from ingress.connections.resume import Sessions
from ingress.connections.streams import Owner, Streams, following
from ingress.messages.messages import Normalizer
from ingress.principals.keys import KeyRing
from ingress.principals.visitor_tokens import VisitorTokens


class ConnectionContext(msgspec.Struct, frozen=True, kw_only=True):
    submit: Submit
    owner: Owner
    now_ms: Callable[[], int]
    streams: Streams
    sessions: Sessions
    keys: KeyRing
    visitors: VisitorTokens
    normalizer: Normalizer
    counts: Counts
    limits: IngressLimits
    admission: Admission
    rates: Rates


def context_of(
    *,
    submit: Submit,
    owner: Owner,
    in_flight: Callable[[], int] = lambda: 0,
    now_ms: Callable[[], int],
    streams: Streams,
    keys: KeyRing,
    visitors: VisitorTokens,
    normalizer: Normalizer,
    limits: IngressLimits,
) -> ConnectionContext:
    """Return what the ways in to an engine share. `in_flight`: inputs that `submit` has taken and not yet spoken on."""
    return ConnectionContext(
        submit=following(submit, streams, owner),
        owner=owner,
        now_ms=now_ms,
        streams=streams,
        sessions=Sessions(_session_id, keep_ms=limits.resume_ms_max, sessions_max=limits.sessions_max),
        keys=keys,
        visitors=visitors,
        normalizer=normalizer,
        counts=Counts(),
        limits=limits,
        admission=Admission(limits, now_ms, in_flight),
        rates=Rates(limits),
    )


def _session_id() -> str:
    """Not to be guessed: who knows it may go on with the session."""
    return "s_" + secrets.token_urlsafe(18)
