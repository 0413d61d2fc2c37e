"""What all connections of a server share."""

from __future__ import annotations

import msgspec

from engine.submit import Submit
from ingress.bounds.admission import Admission
from ingress.bounds.limits import IngressLimits
from ingress.bounds.metrics import Counts
from ingress.bounds.rates import Rates
from ingress.connections.resume import Sessions
from ingress.connections.streams import Owner, Streams
from ingress.messages.messages import Normalizer
from ingress.principals.keys import KeyRing
from ingress.principals.visitor_tokens import VisitorTokens


class ConnectionContext(msgspec.Struct, frozen=True, kw_only=True):
    submit: Submit
    owner: Owner
    streams: Streams
    sessions: Sessions
    keys: KeyRing
    visitors: VisitorTokens
    normalizer: Normalizer
    counts: Counts
    limits: IngressLimits = IngressLimits()
    admission: Admission = msgspec.field(default_factory=Admission)
    rates: Rates = msgspec.field(default_factory=lambda: Rates(IngressLimits()))
