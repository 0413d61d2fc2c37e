"""A site to a program: campaigns become flat lists of instructions, expressions closures, questions a memory plan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

import msgspec

from actors import compiled_patterns as shapes
from actors import program as compiled
from actors.names import ALIASES
from actors.scope import Evaluate
from engine.language import ast
from engine.language.compile_expressions import CompileError, Expressions
from engine.language.compile_horizon import changes_with_any_event, compile_horizon
from engine.language.compile_memory import Plan, plain
from engine.language.compile_names import bag_object, collection_value
from engine.language.compile_patterns import Patterns

__all__ = ["CompileError", "compile_site", "version_of"]


def compile_site(site: ast.Site, *, only: Sequence[str] | None = None) -> compiled.Program:
    """The program of a site that `load_site` accepted. `only`: leave out all campaigns but these (scenarios).

    Raises CompileError for what the language cannot mean, such as segments defined by each other.
    """
    return _Compiler(site).program(only)


def version_of(campaign: ast.Campaign, profile: ast.Profile) -> str:
    """12 hexadecimal digits of a hash over all that decides what the campaign does; not over `why`, its status, layout."""
    meaning = {name: part for name, part in plain(campaign).items() if name != "status"}
    text = msgspec.json.encode([meaning, plain(profile)], order="sorted")
    return sha256(text).hexdigest()[:12]


class _Compiler:
    def __init__(self, site: ast.Site) -> None:
        self._site = site
        self._collections = dict(site.profile.remember)
        self._segments = dict(site.profile.segments)
        self._plan = Plan(self._collections)
        self._expressions = Expressions(self._collections, self._segments, self._plan)
        self._patterns = Patterns(self._expressions, self._plan)
        self._templates = {(info.channel, info.name): info.names for info in site.templates or ()}

    def program(self, only: Sequence[str] | None) -> compiled.Program:
        campaigns = tuple(
            self._campaign(campaign)
            for campaign in self._site.campaigns
            if campaign.status in ("live", "paused") and (only is None or campaign.id in only)
        )
        policy = self._site.policy
        ordered = compiled.by_priority(campaigns)
        segments = self._watched(campaigns)
        return compiled.Program(
            hash=sha256(msgspec.json.encode([self._site.sources, only])).hexdigest(),
            campaigns=campaigns,
            versions={campaign.version: campaign for campaign in campaigns},
            slots=self._plan.slots,
            interests=compiled.index(campaigns, self._plan.slots),
            policy=compiled.Policy(
                marketing_opt_in=policy.marketing_consent == "opt_in",
                tracking_opt_in=policy.tracking_consent == "opt_in",
                unverified_email=policy.unverified_email == "allow",
                expires=round(policy.expires * 1000),
                time_zone=policy.time_zone,
                lateness=round(policy.lateness * 1000),
            ),
            aliases={**ALIASES, **dict(self._site.profile.aliases)},
            segments=segments,
            timed=tuple(
                (campaign, pattern)
                for campaign in ordered
                for pattern in campaign.entries
                if isinstance(pattern, shapes.Absence | shapes.Silence)
            ),
            memberships=tuple(
                (campaign, pattern)
                for campaign in ordered
                for pattern in campaign.entries
                if isinstance(pattern, shapes.Membership)
            ),
            every_turn=any(segment.any_turn for segment in segments),
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
                *(p for one in campaign.code if isinstance(one, compiled.WaitUntil) for p in one.patterns),
            )
            if isinstance(pattern, shapes.Membership)
        }
        return tuple(
            shapes.Segment(
                name=name,
                member=self._expressions.segment(name),
                horizon=compile_horizon(self._segments[name], self._expressions, self._segments),
                any_turn=changes_with_any_event(self._segments[name], self._segments),
            )
            for name in sorted(names)
        )

    def _campaign(self, campaign: ast.Campaign) -> compiled.Campaign:
        code = _Code(self, campaign)
        code.steps(campaign.steps)
        code.add(compiled.Finish(step="finish"))
        entry = campaign.entry
        exits = self.patterns(campaign.exits, campaign, in_run=True)
        goal = self._goal(campaign)
        waits = [
            pattern for one in code.instructions if isinstance(one, compiled.WaitUntil) for pattern in one.patterns
        ]
        inside = [*exits, *waits, *(goal.patterns if goal else ())]
        return compiled.Campaign(
            id=campaign.id,
            version=version_of(campaign, self._site.profile),
            status="paused" if campaign.status == "paused" else "live",
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
            goal=goal,
            code=tuple(code.instructions),
            listens=frozenset(event for pattern in inside for event in pattern.events),
            conditional=any(isinstance(one, compiled.WaitWhen) for one in code.instructions),
            partial=tuple(p for p in inside if isinstance(p, shapes.Sequence | shapes.Absence | shapes.AllOf)),
            timed=tuple(p for p in inside if isinstance(p, shapes.Absence | shapes.Silence)),
        )

    def _goal(self, campaign: ast.Campaign) -> compiled.Goal | None:
        goal = campaign.goal
        if goal is None:
            return None
        return compiled.Goal(
            patterns=self.patterns(goal.patterns, campaign, in_run=True),
            within=None if goal.within is None else round(goal.within * 1000),
            value=goal.value,
            go_on=goal.go_on,
        )

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
        names = self._templates.get((step.channel, step.template), frozenset())
        return compiled.SendMessage(
            step=f"send {step.template}",
            channel=step.channel,
            template=step.template,
            subject=step.subject,
            data=self.pairs(step.data),
            expires=self.optional(step.expires, in_run=True),
            topic=step.topic or campaign.topic or campaign.id,
            purpose=step.purpose or campaign.purpose,
            collections=tuple((name, self._seen_by_template(name)) for name in self._collections if name in names),
        )

    def _seen_by_template(self, name: str) -> Evaluate:
        if isinstance(self._collections[name], ast.Bag):
            return bag_object(name, self._plan)
        return collection_value(name, None, self._collections, self._plan)


class _Code:
    """The instructions of one campaign in the making: nested steps become jumps forward."""

    def __init__(self, compiler: _Compiler, campaign: ast.Campaign) -> None:
        self._compiler = compiler
        self._campaign = campaign
        self.instructions: list[compiled.Instruction] = []

    def add(self, instruction: compiled.Instruction) -> int:
        self.instructions.append(instruction)
        return len(self.instructions) - 1

    def steps(self, steps: Iterable[ast.AnyStep]) -> None:
        for step in steps:
            if isinstance(step, ast.Branch):
                self._branch(step)
            else:
                self.add(self._instruction(step))

    def _branch(self, step: ast.Branch) -> None:
        leaving = []
        for number, (condition, body) in enumerate(step.cases, start=1):
            test = compiled.JumpUnless(
                step="branch", condition=self._compiler.expression(condition, in_run=True), to=0, case=number
            )
            place = self.add(test)
            self.steps(body)
            leaving.append(self.add(compiled.Jump(step="branch", to=0)))
            self.instructions[place] = msgspec.structs.replace(test, to=len(self.instructions))
        self.steps(step.otherwise)
        for place in leaving:
            self.instructions[place] = compiled.Jump(step="branch", to=len(self.instructions))

    def _instruction(self, step: ast.AnyStep) -> compiled.Instruction:
        compiler = self._compiler
        match step:
            case ast.WaitFor(duration=duration):
                return compiled.WaitFor(step="wait for", duration=compiler.expression(duration, in_run=True))
            case ast.WaitIdle():
                return compiler.wait_idle(step)
            case ast.WaitUntil(patterns=patterns, up_to=up_to, name=name):
                return compiled.WaitUntil(
                    step="wait until",
                    patterns=compiler.patterns(patterns, self._campaign, in_run=True),
                    up_to=compiler.optional(up_to, in_run=True),
                    name=name,
                )
            case ast.WaitWhen():
                return compiler.wait_when(step)
            case ast.SendStep():
                return compiler.send(step, self._campaign)
            case ast.SetTraits(traits=traits):
                return compiled.SetTraits(step="set", traits=compiler.pairs(traits))
            case ast.Emit(event=event, properties=properties):
                return compiled.EmitEvent(step=f"emit {event}", event=event, properties=compiler.pairs(properties))
            case ast.Exit(reason=reason):
                return compiled.ExitRun(step="exit", reason=reason)
            case ast.Branch():
                raise AssertionError("branches are made of jumps")
