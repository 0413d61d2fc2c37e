"""What all connections of a server share."""

from __future__ import annotations

import msgspec

from engine.submit import Submit
from ingress.admission import Admission
from ingress.keys import KeyRing
from ingress.limits import IngressLimits
from ingress.messages import Normalizer
from ingress.metrics import Counts
from ingress.rates import Rates
from ingress.resume import Sessions
from ingress.streams import Owner, Streams
from ingress.visitor_tokens import VisitorTokens


class World(msgspec.Struct, frozen=True, kw_only=True):
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
