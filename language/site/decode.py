"""YAML values into the structs of `shapes.py`: strictly, with every problem noted at its place and none raised.

A struct is read key by key; what it does not have is an unknown key. Of a value that is wrong the problem is noted and
the field is left at its default, so that the rest of the file is still looked at.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Collection
from functools import lru_cache
from typing import Annotated, Any, Final, Literal, Protocol, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from language.site.later import LATER_KEYS, not_yet
from language.site.yaml import Mapping, Scalar, Sequence, Value, kind_of
from language.syntax.habits import KEYS
from language.syntax.problems import Problem, Severity, did_you_mean, nearest, one_of

PROBLEMS_MAX: Final = 200
"""Problems noted of one file; more help nobody."""

T = TypeVar("T", bound=msgspec.Struct)


class Report:
    """The problems found so far."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    @property
    def failed(self) -> bool:
        return any(problem.severity == "error" for problem in self.problems)

    def add(self, problem: Problem) -> None:
        if len(self.problems) < PROBLEMS_MAX and problem not in self.problems:
            self.problems.append(problem)

    def about(self, value: Value) -> bool:
        """Whether there is a problem on the value's first line already, which says why it is not complete."""
        return any(problem.file == value.source.file and problem.line == value.line for problem in self.problems)

    def at(self, value: Value, message: str, severity: Severity = "error") -> None:
        self.add(value.problem(message, severity))


class Leaf(Protocol):
    """A field type that reads itself, and says in `schema` what JSON Schema calls it."""

    schema: dict[str, Any]

    @classmethod
    def read(cls, value: Value, report: Report) -> Any:
        """None if the value is wrong; the problem is then in the report."""


class Bad:
    """What could not be read. Told from None, which is `null`."""


BAD: Final = Bad()


def decode(value: Value, shape: type[T], report: Report, what: str) -> T | None:
    """A struct of a mapping. None if it is no mapping, or misses what it cannot do without."""
    found = _struct(value, shape, report, what)
    return found if isinstance(found, shape) else None


def _struct(value: Value, shape: type[msgspec.Struct], report: Report, what: str) -> Any:
    if not isinstance(value, Mapping):
        names = ", ".join(list(_fields(shape))[:4])
        report.at(value, f"expected {what}, a mapping with {names} …; came {kind_of(value)}")
        return BAD
    fields = _fields(shape)
    later = LATER_KEYS.get(shape.__name__, {})
    for name, key in value.keys.items():
        if name in fields:
            continue
        if name in later:
            if not _is_null(value.values[name]):
                report.at(key, not_yet(later[name]))
        else:
            report.at(key, f"{what} has no key `{name}`{_way_out(name, shape, fields)}")
    found: dict[str, Any] = {}
    hints = _hints(shape)
    missing = False
    for name, field in fields.items():
        there = value.values.get(name)
        if there is None or _is_null(there):
            if field.required:
                report.at(there or value, f"{what} needs `{name}`")
                missing = _stand_in(found, field.name, hints[field.name]) or missing
            continue
        read = _any(there, hints[field.name], report, f"`{name}`")
        if read is not BAD:
            found[field.name] = read
        elif field.required:
            missing = _stand_in(found, field.name, hints[field.name]) or missing
    return BAD if missing else shape(**found)


def _way_out(name: str, shape: type, fields: Collection[str]) -> str:
    meant = KEYS.get(shape.__name__, {}).get(name)
    return f"; write {meant}" if meant else did_you_mean(nearest(name, fields) or _first(fields))


def _is_null(value: Value) -> bool:
    return isinstance(value, Scalar) and value.value is None


def _stand_in(found: dict[str, Any], name: str, wanted: Any) -> bool:
    """Puts an empty text or list where a required one is missing, so that the rest is still read; True if it cannot."""
    if get_origin(wanted) is Annotated:
        wanted = get_args(wanted)[0]
    empty: Any = "" if wanted is str else [] if get_origin(wanted) is list else None
    if empty is not None:
        found[name] = empty
    return empty is None


def _first(fields: Collection[str]) -> str | None:
    return next(iter(fields)) if len(fields) == 1 else None


@lru_cache(maxsize=64)
def _fields(shape: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    """By the names they have in the file. msgspec works them out anew at each call."""
    return {field.encode_name: field for field in msgspec.structs.fields(shape)}


@lru_cache(maxsize=64)
def _hints(shape: type) -> dict[str, Any]:
    return get_type_hints(shape, include_extras=True)


def _any(value: Value, wanted: Any, report: Report, what: str) -> Any:
    origin = get_origin(wanted)
    if origin is Annotated:
        inner, meta = get_args(wanted)[:2]
        return _within(_any(value, inner, report, what), meta, value, report, what)
    if origin in (Union, types.UnionType):
        (inner,) = (one for one in get_args(wanted) if one is not type(None))
        return _any(value, inner, report, what)
    if origin is Literal:
        return _choice(value, get_args(wanted), report, what)
    if origin is list:
        return _list(value, get_args(wanted)[0], report, what)
    if origin is dict:
        return _dict(value, get_args(wanted)[1], report, what)
    if hasattr(wanted, "read"):
        read = wanted.read(value, report)
        return BAD if read is None else read
    if issubclass(wanted, msgspec.Struct):
        return _struct(value, wanted, report, what)
    return _PLAIN[wanted](value, report, what)


def _within(read: Any, meta: msgspec.Meta, value: Value, report: Report, what: str) -> Any:
    """The bounds of a number."""
    if isinstance(read, int) and not isinstance(read, bool) and meta.ge is not None and meta.le is not None:
        if meta.ge <= read <= meta.le:
            return read
        report.at(value, f"{what} is a number from {meta.ge} to {meta.le}, not {read}")
        return BAD
    return read


def _choice(value: Value, choices: tuple[Any, ...], report: Report, what: str) -> Any:
    if isinstance(value, Scalar):
        for choice in choices:
            if value.value == choice and type(value.value) is type(choice):
                return choice
    words = [str(choice) for choice in choices]
    hint = did_you_mean(nearest(str(value.value), words)) if isinstance(value, Scalar) else ""
    report.at(value, f"{what} is {one_of(words)}, not {kind_of(value)}{hint}")
    return BAD


def _list(value: Value, inner: Any, report: Report, what: str) -> Any:
    if not isinstance(value, Sequence):
        parts = "; each begins with `- `" if isinstance(value, Mapping) else ""
        report.at(value, f"{what} is a list, not {kind_of(value)}{parts}")
        return BAD
    read = [_any(item, inner, report, f"an item of {what}") for item in value.items]
    return [one for one in read if one is not BAD]


def _dict(value: Value, inner: Any, report: Report, what: str) -> Any:
    if not isinstance(value, Mapping):
        report.at(value, f"{what} is a mapping, not {kind_of(value)}")
        return BAD
    read = {key: _any(part, inner, report, f"`{key}`") for key, part in value.values.items()}
    return {key: one for key, one in read.items() if one is not BAD}


def _text(value: Value, report: Report, what: str) -> Any:
    if isinstance(value, Scalar):
        if isinstance(value.value, str) and value.value.strip():
            return value.value
        if isinstance(value.value, int | float) and not isinstance(value.value, bool):
            return value.source.text[value.start : value.end]
    report.at(value, f"{what} is a text, not {kind_of(value)}")
    return BAD


def _integer(value: Value, report: Report, what: str) -> Any:
    if isinstance(value, Scalar) and isinstance(value.value, int) and not isinstance(value.value, bool):
        return value.value
    report.at(value, f"{what} is a whole number, not {kind_of(value)}")
    return BAD


def _boolean(value: Value, report: Report, what: str) -> Any:
    if isinstance(value, Scalar) and isinstance(value.value, bool):
        return value.value
    report.at(value, f"{what} is true or false, not {kind_of(value)}")
    return BAD


_PLAIN: Final[dict[Any, Callable[[Value, Report, str], Any]]] = {str: _text, int: _integer, bool: _boolean}
