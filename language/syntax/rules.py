"""What caps and the cooldown say of a campaign's messages, without playing anything."""

from __future__ import annotations

from language.syntax import ast
from language.syntax.walk import steps_of


def is_ruled(campaign: ast.Campaign, policy: ast.Policy) -> bool:
    """Whether a cap or the cooldown counts each of its messages."""
    if campaign.cap is not None:
        return True
    for step in steps_of(campaign):
        if not isinstance(step, ast.SendStep) or step.cap is not None:
            continue
        topic = step.topic or campaign.topic
        if (step.purpose or campaign.purpose) == "transactional":
            return False
        if not policy.cooldown and not any(
            cap.topic in (None, topic) and cap.channel in (None, step.channel) for cap in policy.caps
        ):
            return False
    return True
