"""The steps of a campaign, from their shapes to the syntax tree."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from actors.values.names import canonical
from language.site import shapes
from language.site.context import Context
from language.site.decode import decode
from language.site.fields import Placed, StepField
from language.site.read_caps import own_cap
from language.site.weights import check_weights
from language.site.yaml import Mapping, Scalar, Value
from language.syntax import ast
from language.syntax.problems import one_of
from language.syntax.resolve import PATTERN, STEP
from language.syntax.vocabulary import NAMESPACES, RUN_PARTS, WORDS

BRANCH_DEPTH_MAX: Final = 16
STEPS_MAX: Final = 500

_STEPS: Final = ("wait", "send", "branch", "split", "set", "emit", "exit")
_WAITS: Final = {
    "for_": (),
    "idle": ("of",),
    "until": ("up_to", "as_"),
    "when": ("up_to", "as_"),
    "at": ("days", "tz"),
}
"""Form of a wait -> what may stand beside it."""


class Sending(msgspec.Struct, frozen=True):
    """A send and where its template is named."""

    step: ast.SendStep
    place: Scalar
    made: frozenset[str] = frozenset()
    """Names that the campaign's waits make by `as:`."""


class StepReader:
    """Reads the steps of one campaign; `sends` and `made` (names by `as:`) fill on the way."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._report = context.report
        self._count = 0
        self.sends: list[Sending] = []
        self.made: set[str] = set()

    def steps(self, steps: Iterable[StepField], depth: int = 0) -> tuple[ast.AnyStep, ...]:
        found: list[ast.AnyStep] = []
        for step in steps:
            if found and _ends(found[-1]):
                self._report.at(step.value, "this step is never reached: the step before it ends the run", "advice")
            made = self._step(step.value, depth)
            if made is not None:
                found.append(made)
        return tuple(found)

    def _step(self, value: Value, depth: int) -> ast.AnyStep | None:
        self._count += 1
        if self._count > STEPS_MAX or depth > BRANCH_DEPTH_MAX:
            self._report.at(value, f"at most {STEPS_MAX} steps, and branches {BRANCH_DEPTH_MAX} deep")
            return None
        found = decode(value, shapes.StepFile, self._report, "a step")
        if found is None:
            return None
        said = [name for name in _STEPS if getattr(found, name) is not None]
        if len(said) != 1:
            if not self._report.about(value):
                self._report.at(value, f"a step is one of {one_of(_STEPS)}")
            return None
        read: Callable[[shapes.StepFile, Value, int], ast.AnyStep | None] = getattr(self, f"_{said[0]}")
        made = read(found, value, depth)
        if made is not None:
            self._context.places.note(made, value)
        return made

    # --- waits ----------------------------------------------------------------------------------------------------

    def _wait(self, step: shapes.StepFile, value: Value, depth: int) -> ast.AnyStep | None:
        wait = step.wait
        assert wait is not None
        forms = [form for form in _WAITS if getattr(wait, form) is not None]
        if len(forms) != 1:
            if not self._report.about(value):
                self._report.at(value, "a wait is one of `for`, `idle`, `until`, `when` and `at`")
            return None
        (form,) = forms
        for name in ("of", "up_to", "as_", "days", "tz"):
            if getattr(wait, name) is not None and name not in _WAITS[form]:
                self._report.at(value, f"a wait `{form.rstrip('_')}` has no `{name.rstrip('_')}`")
        context, line = self._context, value.line
        up_to = context.expression(wait.up_to, STEP)
        made = self._made(wait.as_)
        if form == "for_":
            return ast.WaitFor(line=line, duration=context.required(wait.for_, STEP))
        if form == "idle":
            of = tuple(canonical(str(scalar.value), context.aliases) for scalar in wait.of.items) if wait.of else ()
            return ast.WaitIdle(line=line, duration=context.required(wait.idle, STEP), of=of)
        if form == "until":
            patterns = context.patterns(wait.until, PATTERN)
            return ast.WaitUntil(line=line, patterns=patterns, up_to=up_to, name=made)
        if wait.at is not None:
            days = wait.days.numbers if wait.days else ()
            return ast.WaitAt(
                line=line, minute=wait.at.minute, days=days, time_zone=wait.tz.name if wait.tz else "user"
            )
        return ast.WaitWhen(line=line, condition=context.required(wait.when, STEP), up_to=up_to, name=made)

    def _made(self, name: Placed | None) -> str | None:
        if name is None:
            return None
        taken = WORDS | NAMESPACES | {"true", "false", "null", *RUN_PARTS, *self._context.known.collections}
        if not name.text.isidentifier() or name.text in taken:
            self._report.at(name.value, f"`{name.text}` cannot be a name here: choose a word that means nothing yet")
            return None
        self.made.add(name.text)
        return name.text

    # --- what is done ---------------------------------------------------------------------------------------------

    def _send(self, step: shapes.StepFile, value: Value, depth: int) -> ast.AnyStep | None:
        send = step.send
        assert send is not None
        assert isinstance(value, Mapping)
        told = value.values["send"]
        named = send.email or send.push
        if named is None or (send.email and send.push):
            if not self._report.about(value):
                self._report.at(value, "a send is one of `email` and `push`")
            return None
        made = ast.SendStep(
            line=value.line,
            channel="email" if send.email else "push",
            template=named.text,
            subject=send.subject,
            data=self._context.pairs(send.data, STEP),
            expires=self._context.expression(send.expires, STEP),
            topic=send.topic,
            purpose=send.purpose,
            cap=own_cap(send.cap, told, self._context),
        )
        self.sends.append(Sending(made, named.value))
        return made

    def _branch(self, step: shapes.StepFile, value: Value, depth: int) -> ast.AnyStep | None:
        assert step.branch is not None
        cases: list[tuple[ast.Expression, tuple[ast.AnyStep, ...]]] = []
        otherwise: tuple[ast.AnyStep, ...] = ()
        for number, case in enumerate(step.branch, start=1):
            if case.else_ is not None and case.when is None and case.do is None:
                if number < len(step.branch):
                    self._report.at(value, "`else` is the last case of a branch")
                otherwise = self.steps(case.else_, depth + 1)
            elif case.when is not None and case.do is not None and case.else_ is None:
                condition = self._context.required(case.when, STEP)
                cases.append((condition, self.steps(case.do, depth + 1)))
            else:
                self._report.at(value, f"case {number} of the branch is neither `when` with `do`, nor `else`")
        if not cases:
            self._report.at(value, "a branch needs a case with `when` and `do`")
        return ast.Branch(line=value.line, cases=tuple(cases), otherwise=otherwise)

    def _split(self, step: shapes.StepFile, value: Value, depth: int) -> ast.AnyStep | None:
        split = step.split
        assert split is not None
        assert isinstance(value, Mapping)
        inner = value.values["split"]
        written = inner.values["variants"] if isinstance(inner, Mapping) else None
        if isinstance(written, Mapping):
            weights = {name: way.weight.number for name, way in split.variants.items()}
            check_weights(weights, written, "a split", self._report)
        ways = tuple(
            ast.Way(name=name, weight=way.weight.number, steps=self.steps(way.do, depth + 1))
            for name, way in split.variants.items()
        )
        return ast.Split(line=value.line, id=split.id.text, ways=ways)

    def _set(self, step: shapes.StepFile, value: Value, depth: int) -> ast.AnyStep | None:
        assert step.set is not None
        if not step.set:
            self._report.at(value, "`set` needs a trait, as in {set: {plan: '\"gold\"'}}")
        return ast.SetTraits(line=value.line, traits=self._context.pairs(step.set, STEP))

    def _emit(self, step: shapes.StepFile, value: Value, depth: int) -> ast.AnyStep | None:
        assert step.emit is not None
        event = canonical(step.emit.event.text, self._context.aliases)
        properties = self._context.pairs(step.emit.properties, STEP)
        return ast.Emit(line=value.line, event=event, properties=properties)

    def _exit(self, step: shapes.StepFile, value: Value, depth: int) -> ast.AnyStep | None:
        assert step.exit is not None
        return ast.Exit(line=value.line, reason=step.exit.text)


def _ends(step: ast.AnyStep) -> bool:
    """Whether no run goes on behind it."""
    match step:
        case ast.Exit():
            return True
        case ast.Branch(cases=cases, otherwise=otherwise):
            return _all_end([*(body for _, body in cases), otherwise])
        case ast.Split(ways=ways):
            return _all_end([way.steps for way in ways])
    return False


def _all_end(bodies: list[tuple[ast.AnyStep, ...]]) -> bool:
    return bool(bodies) and all(body and _ends(body[-1]) for body in bodies)
