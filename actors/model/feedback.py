"""What becomes of our messages, as events of their users. Made in one form by whoever hears of it."""

from __future__ import annotations

import msgspec

from actors.model.event import Event
from actors.model.turn import Send


def about(send: Send) -> dict[str, str]:
    """What every feedback event says of its message."""
    return {
        "message": send.id,
        "campaign": send.campaign,
        "run": send.run,
        "template": send.template,
        "topic": send.topic,
        "channel": send.channel,
    }


def feedback(name: str, send: Send, at: int, part: str = "", **properties: str | bool | int) -> Event:
    """The event of that name. Its message id is a function of (send, name, part): told twice, it is taken once."""
    return Event(
        user=send.user,
        kind="track",
        name=name,
        message_id=f"{send.id}:{name}{part and ':'}{part}",
        occurred=at,
        body=msgspec.json.encode(about(send) | properties),
        source="engine",
    )
