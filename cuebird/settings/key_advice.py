"""Advice on who may speak for whom (docs/security.md): what a site's keys and policy leave open."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cuebird.settings.config import FILE, Settings
from language.syntax.ast import Policy
from language.syntax.problems import Problem

NO_PROOF = (
    "there are write keys and no proof key, so what a page says of a user who signed in counts for nobody: "
    "`cuebird keys new proof` makes the secret, and your back end signs with it in three lines (docs/sending-events.md)"
)
TRUSTED_IDS = (
    "`trust_anonymous_ids` lets whoever learns a customer's anonymous id have marketing sent to that customer: "
    "leave it out if your pages use cuebird.js, which shows visitor tokens (docs/security.md)"
)


def advise_keys(site: Path, settings: Settings, policy: Policy) -> list[Problem]:
    """What an operator should know of them. Nothing in development mode, where everybody is believed."""
    return [] if settings.server.dev else list(_advice(site, settings, policy))


def _advice(site: Path, settings: Settings, policy: Policy) -> Iterator[Problem]:
    if settings.keys.write and not settings.keys.proof:
        yield _at(site / FILE, "[[keys.write]]", NO_PROOF)
    if policy.trust_anonymous_ids:
        yield _at(site / "policy.yaml", "trust_anonymous_ids", TRUSTED_IDS)


def _at(file: Path, beginning: str, message: str) -> Problem:
    """At the first line that begins so; at the first of all if it was set elsewhere."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    line = next((number for number, text in enumerate(lines, 1) if text.startswith(beginning)), 1)
    return Problem(file=file.as_posix(), line=line, column=1, message=message, severity="advice")
