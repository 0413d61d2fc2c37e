"""Random histories: bursts in one millisecond, gaps at the edges of windows, late and duplicate events, joined identities."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st

from actors.model.event import Event, Source
from tests.reference.expression_strategies import EVENTS, SPANS, TOPICS, Features

STARTS = (
    1_767_607_200_000,  # 2026-01-05T10:00Z, a Monday
    1_774_735_200_000,  # 2026-03-28T22:00Z, three hours before summer time in Berlin
    1_792_879_200_000,  # 2026-10-24T22:00Z, three hours before it ends
)
EDGES = [round(span * 1000) + off for span in SPANS for off in (-1, 0, 1)]
GAPS = (0, 0, 0, 1, 1000, 30_000, *EDGES, 1_800_000, 7 * 3_600_000, 29 * 3_600_000)
MONTHS = tuple(30 * 86_400_000 + off for off in (-3_600_000, -1, 0, 1)) * 3
LATE = (1, 30_000, *EDGES[:9], 7 * 3_600_000)
YEARS = tuple(days * 86_400_000 for days in (8, 31, 400))
EMAIL = "ann@example.test"
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata")

CONTEXTS: tuple[dict[str, Any], ...] = (
    {"locale": "de"},
    {"locale": "en", "campaign": {"source": "x"}},
    {"campaign": {"source": "y", "term": "x"}},
    {"campaign": {"term": "y"}, "timezone": "Europe/Berlin"},
    {"campaign": None},
)

LONG: tuple[dict[str, Any], ...] = (
    {},
    {"k": "x" * 300},
    {"k": "x" * 300 + "y"},
    {"text": "é" * 3_000},
    {"lines": [{"sku": f"s{number}", "text": "t" * 50} for number in range(100)]},
    {"lines": [{"sku": f"s{number}", "text": "t" * 50} for number in range(400)], "more": {"text": "t" * 17_000}},
)
"""Properties that are longer than what is kept: of a name, of a remembered event, of any event."""

NAMES_NOBODY: tuple[dict[str, Any], ...] = ({"from": "u1"}, {"from": "u2"}, {"from": "~"}, {"from": 7}, {})
"""What an alias says that joins nobody."""

SPEAKERS: tuple[Source, ...] = ("server", "client", "visitor", "visitor", "bare", "bare")

Input = tuple[Event, int]


@st.composite
def histories(draw: st.DrawFn, features: Features) -> tuple[int, list[Input]]:
    """When it starts, and what is taken when."""
    start = at = draw(st.sampled_from(STARTS if "time" in features or "policy" in features else STARTS[:1]))
    inputs: list[Input] = []
    users = ["u1"] + (["u2"] if "users" in features else []) + (["~v"] if "identity" in features else [])
    if "policy" in features:
        known = {"email": EMAIL, "consent": {"marketing": True}}
        inputs += [(_event(user, "", known, f"known-{user}", kind="identify"), at) for user in users if user != "~v"]
    for number in range(draw(st.integers(4 if "speech" in features else 1, 10))):
        at += draw(st.sampled_from(GAPS + MONTHS if "unmatched" in features else GAPS))
        user = draw(st.sampled_from(users))
        late = draw(st.sampled_from((0, 0, 0, *LATE))) if "late" in features else 0
        event = draw(_events(user, f"m{number}", features))
        if "speech" in features and event.source == "server" and event.kind != "alias":
            event = msgspec.structs.replace(event, source=draw(st.sampled_from(SPEAKERS)))
        if "historical" in features and event.name and event.source == "server" and draw(st.integers(0, 2)) == 0:
            ago = draw(st.sampled_from((*LATE, *GAPS[3:], *YEARS)))
            event = msgspec.structs.replace(event, occurred=at - ago, historical=True)
        elif late:
            event = msgspec.structs.replace(event, occurred=at - late)
        if "duplicates" in features and inputs and draw(st.integers(0, 7)) == 0:
            event = msgspec.structs.replace(event, message_id=inputs[-1][0].message_id)
        inputs.append((event, at))
    return start, inputs


@st.composite
def _events(draw: st.DrawFn, user: str, message_id: str, features: Features) -> Event:
    kinds = ["event"] * 6
    if features & {"where history", "segments", "segment patterns", "if"}:
        kinds += ["level"]
    if "policy" in features:
        kinds += ["consent", "topic", "bounce", "opened", "zone", "server"]
    if "context" in features:
        kinds += ["context"] * 6
    if "session" in features:
        kinds += ["sign", "feedback"]
    if "identity" in features:
        kinds += ["alias"]
    match draw(st.sampled_from(kinds)):
        case "level":
            level = {"level": draw(st.sampled_from((0, 1, 2, None)))}
            more = {"other": 1} if "late" in features and draw(st.booleans()) else {}
            return _event(user, "", level | more, message_id, kind="identify")
        case "consent":
            given = {draw(st.sampled_from(("marketing", "tracking"))): draw(st.booleans())}
            return _event(user, "", {"consent": given}, message_id, kind="identify")
        case "topic":
            name = draw(st.sampled_from(("email_unsubscribed", "email_subscribed")))
            topic = draw(st.sampled_from((None, *TOPICS)))
            return _event(user, name, {"topic": topic} if topic else {}, message_id, source="engine")
        case "bounce":
            told = {"permanent": draw(st.booleans()), "address": EMAIL}
            return _event(user, "email_bounced", told, message_id, source="engine")
        case "opened" | "feedback":
            name = draw(st.sampled_from(("email_opened", "email_clicked", "email_delivered", "push_clicked")))
            return _event(user, name, {"machine": draw(st.booleans())}, message_id, source="engine")
        case "zone":
            return _event(user, "a", {}, message_id, context={"timezone": draw(st.sampled_from(ZONES))})
        case "server":
            return _event(user, "", {"time_zone": draw(st.sampled_from(ZONES))}, message_id, kind="identify")
        case "context":
            context = draw(st.sampled_from(CONTEXTS))
            return _event(user, draw(st.sampled_from(EVENTS)), {"n": 1}, message_id, context=context)
        case "sign":
            return _event(user, draw(st.sampled_from(("signed_in", "signed_out"))), {}, message_id)
        case "alias":
            named = draw(st.sampled_from(({"from": "~v"},) * 6 + NAMES_NOBODY))
            return _event(user, "", named, message_id, kind="alias")
        case _:
            properties: dict[str, Any] = {}
            if (number := draw(st.sampled_from((None, 0, 1, 2, "2", 3)))) is not None:
                properties["n"] = number
            if (key := draw(st.sampled_from((None, "x", "y")))) is not None:
                properties["k"] = key
            if "long" in features:
                properties |= draw(st.sampled_from(LONG))
            return _event(user, draw(st.sampled_from(EVENTS)), properties, message_id)


def _event(
    user: str,
    name: str,
    body: dict[str, Any],
    message_id: str,
    *,
    kind: Any = "track",
    source: Any = "server",
    context: dict[str, Any] | None = None,
) -> Event:
    return Event(
        user=user,
        kind=kind,
        name=name,
        message_id=message_id,
        body=msgspec.json.encode(body),
        context=msgspec.json.encode(context) if context else b"",
        source=source,
    )
