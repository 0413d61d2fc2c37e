"""A site to a program: campaigns become flat lists of instructions, expressions closures, questions a memory plan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final

import msgspec

from actors.model import compiled_patterns as shapes
from actors.model import program as compiled
from actors.model.scope import Evaluate
from actors.values.names import ALIASES
from language.compiler.asked_context import asked_contexts, paths_in
from language.compiler.code import Code
from language.compiler.expressions import CompileError, Expressions
from language.compiler.horizon import changes_with_any_event, compile_horizon
from language.compiler.memory import Plan, plain
from language.compiler.names import bag_object, collection_value
from language.compiler.patterns import PatternCompiler
from language.compiler.policy import compile_cap, compile_policy
from language.syntax import ast

__all__ = ["CompileError", "compile_site", "version_of"]

GOALS_KEEP: Final = 8
"""Goals remembered for a run that is told late: the newest may have come after its window."""


def compile_site(site: ast.Site, *, only: Sequence[str] | None = None) -> compiled.Program:
    """The program of a site that `load_site` accepted. `only`: leave out all campaigns but these (scenarios).

    Raises CompileError for what the language cannot mean, such as segments defined by each other.
    """
    return Compiler(site).program(only)


def version_of(campaign: ast.Campaign, profile: ast.Profile) -> str:
    """12 hexadecimal digits of a hash over all that decides what the campaign does; not over `why`, status, layout."""
    meaning = {name: part for name, part in plain(campaign).items() if name not in ("status", "canary")}
    remembered = {name: part for name, part in plain(profile).items() if name != "critical"}
    text = msgspec.json.encode([meaning, remembered], order="sorted")
    return sha256(text).hexdigest()[:12]


class Compiler:
    def __init__(self, site: ast.Site) -> None:
        self._site = site
        self._collections = dict(site.profile.remember)
        self._segments = dict(site.profile.segments)
        self._plan = Plan(self._collections)
        self._expressions = Expressions(self._collections, self._segments, self._plan)
        self._patterns = PatternCompiler(self._expressions, self._plan)
        self._templates = {(info.channel, info.name): info for info in site.templates or ()}

    def program(self, only: Sequence[str] | None) -> compiled.Program:
        campaigns = tuple(
            self._campaign(campaign)
            for campaign in self._site.campaigns
            if campaign.status not in ("draft", "archived") and (only is None or campaign.id in only)
        )
        segments = self._watched(campaigns)
        return compiled.Program(
            hash=sha256(msgspec.json.encode([self._site.sources, only])).hexdigest(),
            campaigns=campaigns,
            versions={campaign.version: campaign for campaign in campaigns},
            slots=self._plan.slots,
            interests=compiled.index(campaigns, self._plan.slots),
            policy=compile_policy(self._site.policy),
            aliases={**ALIASES, **dict(self._site.profile.aliases)},
            segments=segments,
            timed=compiled.timed_entries(campaigns, {self._site.policy.default_campaign or ""}),
            memberships=compiled.membership_entries(campaigns),
            every_turn=any(segment.any_turn for segment in segments),
            contexts=asked_contexts(self._site),
            archived=frozenset(one.id for one in self._site.campaigns if one.status == "archived"),
        )

    def _watched(self, campaigns: Iterable[compiled.Campaign]) -> tuple[shapes.Segment, ...]:
        """The segments that patterns of the campaigns look at."""
        names = {
            pattern.segment
            for campaign in campaigns
            for pattern in (
                *campaign.entries,
                *campaign.exits,
                *(campaign.goal.patterns if campaign.goal else ()),
                *(
                    p
                    for code in (campaign.code, *campaign.codes.values())
                    for one in code
                    if isinstance(one, compiled.WaitUntil)
                    for p in one.patterns
                ),
            )
            if isinstance(pattern, shapes.Membership)
        }
        return tuple(
            shapes.Segment(
                name=name,
                member=self._expressions.segment(name),
                horizon=compile_horizon(self._segments[name], self._expressions, self._segments, in_run=False),
                any_turn=changes_with_any_event(self._segments[name], self._segments),
            )
            for name in sorted(names)
        )

    def _campaign(self, campaign: ast.Campaign) -> compiled.Campaign:
        code = self._code(campaign, campaign.steps)
        experiment = campaign.experiment
        ways = experiment.ways if experiment is not None else ()
        entry = campaign.entry
        exits = self.patterns(campaign.exits, campaign, in_run=True)
        goal = self._goal(campaign)
        codes = {way.name: self._code(campaign, way.steps) for way in ways}
        instructions = [one for each in (code, *codes.values()) for one in each]
        waits = [pattern for one in instructions if isinstance(one, compiled.WaitUntil) for pattern in one.patterns]
        inside = [*exits, *waits, *(goal.patterns if goal else ())]
        return compiled.Campaign(
            id=campaign.id,
            version=version_of(campaign, self._site.profile),
            status="paused" if campaign.status == "paused" else "live",
            cap=None if campaign.cap is None else compile_cap(campaign.cap),
            purpose=campaign.purpose,
            topic=campaign.topic or campaign.id,
            priority=campaign.priority,
            entries=self.patterns(entry.patterns, campaign, in_run=False),
            key=entry.key,
            condition=self.optional(entry.condition, in_run=False),
            audience=self.optional(entry.audience, in_run=False),
            re_entry=entry.re_entry,
            re_entry_after=round(entry.re_entry_after * 1000),
            concurrency=entry.concurrency,
            exits=exits,
            exits_told=self._told(campaign.exits, exits),
            goal=goal,
            code=code,
            codes=codes,
            experiment=experiment.id if experiment is not None else "",
            variants=tuple(compiled.Variant(name=way.name, weight=way.weight) for way in ways),
            holdout=campaign.holdout / 100,
            shadow=campaign.status == "shadow",
            canary=campaign.canary / 100 if campaign.status == "canary" else 1.0,
            listens=frozenset(event for pattern in inside for event in pattern.events),
            conditional=any(isinstance(one, compiled.WaitWhen) for one in instructions),
            partial=tuple(
                p
                for p in inside
                if isinstance(p, shapes.SequencePattern | shapes.Absence | shapes.AllOf | shapes.Silence)
            ),
            timed=tuple(p for p in inside if isinstance(p, shapes.Absence | shapes.Silence)),
        )

    def _code(self, campaign: ast.Campaign, steps: tuple[ast.AnyStep, ...]) -> tuple[compiled.Instruction, ...]:
        code = Code(self, campaign)
        code.steps(steps)
        code.add(compiled.Finish(step="finish"))
        return tuple(code.instructions)

    def _goal(self, campaign: ast.Campaign) -> compiled.Goal | None:
        goal = campaign.goal
        if goal is None:
            return None
        patterns = self.patterns(goal.patterns, campaign, in_run=True)
        return compiled.Goal(
            patterns=patterns,
            told=self._told(goal.patterns, patterns, goal.value, keep=self._goals_kept(goal)),
            within=None if goal.within is None else round(goal.within * 1000),
            value=goal.value,
            go_on=goal.go_on,
        )

    def _goals_kept(self, goal: ast.Goal) -> int:
        """The newest alone, where none can have come after its window and none is worth more than another."""
        late = self._site.policy.lateness
        return 1 if goal.value is None and (goal.within is None or goal.within >= late) else GOALS_KEEP

    def _told(
        self,
        patterns: Sequence[ast.Pattern],
        matches: Sequence[shapes.Pattern],
        value: str | None = None,
        keep: int = 1,
    ) -> tuple[shapes.ArrivedEarly, ...]:
        lateness = round(self._site.policy.lateness * 1000)
        found = (
            self._patterns.told(pattern, match, lateness, value, keep)
            for pattern, match in zip(patterns, matches, strict=True)
        )
        return tuple(one for one in found if one is not None)

    def patterns(
        self, patterns: Iterable[ast.Pattern], campaign: ast.Campaign, *, in_run: bool
    ) -> tuple[shapes.Pattern, ...]:
        return tuple(self._patterns.compile(pattern, campaign.id, in_run=in_run) for pattern in patterns)

    def expression(self, node: ast.Expression, *, in_run: bool) -> Evaluate:
        return self._expressions.compile(node, in_run=in_run)

    def optional(self, node: ast.Expression | None, *, in_run: bool) -> Evaluate | None:
        return None if node is None else self.expression(node, in_run=in_run)

    def pairs(self, pairs: Iterable[tuple[str, ast.Expression]]) -> tuple[tuple[str, Evaluate], ...]:
        return tuple((name, self.expression(node, in_run=True)) for name, node in pairs)

    def wait_when(self, step: ast.WaitWhen) -> compiled.WaitWhen:
        return compiled.WaitWhen(
            step="wait when",
            condition=self.expression(step.condition, in_run=True),
            horizon=compile_horizon(step.condition, self._expressions, self._segments),
            up_to=self.optional(step.up_to, in_run=True),
            name=step.name,
        )

    def wait_idle(self, step: ast.WaitIdle) -> compiled.WaitIdle:
        keys = tuple(self._plan.log(event, None, None, keep=1) for event in step.of)
        slots = {slot.key: slot for slot in self._plan.slots}
        return compiled.WaitIdle(
            step="wait idle",
            duration=self.expression(step.duration, in_run=True),
            of=tuple(slots[key] for key in keys) if keys else None,
        )

    def send(self, step: ast.SendStep, campaign: ast.Campaign) -> compiled.SendMessage:
        template = self._templates.get((step.channel, step.template))
        names = template.names if template is not None else frozenset()
        return compiled.SendMessage(
            step=f"send {step.template}",
            channel=step.channel,
            template=step.template,
            subject=step.subject,
            data=self.pairs(step.data),
            expires=self.optional(step.expires, in_run=True),
            topic=step.topic or campaign.topic or campaign.id,
            purpose=step.purpose or campaign.purpose,
            cap=None if step.cap is None else compile_cap(step.cap),
            collections=tuple((name, self._seen_by_template(name)) for name in self._collections if name in names),
            user_context=tuple((path, self._plan.context(path)) for path in paths_in(template, "user")),
            entry_context=paths_in(template, "entry"),
            printed=tuple(sorted(template.printed)) if template is not None else (),
        )

    def _seen_by_template(self, name: str) -> Evaluate:
        if isinstance(self._collections[name], ast.Bag):
            return bag_object(name, self._plan)
        return collection_value(name, None, self._collections, self._plan)
