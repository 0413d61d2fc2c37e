"""Why a decision of the ledger was made: the closed lists of reasons, each with its words.

A reason is said in three places, to three readers, and here it is written down with all of them: a new one is a line of
this table and a row of `docs/reference/rows.md`. The word that a campaign gives its own `exit` is in no list, and stands for
itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class ReasonWords(NamedTuple):
    """A reason as part of a sentence."""

    shop: str
    """For who runs the shop and looks at one user: "Did not send the e-mail: …"."""
    explained: str
    """For who wrote the campaign and asks about one user."""
    counted: str
    """Before a number: of how many this was so."""


SKIPPED: Final[Mapping[str, ReasonWords]] = {
    "no_consent": ReasonWords("they have not said yes to such letters", "no consent", "no consent"),
    "unproven": ReasonWords(
        "only a page said what it answers, without proof that it was them",
        "only a page said it, without proof that it was the user",
        "only a page said it, without proof",
    ),
    "suppressed": ReasonWords(
        "the address bounced or complained before", "the address is suppressed", "the address is suppressed"
    ),
    "no_address": ReasonWords("no address is known", "no usable address", "no usable address"),
    "audience": ReasonWords("they are no longer in the audience", "not of its audience", "not of the audience"),
    "holdout": ReasonWords(
        "they are in the group that gets nothing, for comparison",
        "held out, to measure what the campaign is worth",
        "held out, to measure what it is worth",
    ),
    "capped": ReasonWords("they had enough messages lately", "a cap was full", "a cap was full"),
    "cooldown": ReasonWords(
        "they had one of these a short while ago",
        "too soon after the last of its topic",
        "too soon after the last of its topic",
    ),
    "quiet_hours": ReasonWords("it is the middle of their night", "quiet hours", "quiet hours"),
    "expired": ReasonWords(
        "it came too late to be worth sending", "too late to be worth sending", "too late to be worth sending"
    ),
    "render_error": ReasonWords(
        "the template could not be filled in", "the template lacked a value", "the template lacked a value"
    ),
    "shadow": ReasonWords(
        "the campaign runs in shadow: it decides and sends nothing",
        "the campaign is in shadow: it decides and sends nothing",
        "a shadow sends nothing",
    ),
}
"""Why a message is held or skipped (language.md §6)."""

NOT_ENTERED: Final[Mapping[str, ReasonWords]] = {
    "paused": ReasonWords("the campaign is paused", "the campaign is paused", "the campaign is paused"),
    "condition": ReasonWords("its condition did not hold", "its `if` did not hold", "the `if` did not hold"),
    "audience": ReasonWords("they are not in its audience", "not of its audience", "not of the audience"),
    "re_entry": ReasonWords("they were in it too recently", "it was entered too recently", "entered too recently"),
    "concurrency": ReasonWords("they are in it already", "there was a run already", "already in it"),
    "canary": ReasonWords(
        "they are not among the share that tries it first",
        "not among the users let in so far",
        "not among the first to get it",
    ),
    "unproven": ReasonWords(
        "only a page said it, without proof that it was them",
        "only a page said it, without proof that it was the user",
        "only a page said it, without proof",
    ),
}
"""Why somebody did not enter."""

ENDED: Final[Mapping[str, ReasonWords]] = {
    "exit_when": ReasonWords("an exit condition came true", "an exit pattern matched", "an `exit_when` matched"),
    "goal": ReasonWords("it reached its goal", "its goal was reached", "the goal was reached"),
    "unsubscribed": ReasonWords("they unsubscribed", "the user unsubscribed", "unsubscribed"),
    "joined": ReasonWords(
        "they had an older run under another name",
        "the same person had an older run",
        "the same person had an older run",
    ),
    "archived": ReasonWords("the campaign was archived", "the campaign was archived", "the campaign was archived"),
}
"""Why a run ended before its last step."""

REASONS: Final[Mapping[str, ReasonWords]] = {**ENDED, **SKIPPED, **NOT_ENTERED}
"""All of them, for who does not need to know of what: what is skipped and what does not enter for one reason is explained and
counted in the same words."""
