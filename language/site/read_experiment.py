"""`experiment:` of a campaign: its variants, and the steps with a variant's values in the place of `$name`.

A text that is nothing but `$name` becomes the variant's value itself, of whatever kind; within a longer text (an
expression, a subject) the value stands as it is written. Messages about the first point at the value, about the second
at the `$`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from language.site.context import Context
from language.site.decode import Report
from language.site.fields import StepField
from language.site.shapes import ExperimentFile
from language.site.weights import check_weights
from language.site.yaml import Mapping as YamlMapping
from language.site.yaml import Scalar, Value, kind_of
from language.site.yaml import Sequence as YamlSequence
from language.syntax import ast
from language.syntax.problems import did_you_mean, nearest, one_of

NAMED: Final = re.compile(r"\$([^\W\d]\w*)")

_PLACES: Final = frozenset({"why", "campaign", "experiment", "steps"})
"""Keys of a campaign in which `$name` is a value that is put in, or plain text."""

_AT_ENTRY: Final = (
    ": which variant a user has is decided at the entry. Let in whom any variant wants, and make the first step a branch on "
    "it: {branch: [{when: …, do: […]}]}"
)

Values = Mapping[str, Value]
"""`$name`, without the `$` -> its value."""


class VariantText(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    weight: float
    values: Values


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """One replacement: where it begins and how long it is in the new text; where the name began and ended in the old."""

    begin: int
    length: int
    was: int
    then: int


class Substituted(Scalar):
    """A text in which values have replaced names; its places are those of the text as it was written."""

    original: str
    moves: tuple[Move, ...]

    def place_within(self, offset: int) -> int:
        written = Scalar(self.source, self.start, self.end, self.size, self.depth, self.original)
        shift = 0
        for move in self.moves:
            if offset < move.begin:
                break
            if offset < move.begin + move.length:
                return written.place_within(move.was)
            shift = move.then - move.begin - move.length
        return written.place_within(offset + shift)


def read_variants(file: ExperimentFile | None, steps: Iterable[StepField], context: Context) -> Sequence[VariantText]:
    """The variants in the order in which they are written; none if there is no experiment, or none that could be read."""
    report = context.report
    if file is None:
        return ()
    written = file.variants.value
    if not isinstance(written, YamlMapping):
        report.at(written, f"`variants` is a mapping, not {kind_of(written)}")
        return ()
    found = [variant for name in written.values if (variant := _variant(name, written, report)) is not None]
    check_weights({variant.name: variant.weight for variant in found}, written, "an experiment", report)
    _check_values(found, written, steps, report)
    return found


def _variant(name: str, written: YamlMapping, report: Report) -> VariantText | None:
    part = written.values[name]
    if not isinstance(part, YamlMapping):
        report.at(part, f"a variant is {{weight: 50, name: value}}, not {kind_of(part)}")
        return None
    weight = part.values.get("weight")
    told = weight.value if isinstance(weight, Scalar) else None
    if not isinstance(told, int | float) or isinstance(told, bool):
        report.at(weight or part, f"the variant `{name}` needs `weight`, a number")
        return None
    values: dict[str, Value] = {}
    for key, value in part.values.items():
        if key == "weight":
            continue
        if NAMED.fullmatch(f"${key}") is None:
            report.at(part.keys[key], f"`{key}` cannot be written as `${key}`: choose one word of letters and digits")
        elif isinstance(value, YamlMapping) or (isinstance(value, Scalar) and value.value is None):
            report.at(value, f"`{key}` is a text, a number or a list of them, not {kind_of(value)}")
        else:
            values[key] = value
    return VariantText(name=name, weight=float(told), values=values)


def _check_values(
    variants: Sequence[VariantText], written: YamlMapping, steps: Iterable[StepField], report: Report
) -> None:
    """Each variant has a value for each name, and each name is used."""
    names = {name: value for variant in variants for name, value in variant.values.items()}
    used = {name for step in steps for name in _names(step.value)}
    for variant in variants:
        for name in sorted(names.keys() - variant.values.keys()):
            report.at(written.keys[variant.name], f"the variant `{variant.name}` has no value for `{name}`")
    if used <= names.keys():
        for name in sorted(names.keys() - used):
            report.at(names[name], f"no step looks at `${name}`", "advice")


def _names(value: Value) -> set[str]:
    match value:
        case YamlSequence(items=items):
            return set().union(*map(_names, items))
        case YamlMapping(values=values):
            return set().union(*map(_names, values.values()))
        case Scalar(value=str() as text):
            return set(NAMED.findall(text))
    return set()


def misplaced(campaign: Value, report: Report) -> bool:
    """Whether a value of the campaign's experiment is named where none is put in; each place is told."""
    if not isinstance(campaign, YamlMapping):
        return False
    names = _value_names(campaign.values.get("experiment"))
    found = [
        (key, scalar, match)
        for key, value in campaign.values.items()
        if key not in _PLACES
        for scalar, text in _texts(value)
        for match in NAMED.finditer(text)
        if match[1] in names
    ]
    for key, scalar, match in found:
        why = _AT_ENTRY if key == "entry" else ""
        message = f"`{match[0]}` is a value of the experiment and stands only in `steps`{why}"
        report.add(scalar.source.problem(scalar.place_within(match.start()), message))
    return bool(found)


def _value_names(experiment: Value | None) -> set[str]:
    """Of an `experiment` that was not looked at yet."""
    variants = experiment.values.get("variants") if isinstance(experiment, YamlMapping) else None
    ways = variants.values.values() if isinstance(variants, YamlMapping) else ()
    return {name for way in ways if isinstance(way, YamlMapping) for name in way.values} - {"weight"}


def _texts(value: Value) -> Iterator[tuple[Scalar, str]]:
    match value:
        case YamlSequence(items=parts):
            yield from (one for part in parts for one in _texts(part))
        case YamlMapping(values=named):
            yield from (one for part in named.values() for one in _texts(part))
        case Scalar(value=str() as text):
            yield value, text


def ways(
    file: ExperimentFile | None, variants: Sequence[VariantText], steps: Sequence[StepField], report: Report
) -> list[list[StepField]]:
    """The steps once for each variant, with its values; as they are if there is no experiment."""
    if file is None:
        return [list(steps)]
    if not variants:
        return [_Putting({}, None, report).steps(steps)]
    names = frozenset(name for variant in variants for name in variant.values)
    return [_Putting(variant.values, names, report).steps(steps) for variant in variants]


class _Putting:
    """Puts one variant's values in the place of the names."""

    def __init__(self, values: Values, names: frozenset[str] | None, report: Report) -> None:
        """`names`: those that some variant has a value for; None: no variant could be read, so nothing is known of them."""
        self._values = values
        self._names = names
        self._report = report

    def steps(self, steps: Iterable[StepField]) -> list[StepField]:
        return [StepField(self._value(step.value)) for step in steps]

    def _value(self, value: Value) -> Value:
        match value:
            case YamlSequence(items=items):
                return msgspec.structs.replace(value, items=[self._value(item) for item in items])
            case YamlMapping(values=parts):
                return msgspec.structs.replace(value, values={name: self._value(part) for name, part in parts.items()})
            case Scalar(value=str() as text) if "$" in text:
                return self._text(value, text)
        return value

    def _text(self, scalar: Scalar, text: str) -> Value:
        found = list(NAMED.finditer(text))
        if not found:
            return scalar
        for match in found:
            if self._names is not None and match[1] not in self._names:
                hint = did_you_mean(nearest(match[1], self._names)) or _there_is(self._names)
                self._tell(scalar, match.start(), f"no variant has a value for `${match[1]}`{hint}")
        if any(match[1] not in self._values for match in found):
            return _blank(scalar)
        if len(found) == 1 and found[0].span() == (0, len(text)):
            return self._values[found[0][1]]
        for match in found:
            value = self._values[match[1]]
            if not isinstance(value, Scalar):
                self._tell(scalar, match.start(), f"`${match[1]}` is {kind_of(value)}, and stands only alone")
                return _blank(scalar)
        return self._substituted(scalar, text, found)

    def _substituted(self, scalar: Scalar, text: str, found: Sequence[re.Match[str]]) -> Substituted:
        new, last, moves = "", 0, []
        for match in found:
            value = self._values[match[1]]
            assert isinstance(value, Scalar)
            new += text[last : match.start()]
            told = _written(value)
            moves.append(Move(begin=len(new), length=len(told), was=match.start(), then=match.end()))
            new += told
            last = match.end()
        return Substituted(
            source=scalar.source,
            start=scalar.start,
            end=scalar.end,
            size=scalar.size,
            depth=scalar.depth,
            value=new + text[last:],
            original=text,
            moves=tuple(moves),
        )

    def _tell(self, scalar: Scalar, at: int, message: str) -> None:
        self._report.add(scalar.source.problem(scalar.place_within(at), message))


def _written(value: Scalar) -> str:
    """A value as it stands in a longer text: numbers, true and false as the author wrote them."""
    return value.value if isinstance(value.value, str) else value.source.text[value.start : value.end].strip()


def _blank(scalar: Scalar) -> Scalar:
    """Stands where nothing could be put in; the problem is in the report, and no other shall follow from it."""
    return msgspec.structs.replace(scalar, value="0s")


def _there_is(names: frozenset[str]) -> str:
    return f"; there is {one_of([f'${name}' for name in sorted(names)])}" if names else ""


def experiment(
    file: ExperimentFile | None, variants: Sequence[VariantText], read: Sequence[tuple[ast.AnyStep, ...]]
) -> ast.Experiment | None:
    """The variants with the steps that were read for each."""
    if file is None or not variants:
        return None
    made = (
        ast.Way(name=variant.name, weight=variant.weight, steps=steps)
        for variant, steps in zip(variants, read, strict=True)
    )
    return ast.Experiment(id=file.id.text, ways=tuple(made))
