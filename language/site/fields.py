"""Field types of `shapes.py` that are no plain ones: each reads itself, keeps its place in the file for messages about what
it names, and says in `schema` what JSON Schema calls it."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from language.site.decode import Report
from language.site.yaml import Mapping, Scalar, Sequence, Value, kind_of
from language.syntax.durations import FORMS, duration_ms, seconds

DURATION_PATTERN = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d|w))+$"


class ExpressionText:
    """An expression, not yet parsed: which collections there are is known when all files are read."""

    schema: ClassVar[dict[str, Any]] = {
        "type": ["string", "number", "boolean", "null", "array"],
        "description": "An expression.",
    }

    def __init__(self, value: Value, duration: bool = False) -> None:
        self.value = value
        self.duration = duration

    @classmethod
    def read(cls, value: Value, report: Report) -> ExpressionText | None:
        if isinstance(value, Mapping):
            report.at(value, "expected an expression, came a mapping")
            return None
        return cls(value)


class DurationText(ExpressionText):
    """A duration, or an expression in quotes that gives one."""

    schema: ClassVar[dict[str, Any]] = {
        "type": "string",
        "description": f"A duration ({FORMS}), or an expression for one.",
    }

    @classmethod
    def read(cls, value: Value, report: Report) -> DurationText | None:
        if isinstance(value, Scalar) and isinstance(value.value, str):
            return cls(value, duration=True)
        report.at(value, f"expected a duration, came {kind_of(value)}: write {FORMS}")
        return None


class Duration:
    """A duration that is known beforehand, in seconds."""

    schema: ClassVar[dict[str, Any]] = {
        "type": "string",
        "pattern": DURATION_PATTERN,
        "description": f"A duration: {FORMS}.",
    }

    def __init__(self, told: float) -> None:
        self.seconds = told

    @classmethod
    def read(cls, value: Value, report: Report) -> Duration | None:
        if isinstance(value, Scalar) and isinstance(value.value, str):
            found = duration_ms(value.value)
            if found is not None:
                return cls(seconds(found))
        report.at(value, f"expected a duration, came {kind_of(value)}: write {FORMS}")
        return None


class Texts:
    """One text or a list of them, with their places."""

    schema: ClassVar[dict[str, Any]] = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}

    def __init__(self, items: list[Scalar]) -> None:
        self.items = items

    @classmethod
    def read(cls, value: Value, report: Report) -> Texts | None:
        parts = value.items if isinstance(value, Sequence) else [value]
        if not parts:
            report.at(value, "expected at least one, came an empty list")
            return None
        found = [part for part in parts if isinstance(part, Scalar) and isinstance(part.value, str)]
        for part in parts:
            if not any(part is one for one in found):
                report.at(part, f"expected a text, came {kind_of(part)}")
        return cls(found) if len(found) == len(parts) else None


class Patterns(Texts):
    """A pattern or a list of them (any of them)."""

    schema: ClassVar[dict[str, Any]] = Texts.schema | {
        "description": "A pattern or a list of them: `event where condition`, `a then b within 48h`, `a then no b within 2h`, "
        '`all(a, b) within 48h`, `no activity for 30d`, `entered segment("vip")`, `called`.'
    }


class Placed:
    """A text and where it stands."""

    schema: ClassVar[dict[str, Any]] = {"type": "string"}

    def __init__(self, text: str, value: Scalar) -> None:
        self.text = text
        self.value = value

    @classmethod
    def read(cls, value: Value, report: Report) -> Placed | None:
        if isinstance(value, Scalar) and isinstance(value.value, str) and value.value.strip():
            return cls(value.value, value)
        report.at(value, f"expected a text, came {kind_of(value)}")
        return None


class Whole:
    """A value that is read by its own rules later."""

    schema: ClassVar[dict[str, Any]] = {}

    def __init__(self, value: Value) -> None:
        self.value = value

    @classmethod
    def read(cls, value: Value, report: Report) -> Self | None:
        return cls(value)


class StepField(Whole):
    """One step."""

    schema: ClassVar[dict[str, Any]] = {"$ref": "#/$defs/StepFile"}


class Collection(Whole):
    """One entry of `remember`."""

    schema: ClassVar[dict[str, Any]] = {"$ref": "#/$defs/CollectionFile"}


class WholeMapping(Whole):
    """The same, of a mapping."""

    schema: ClassVar[dict[str, Any]] = {"type": "object"}

    @classmethod
    def read(cls, value: Value, report: Report) -> Self | None:
        if isinstance(value, Mapping):
            return cls(value)
        report.at(value, f"expected a mapping, came {kind_of(value)}")
        return None
