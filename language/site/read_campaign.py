"""One campaign file."""

from __future__ import annotations

from collections.abc import Sequence as Several
from typing import Literal

import msgspec

from language.site.context import Context
from language.site.decode import decode
from language.site.fields import Placed
from language.site.read_caps import own_cap
from language.site.read_experiment import experiment, misplaced, read_variants, ways
from language.site.read_steps import Sending, StepReader
from language.site.rule_fields import StatusText
from language.site.shapes import CampaignFile, EntryFile, GoalFile
from language.site.yaml import Mapping, Sequence, Value
from language.syntax import ast
from language.syntax.durations import FORMS, duration_ms
from language.syntax.problems import did_you_mean, nearest
from language.syntax.resolve import AUDIENCE, ENTRY, IF, PATTERN

RE_ENTRY = ("once", "always", "after")


def read_campaign(value: Value, stem: str, file: str, context: Context) -> tuple[ast.Campaign | None, Several[Sending]]:
    """The campaign, if enough of it could be read, and its sends; all problems are in the report."""
    report = context.report
    if misplaced(value, report):
        return None, ()
    found = decode(value, CampaignFile, report, "a campaign")
    if found is None:
        return None, ()
    identity = found.campaign.text if found.campaign else stem
    if found.campaign and identity != stem:
        report.at(found.campaign.value, f"the campaign is called `{identity}`, its file {stem}.yaml: they are the same")
    written = value.values.get("steps") if isinstance(value, Mapping) else None
    if not found.steps and isinstance(written, Sequence) and not written.items:
        report.at(value, "`steps` is empty: a campaign does at least one thing")
    variants = read_variants(found.experiment, found.steps, context)
    told = ways(found.experiment, variants, found.steps, report)
    readers = [StepReader(context) for _ in told]
    steps = [reader.steps(way) for reader, way in zip(readers, told, strict=True)]
    names = frozenset(name for reader in readers for name in reader.made)
    context.known.made = names
    status = found.status or StatusText("live")
    made = ast.Campaign(
        id=stem,
        why=found.why.strip(),
        file=file,
        status=status.status,
        canary=status.canary,
        purpose=found.purpose,
        topic=found.topic or stem,
        priority=found.priority,
        entry=_entry(found.entry, context),
        exits=context.patterns(found.exit_when, PATTERN),
        goal=_goal(found.goal, context),
        holdout=found.holdout.percent if found.holdout else 0.0,
        experiment=experiment(found.experiment, variants, steps),
        steps=steps[0],
        cap=own_cap(found.cap, value, context),
    )
    context.settle()
    context.known.made = frozenset()
    context.places.note(made, value)
    return made, [msgspec.structs.replace(sending, made=names) for reader in readers for sending in reader.sends]


def _entry(entry: EntryFile, context: Context) -> ast.Entry:
    re_entry, after = _re_entry(entry.re_entry, context)
    made = ast.Entry(
        patterns=context.patterns(entry.event, ENTRY),
        key=entry.key.text if entry.key else None,
        condition=context.expression(entry.if_, IF),
        audience=context.expression(entry.audience, AUDIENCE),
        re_entry=re_entry,
        re_entry_after=after,
        concurrency=entry.concurrency,
    )
    if entry.key is not None:
        context.places.note(made, entry.key.value)
    return made


def _re_entry(told: Placed | None, context: Context) -> tuple[Literal["once", "always", "after"], float]:
    """`once`, `always` or `after DURATION`."""
    if told is None or told.text == "always":
        return "always", 0.0
    if told.text == "once":
        return "once", 0.0
    word, _, rest = told.text.partition(" ")
    span = duration_ms(rest.strip())
    if word == "after" and span is not None:
        return "after", span / 1000
    if word == "after":
        context.report.at(told.value, f"`{rest.strip()[:40]}` is no duration: write {FORMS}")
    else:
        hint = did_you_mean(nearest(word, RE_ENTRY))
        context.report.at(told.value, f"`re_entry` is `once`, `always` or `after 24h`, not `{told.text[:40]}`{hint}")
    return "always", 0.0


def _goal(goal: GoalFile | None, context: Context) -> ast.Goal | None:
    if goal is None:
        return None
    made = ast.Goal(
        patterns=context.patterns(goal.event, PATTERN),
        within=None if goal.within is None else goal.within.seconds,
        value=goal.value.text if goal.value else None,
        go_on=goal.continue_,
    )
    if goal.value is not None:
        context.places.note(made, goal.value.value)
    return made
