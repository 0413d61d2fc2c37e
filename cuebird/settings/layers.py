"""Settings from several layers into frozen structs, with every problem told at once and where it stands.

Each layer is a mapping of path ("smtp.host") to a value and its origin ("cuebird.toml:3"). A later layer wins.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec

S = TypeVar("S", bound=msgspec.Struct)

PREFIX = "CUEBIRD_"


class ConfigError(Exception):
    """The settings cannot be used. `problems` has one line for each, with its place and the way out."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class Setting(msgspec.Struct, frozen=True):
    value: object
    origin: str
    """File and line, name of the environment variable, or flag."""
    is_text: bool = False
    """Text that may stand for a number or a truth value, as in the environment."""


Layer = dict[str, Setting]


# --- layers -------------------------------------------------------------------------------------------------------


def file_layer(path: Path, shown_as: str) -> Layer:
    """The settings of a TOML file; none if it is not there. Raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{shown_as}: cannot be read: {error}"]) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{shown_as}: {error}"]) from error
    lines = _lines(text)
    return {key: Setting(value, f"{shown_as}:{_line_of(key, lines)}") for key, value in _flat(document, "")}


def environment_layer(environment: Mapping[str, str], shape: type[msgspec.Struct]) -> Layer:
    """`CUEBIRD_SMTP__HOST` is smtp.host; `CUEBIRD_SMTP__PASSWORD_FILE` names the file that holds smtp.password.

    Only names with two underscores are settings. Raises ConfigError if such a file cannot be read.
    """
    known = set(paths(shape))
    layer: Layer = {}
    problems = []
    for name, text in sorted(environment.items()):
        if not name.startswith(PREFIX) or "__" not in name:
            continue
        key = name[len(PREFIX) :].lower().replace("__", ".")
        if key not in known and key.endswith("_file") and key.removesuffix("_file") in known:
            try:
                layer[key.removesuffix("_file")] = Setting(Path(text).read_text("utf-8").strip(), name, is_text=True)
            except (OSError, UnicodeDecodeError) as error:
                problems.append(f"{name}: cannot read the file it names: {error}")
        else:
            layer[key] = Setting(text, name, is_text=True)
    if problems:
        raise ConfigError(problems)
    return layer


def flag_layer(flags: Mapping[str, object]) -> Layer:
    """Settings from the command line; None stands for a flag that was not given."""
    return {
        key: Setting(value, f"--{key.rpartition('.')[2].replace('_', '-')}")
        for key, value in flags.items()
        if value is not None
    }


def _flat(table: Mapping[str, Any], above: str) -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        key = f"{above}{name}"
        if isinstance(value, dict):
            yield from _flat(value, f"{key}.")
        else:
            yield key, value


_HEADER = re.compile(r"\s*\[\[?\s*([\w.\-\s\"']+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"\s*([\w.\-\"']+)\s*=")


def _lines(text: str) -> dict[str, int]:
    """path -> line, as far as a scan of the text can tell: the parser does not say."""
    lines: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _plain(header[1])
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            lines.setdefault(f"{table}.{_plain(key[1])}".lstrip("."), number)
    return lines


def _plain(key: str) -> str:
    return re.sub(r"[\s\"']", "", key)


def _line_of(key: str, lines: Mapping[str, int]) -> int:
    while key not in lines and "." in key:
        key = key.rpartition(".")[0]
    return lines.get(key, 1)


# --- into structs -------------------------------------------------------------------------------------------------


def paths(shape: type[msgspec.Struct], above: str = "") -> list[str]:
    """Every setting of the shape."""
    found = []
    for field in msgspec.structs.fields(shape):
        if _is_section(field.type):
            found += paths(field.type, f"{above}{field.name}.")
        else:
            found.append(above + field.name)
    return found


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def build(shape: type[S], layers: Sequence[Layer]) -> S:
    """The shape filled from the layers, later ones winning. Raises ConfigError with all problems."""
    merged: Layer = {}
    for layer in layers:
        merged.update(layer)
    problems: list[str] = []
    known = paths(shape)
    for key, setting in merged.items():
        if key not in known:
            problems.append(f"{setting.origin}: {_unknown(key, known)}")
    filled = _fill(shape, "", merged, problems)
    if problems:
        raise ConfigError(problems)
    assert isinstance(filled, shape)
    return filled


def _unknown(key: str, known: Sequence[str]) -> str:
    if any(one.startswith(key + ".") for one in known):
        return f"`{key}` is a section: write [{key}] and its settings below"
    section = key.rpartition(".")[0]
    near = get_close_matches(key, known, 1, 0.6)
    inside = [one for one in known if one.rpartition(".")[0] == section]
    hint = f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(inside or _sections(known))}"
    return f"there is no setting `{key}`; {hint}"


def _sections(known: Sequence[str]) -> list[str]:
    return sorted({f"[{one.partition('.')[0]}]" for one in known})


def _fill(shape: type[msgspec.Struct], above: str, merged: Layer, problems: list[str]) -> msgspec.Struct | None:
    values: dict[str, Any] = {}
    good = True
    for field in msgspec.structs.fields(shape):
        key = above + field.name
        if _is_section(field.type):
            values[field.name] = _fill(field.type, f"{key}.", merged, problems)
            good = good and values[field.name] is not None
        elif key in merged:
            before = len(problems)
            values[field.name] = _value(merged[key], field.type, key, problems)
            good = good and len(problems) == before
    if not good:
        return None
    try:
        return shape(**values)
    except (ValueError, TypeError) as error:
        problems.append(f"[{above.rstrip('.')}]: {error}")
        return None


def _value(setting: Setting, kind: Any, key: str, problems: list[str]) -> object:
    value = setting.value
    if setting.is_text and get_origin(kind) is tuple and isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    inner = get_args(kind)[0] if get_origin(kind) is tuple else None
    if inner is not None and _is_section(inner) and isinstance(value, list):
        return _structs(value, inner, key, setting, problems)
    try:
        return msgspec.convert(value, kind, strict=not setting.is_text)
    except msgspec.ValidationError as error:
        problems.append(f"{setting.origin}: `{key}`{_why_not(error, kind, value)}")
        return None


def _why_not(error: msgspec.ValidationError, kind: Any, value: object) -> str:
    if get_origin(kind) is Literal:
        choices = [str(choice) for choice in get_args(kind)]
        meant = _MEANT.get(str(value).lower())
        near = [meant] if meant in choices else get_close_matches(str(value), choices, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f" is {', '.join(map(repr, choices[:-1]))} or {choices[-1]!r}, not {value!r}{hint}"
    text = str(error).partition(" - at")[0]
    return f": {text[0].lower()}{text[1:]}"


_MEANT = {"ssl": "tls", "smtps": "tls", "true": "starttls", "false": "none", "off": "none", "plain": "none"}
"""What relays are told elsewhere -> what it is called here."""


def _structs(
    rows: Sequence[object], kind: type[msgspec.Struct], key: str, setting: Setting, problems: list[str]
) -> tuple[object, ...]:
    """The rows of a `[[table]]`."""
    known = [field.name for field in msgspec.structs.fields(kind)]
    made = []
    for number, row in enumerate(rows, 1):
        place = f"{setting.origin}: `{key}` number {number}"
        if isinstance(row, dict):
            for name in row.keys() - set(known):
                near = get_close_matches(name, known, 1, 0.5)
                hint = f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(known)}"
                problems.append(f"{place}: there is no `{name}`; {hint}")
        try:
            made.append(msgspec.convert(row, kind))
        except msgspec.ValidationError as error:
            problems.append(f"{place}: {error}")
    return tuple(made)
