"""Steps to a flat list of instructions: nested steps become jumps forward."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from actors.model import program as compiled
from language.syntax import ast

if TYPE_CHECKING:
    from language.compiler.compile import Compiler


class Code:
    """The instructions of one campaign in the making: nested steps become jumps forward."""

    def __init__(self, compiler: Compiler, campaign: ast.Campaign) -> None:
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
            elif isinstance(step, ast.Split):
                self._split(step)
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

    def _split(self, step: ast.Split) -> None:
        variants = tuple(compiled.Variant(name=way.name, weight=way.weight) for way in step.ways)
        place = self.add(compiled.Split(step=f"split {step.id}", id=step.id, variants=variants, to=()))
        ways, leaving = [], []
        for way in step.ways:
            ways.append(len(self.instructions))
            self.steps(way.steps)
            leaving.append(self.add(compiled.Jump(step="split", to=0)))
        self.instructions[place] = compiled.Split(
            step=f"split {step.id}", id=step.id, variants=variants, to=tuple(ways)
        )
        for jump in leaving:
            self.instructions[jump] = compiled.Jump(step="split", to=len(self.instructions))

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
            case ast.WaitAt(minute=minute, days=days, time_zone=time_zone):
                return compiled.WaitAt(step="wait at", minute=minute, days=frozenset(days) or None, time_zone=time_zone)
            case ast.Branch() | ast.Split():
                raise AssertionError("branches are made of jumps")
