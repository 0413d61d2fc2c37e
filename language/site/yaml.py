"""YAML by the 1.2 core schema, every value with its place: only `true` and `false` are booleans, `NO` and `12:30` are text.

Built from PyYAML's events, so that no input can hang or fill the memory: one document of at most a megabyte, 64 levels,
100,000 values, those that an alias repeats counted each time.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import yaml

from language.syntax.problems import Problem, Severity, SourceText

BYTES_MAX: Final = 1_000_000
LEVELS_MAX: Final = 64
VALUES_MAX: Final = 100_000
KEY_CHARACTERS_MAX: Final = 1_000
PROBLEMS_MAX: Final = 20
"""Of one file as YAML; past it reading stops."""

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEAN: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,30}")
_OCTAL: Final = re.compile(r"0o[0-7]{1,30}")
_HEXADECIMAL: Final = re.compile(r"0x[0-9a-fA-F]{1,30}")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]{1,300}|[0-9]{1,300}(\.[0-9]{0,300})?)([eE][-+]?[0-9]{1,5})?")
_SPECIAL: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

_HINTS: Final = {
    "mapping values are not allowed": ": a text with `: ` in it needs quotes, or this line begins too far to the right",
    "found character '\\t'": ": indent with spaces",
    "expected ',' or '}', but got '['": ': within { } an expression with [ ] in it needs quotes: \'a in ["x", "y"]\'',
}
"""What PyYAML says of the likeliest mistakes -> how to mend them."""

_OPENING = (yaml.events.MappingStartEvent, yaml.events.SequenceStartEvent)


class YamlError(Exception):
    """The file is no YAML that is read here; `problems` says where and why."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(*problems)
        self.problems = problems


class Value(msgspec.Struct):
    """A value and where it stands; `start` and `end` are offsets in the file's text."""

    source: SourceText
    start: int
    end: int
    size: int
    """How many values it is made of, itself included."""
    depth: int

    def problem(self, message: str, severity: Severity = "error") -> Problem:
        return self.source.problem(self.start, message, severity)

    @property
    def line(self) -> int:
        return self.source.place(self.start)[0]


class Scalar(Value):
    value: bool | int | float | str | None

    def place_within(self, offset: int) -> int:
        """Offset in the file of the character at `offset` of the text, quotes, escapes and folded lines counted in."""
        return _aligned(self.source.text[self.start : self.end], str(self.value), offset) + self.start


class Sequence(Value):
    items: list[Value]


class Mapping(Value):
    keys: dict[str, Scalar]
    values: dict[str, Value]


def load_yaml(file: str, data: bytes | str) -> Value:
    """The one value of a file; an empty file is null. Raises YamlError."""
    source = _source(file, data)
    try:
        return _Composer(source).compose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        context = f" ({error.context})" if error.context else ""
        hint = next((hint for said, hint in _HINTS.items() if said in str(error.problem)), "")
        raise YamlError(source.problem(mark.index if mark else 0, f"no YAML: {error.problem}{context}{hint}")) from None
    except yaml.reader.ReaderError as error:
        at = min(error.position, len(source.text))
        raise YamlError(source.problem(at, f"no YAML: the character {error.character!r} is not allowed")) from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise YamlError(source.problem(0, f"no YAML: {error}")) from None


def plain(value: Value) -> Any:
    """Without places: None, bool, int, float, str, list, dict."""
    match value:
        case Scalar():
            return value.value
        case Sequence():
            return [plain(item) for item in value.items]
        case Mapping():
            return {key: plain(part) for key, part in value.values.items()}
    raise AssertionError(f"a value is one of three, not {type(value)}")


def kind_of(value: Value) -> str:
    """What it is, as an author would say it."""
    match value:
        case Sequence():
            return "a list"
        case Mapping():
            return "a mapping"
        case Scalar(value=None):
            return "nothing"
        case Scalar(value=bool() as found):
            return "true" if found else "false"
        case Scalar(value=int() | float() as number):
            return f"the number {number}"
        case Scalar(value=text):
            shown = str(text)
            return f"the text `{shown if len(shown) <= 40 else shown[:37] + '…'}`"
    raise AssertionError(f"a value is one of three, not {type(value)}")


def _source(file: str, data: bytes | str) -> SourceText:
    if len(data) > BYTES_MAX:
        raise YamlError(Problem(file=file, line=1, column=1, message=f"larger than {BYTES_MAX:,} bytes"))
    if isinstance(data, str):
        return SourceText(file, data)
    try:
        return SourceText(file, data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        good = SourceText(file, data[: error.start].decode("utf-8-sig", "replace"))
        problem = good.problem(len(good.text), f"not UTF-8: {error.reason}")
        raise YamlError(msgspec.structs.replace(problem, excerpt="")) from None


class _Composer:
    """Events to values, by hand and by loop: PyYAML's own composer recurses and expands aliases without limit."""

    def __init__(self, source: SourceText) -> None:
        self._source = source
        self._anchors: dict[str, Value | None] = {}
        self._problems: list[Problem] = []
        self._values = 0

    def compose(self) -> Value:
        root: Value | None = None
        events: Iterator[yaml.Event] = yaml.parse(self._source.text, Loader=yaml.SafeLoader)
        for event in events:
            if isinstance(event, yaml.events.DocumentStartEvent):
                if root is not None:
                    self._fail(_start(event), "a second document: one file holds one document")
            elif isinstance(event, yaml.events.NodeEvent):
                root = self._value(event, events, 1)
        if self._problems:
            raise YamlError(*self._problems)
        return root or Scalar(source=self._source, start=0, end=0, size=1, depth=0, value=None)

    def _fail(self, at: int, message: str) -> None:
        """Nothing more can be read."""
        raise YamlError(*self._problems, self._source.problem(at, message))

    def _note(self, at: int, message: str) -> None:
        if len(self._problems) >= PROBLEMS_MAX:
            self._fail(at, message)
        self._problems.append(self._source.problem(at, message))

    def _value(self, event: yaml.events.NodeEvent, events: Iterator[yaml.Event], level: int) -> Value:
        at = _start(event)
        if level > LEVELS_MAX:
            self._fail(at, f"nested more than {LEVELS_MAX} deep")
        self._count(1, at)
        if isinstance(event, yaml.events.AliasEvent):
            return self._alias(event, level)
        tag = getattr(event, "tag", None)
        if tag is not None and not (tag == "!" and isinstance(event, yaml.events.ScalarEvent)):
            self._note(at, f"tags such as `{tag}` are not used here")
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        made = self._collection(event, events, level) if isinstance(event, _OPENING) else self._scalar(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = made
        return made

    def _count(self, values: int, at: int) -> None:
        self._values += values
        if self._values > VALUES_MAX:
            self._fail(at, f"more than {VALUES_MAX:,} values, those that aliases repeat counted each time")

    def _alias(self, event: yaml.events.AliasEvent, level: int) -> Value:
        at = _start(event)
        assert event.anchor is not None, "an alias names its anchor"
        if event.anchor not in self._anchors:
            self._fail(at, f"there is no anchor `&{event.anchor}` above")
        found = self._anchors[event.anchor]
        if found is None:
            self._fail(at, f"`*{event.anchor}` stands within what it repeats")
        assert found is not None
        if level + found.depth > LEVELS_MAX:
            self._fail(at, f"nested more than {LEVELS_MAX} deep")
        self._count(found.size, at)
        return found

    def _scalar(self, event: yaml.Event) -> Scalar:
        assert isinstance(event, yaml.events.ScalarEvent)
        start = _start(event)
        value: bool | int | float | str | None = event.value
        if event.implicit[0] and event.style is None:
            value = self._resolved(event.value, start)
        return Scalar(
            source=self._source,
            start=start,
            end=event.end_mark.index if event.end_mark else start,
            size=1,
            depth=0,
            value=value,
        )

    def _resolved(self, text: str, at: int) -> bool | int | float | str | None:
        """The core schema (https://yaml.org/spec/1.2.2/#1032-tag-resolution), of a plain scalar."""
        if text in _NULL:
            return None
        if text in _BOOLEAN:
            return _BOOLEAN[text]
        if _INTEGER.fullmatch(text):
            return int(text)
        if _OCTAL.fullmatch(text):
            return int(text[2:], 8)
        if _HEXADECIMAL.fullmatch(text):
            return int(text[2:], 16)
        if _FLOAT.fullmatch(text):
            number = float(text)
            if math.isfinite(number):
                return number
        if _SPECIAL.fullmatch(text) or _FLOAT.fullmatch(text):
            self._note(at, f"`{text[:40]}` is no number that can be used here; if it is a text, put it in quotes")
        return text

    def _collection(self, event: yaml.Event, events: Iterator[yaml.Event], level: int) -> Value:
        if isinstance(event, yaml.events.SequenceStartEvent):
            return self._sequence(event, events, level)
        return self._mapping(event, events, level)

    def _sequence(self, event: yaml.Event, events: Iterator[yaml.Event], level: int) -> Sequence:
        items: list[Value] = []
        for inner in events:
            if not isinstance(inner, yaml.events.NodeEvent):
                break
            items.append(self._value(inner, events, level + 1))
        size, depth = _measure(items)
        start = _start(event)
        return Sequence(source=self._source, start=start, end=start, size=size, depth=depth, items=items)

    def _mapping(self, event: yaml.Event, events: Iterator[yaml.Event], level: int) -> Mapping:
        keys: dict[str, Scalar] = {}
        values: dict[str, Value] = {}
        for inner in events:
            if not isinstance(inner, yaml.events.NodeEvent):
                break
            key = self._value(inner, events, level + 1)
            following = next(events)
            assert isinstance(following, yaml.events.NodeEvent), "after a key comes its value"
            value = self._value(following, events, level + 1)
            name = self._key(key)
            if name is None or not isinstance(key, Scalar):
                continue
            if name in keys:
                line = keys[name].line
                self._note(key.start, f"the key `{name}` is here twice; it was first on line {line}")
                continue
            keys[name], values[name] = key, value
        size, depth = _measure(list(values.values()))
        start = _start(event)
        return Mapping(source=self._source, start=start, end=start, size=size, depth=depth, keys=keys, values=values)

    def _key(self, key: Value) -> str | None:
        """A key is text; what looks like a number, true or null is taken as it is written."""
        if not isinstance(key, Scalar):
            braces = self._source.text[max(key.start - 1, 0) : key.start + 1] == "{{"
            hint = "; a text that begins with {{ needs quotes" if braces else ""
            self._note(key.start, f"a key is a name, not a list or mapping{hint}")
            return None
        if isinstance(key.value, str):
            return key.value[:KEY_CHARACTERS_MAX]
        return key.source.text[key.start : key.end].strip() or "null"


def _start(event: yaml.Event) -> int:
    return event.start_mark.index if event.start_mark else 0


def _measure(parts: list[Value]) -> tuple[int, int]:
    """Size and depth of what is made of these."""
    return 1 + sum(part.size for part in parts), 1 + max((part.depth for part in parts), default=0)


def _aligned(written: str, value: str, offset: int) -> int:
    """Where in a scalar as written the character at `offset` of its value stands."""
    style = written[:1]
    at = 1 if style in ("'", '"') else max(0, written.find("\n") + 1) if style in ("|", ">") else 0
    for character in value[:offset]:
        at = _past(written, _upon(written, at, character), character, style)
    wanted = value[offset] if offset < len(value) else ""
    return min(_upon(written, at, wanted), len(written))


def _upon(written: str, at: int, character: str) -> int:
    """Skips indentation and line breaks that are not in the value."""
    if not character or character.isspace():
        return at
    while at < len(written) and written[at].isspace():
        at += 1
    return at


def _past(written: str, at: int, character: str, style: str) -> int:
    if style == '"' and written[at : at + 1] == "\\":
        return at + {"x": 4, "u": 6, "U": 10}.get(written[at + 1 : at + 2], 2)
    if style == "'" and written[at : at + 2] == "''":
        return at + 2
    if character.isspace() and written[at : at + 1] in ("\n", "\r"):
        while at < len(written) and written[at].isspace():
            at += 1
        return at
    return at + 1
