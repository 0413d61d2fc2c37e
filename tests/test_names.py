"""A name is one thing's: no public class name stands twice, and no folder holds more than can be looked over."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from pathlib import Path

from tests.test_layers import MAY_IMPORT, modules_of, nodes_of

ROOT = Path(__file__).parent.parent

TWINS = {
    "Bag",
    "Campaign",
    "Cap",
    "Goal",
    "LastOf",
    "Policy",
    "QuietHours",
    "Score",
    "SetTraits",
    "Split",
    "SumOf",
    "Tally",
    "WaitAt",
    "WaitFor",
    "WaitIdle",
    "WaitUntil",
    "WaitWhen",
}
"""What an author writes (`language/syntax/ast.py`) and what it is compiled to (`actors/model/`)."""

MODULES_MAX = 20

CROWDED = {"engine": 27, "persistence": 23, "replay/explain": 23}
"""Folders with more; these numbers may fall, not rise."""

FOLDERS = (*MAY_IMPORT, "cuebird")


def test_no_public_class_name_is_defined_twice_but_what_is_written_and_what_it_becomes() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for folder in FOLDERS:
        for path in modules_of(folder):
            for node in nodes_of(path):
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and node.col_offset == 0:
                    places[node.name].append(str(path.relative_to(ROOT)))
    twice = {name: found for name, found in places.items() if len(found) > 1}
    assert {name: found for name, found in twice.items() if name not in TWINS} == {}
    for name in TWINS:
        written, compiled = sorted(twice[name], reverse=True)
        assert written == "language/syntax/ast.py", name
        assert compiled.startswith("actors/model/"), name


def test_a_folder_can_be_looked_over() -> None:
    counted = Counter(str(path.parent.relative_to(ROOT)) for folder in FOLDERS for path in modules_of(folder))
    crowded = {folder: number for folder, number in counted.items() if number > MODULES_MAX}
    assert not {folder: number for folder, number in crowded.items() if number > CROWDED.get(folder, MODULES_MAX)}
