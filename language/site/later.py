"""What the language has and this version has not. The version that brings a thing deletes its row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

LATER_KEYS: Final[Mapping[str, Mapping[str, str]]] = {
    # struct of shapes.py -> key -> how it is named to the author
    "SendFile": {"webhook": "webhook sends", "first_of": "first_of", "at": "sending at the best time"},
    "PolicyFile": {"unknown": "the policy for unknown outcomes"},
}

LATER_TEMPLATES: Final[Mapping[str, str]] = {".mjml": "MJML templates", ".webhook.json": "webhook templates"}


def not_yet(what: str) -> str:
    """The one sentence for all of it."""
    return f"{what}: not in this version of Cuebird"
