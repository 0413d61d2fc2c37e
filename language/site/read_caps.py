"""Caps: those of the policy, and the one that a campaign or a send has of its own."""

from __future__ import annotations

from typing import Final

from language.site.context import Context
from language.site.rule_fields import Per
from language.site.shapes import CapFile, OwnCapFile
from language.site.yaml import Mapping, Value
from language.syntax import ast

CAP_SECONDS_MAX: Final = 366 * 86_400
CAPS_MAX: Final = 50


def read_caps(caps: list[CapFile], value: Value | None, context: Context) -> tuple[ast.Cap, ...]:
    """Those of the policy."""
    if value is not None and len(caps) > CAPS_MAX:
        context.report.at(value, f"at most {CAPS_MAX} caps")
    for cap in caps:
        _check(cap.per, value, context)
    return tuple(
        ast.Cap(limit=cap.limit, seconds=cap.per.seconds, topic=cap.topic, channel=cap.channel) for cap in caps
    )


def own_cap(cap: OwnCapFile | None, owner: Value, context: Context) -> ast.Cap | None:
    """That of `owner`, a campaign or what a step sends."""
    if cap is None:
        return None
    assert isinstance(owner, Mapping)
    _check(cap.per, owner.values["cap"], context)
    return ast.Cap(limit=cap.limit, seconds=cap.per.seconds)


def _check(per: Per, value: Value | None, context: Context) -> None:
    if value is not None and per.seconds is not None and per.seconds > CAP_SECONDS_MAX:
        context.report.at(value, "a cap counts over a year at the most")
