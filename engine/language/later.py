"""What the language has and this version has not. The version that brings a thing deletes its row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

LATER_KEYS: Final[Mapping[str, Mapping[str, str]]] = {
    # struct of shapes.py -> key -> how it is named to the author
    "CampaignFile": {"holdout": "holdout", "experiment": "experiments"},
    "StepFile": {"split": "split"},
    "WaitFile": {"at": "waiting for a time of day", "days": "waiting for a day", "tz": "waiting in a time zone"},
    "SendFile": {"webhook": "webhook sends", "first_of": "first_of", "at": "sending at the best time"},
    "PolicyFile": {
        "caps": "caps",
        "cooldown": "cooldown",
        "fatigue": "fatigue",
        "quiet_hours": "quiet hours",
        "on_cap": "on_cap",
        "default_campaign": "default_campaign",
        "unknown": "the policy for unknown outcomes",
    },
    "ProfileFile": {"critical": "choosing the critical events"},
    # values of a choice
    "values": {"shadow": "status shadow", "canary": "status canary"},
}

LATER_PATTERNS: Final[Mapping[str, str]] = {
    "ThenPattern": "`then`",
    "AllPattern": "all(…)",
    "SilencePattern": "`no … for`",
    "SegmentPattern": "entering and leaving a segment",
}
"""Kind of pattern -> how it is named. They are parsed, so that a mistake in one is found now."""

LATER_TEMPLATES: Final[Mapping[str, str]] = {".mjml": "MJML templates", ".webhook.json": "webhook templates"}


def not_yet(what: str) -> str:
    """The one sentence for all of it."""
    return f"{what}: not in this version of Cuebird"
