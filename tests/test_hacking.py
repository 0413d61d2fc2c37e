"""HACKING.md and ARCHITECTURE.md are true: the places are there, and no place of the examples is left out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import get_args

import pytest

from actors.model.turn import Channel
from language.compiler.expressions import FUNCTIONS as COMPILED
from language.site.shapes import StepFile
from language.syntax.vocabulary import CALLABLE, FUNCTIONS
from tests.test_layers import MAY_IMPORT, ROOT, modules_of, nodes_of

HACKING = (ROOT / "HACKING.md").read_text()
BULLETS = [line for line in HACKING.splitlines() if line.startswith("- ")]

TALKS = {"cuebird/demo/shoppers.py"}
"""Speaks the protocol of pages, where a push is a frame and no channel."""


def section(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", HACKING, re.DOTALL | re.MULTILINE)
    assert found is not None, title
    return found[1]


def files_in(text: str) -> set[str]:
    return set(re.findall(r"[\w.-]+(?:/[\w.-]+)+\.(?:py|md)", text))


@pytest.mark.parametrize("page", ["HACKING.md", "ARCHITECTURE.md"])
def test_every_file_that_is_named_is_there(page: str) -> None:
    text = (ROOT / page).read_text()
    assert [name for name in sorted(files_in(text)) if not (ROOT / name).is_file()] == []
    known = {path.name for folder in (*MAY_IMPORT, "cuebird") for path in modules_of(folder)}
    alone = set(re.findall(r"(?<![\w/.-])\w+\.py\b", text)) - {"hatch_build.py"}
    assert alone - known == set()


@pytest.mark.parametrize("bullet", BULLETS, ids=lambda bullet: str(bullet)[3:50])
def test_what_is_named_beside_a_file_stands_in_it(bullet: str) -> None:
    """Up to the next file of the line."""
    parts = re.split(r"`([\w/.-]+\.(?:py|md))`", bullet)
    for file, said in zip(parts[1::2], parts[2::2], strict=True):
        for name in re.findall(r"`([A-Za-z_]\w*)`", said):
            assert name == "None" or re.search(rf"\b{name}\b", (ROOT / file).read_text()), f"{file} has no {name}"


def test_the_functions_are_those_that_there_are() -> None:
    there_are = section("A function of expressions").partition(" One over values")[0]
    assert set(re.findall(r"`(\w+)`", there_are)) == CALLABLE


def test_every_function_over_values_is_compiled_and_known_to_the_reference() -> None:
    by_the_user = {"hour", "weekday"}
    assert set(FUNCTIONS) == {*COMPILED, *by_the_user}
    known = set(words_of(ROOT / "tests" / "reference" / "expressions.py"))
    assert set(FUNCTIONS) - known == set()


def test_every_step_and_channel_is_taught_by_a_page() -> None:
    taught = (ROOT / "docs" / "campaigns.md").read_text()
    for word in (*StepFile.__struct_fields__, *get_args(Channel)):
        assert re.search(rf"\b{word}:", taught), word


@pytest.mark.parametrize(
    ("title", "example", "folders"),
    [
        ("A function of expressions", "weekday", ("language", "replay", "tests/reference")),
        ("A function of expressions", "coalesce", ("actors", "language", "replay", "tests/reference")),
        ("A step", "Emit", ("actors", "language", "replay", "tests/reference")),
        ("A step", "SetTraits", ("actors", "language", "replay", "tests/reference")),
        ("A step", "WaitIdle", ("actors", "language", "replay", "tests/reference")),
        ("A channel", "push", ("actors", "language", "replay", "delivery", "analytics", "cuebird", "tests/reference")),
        ("A way in", "event_routes", ("ingress", "cuebird")),
        ("A way in", "EventStreamEndpoint", ("ingress", "cuebird")),
    ],
)
def test_no_place_of_an_example_is_left_out(title: str, example: str, folders: tuple[str, ...]) -> None:
    """What the code says of the example, it says in the files of the list: else whoever follows the list forgets one."""
    places = {
        str(path.relative_to(ROOT))
        for folder in folders
        for path in modules_of(folder)
        if not path.name.startswith("test_") and example in words_of(path)
    }
    assert places, example
    assert places - files_in(section(title)) - TALKS == set()


@cache
def words_of(path: Path) -> frozenset[str]:
    """Names of classes and functions that a file imports or defines, and its texts of one word."""
    return frozenset(_words(path))


def _words(path: Path) -> Iterator[str]:
    for node in nodes_of(path):
        match node:
            case ast.Constant(value=str(text)):
                yield text
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.alias(name=name):
                yield name
            case ast.Attribute(attr=name, value=ast.Name(id="ast" | "compiled")):
                yield name
            case _:
                pass
