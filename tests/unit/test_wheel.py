"""What the build of the wheel does to the code: imports follow their rooms under one roof, line by line."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

from hatch_build import ROOF, CannotMove, rooms, under_roof
from tests.test_layers import MAY_IMPORT, modules_of, nodes_of

ROOT = Path(__file__).parents[2]
WHEEL = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
MOVING = rooms(WHEEL["sources"])


@pytest.mark.parametrize(
    ("written", "installed"),
    [
        ("from engine.intake import Intake\n", "from cuebird.engine.intake import Intake\n"),
        ("from engine import intake\n", "from cuebird.engine import intake\n"),
        ("import engine.intake as intake\n", "import cuebird.engine.intake as intake\n"),
        ("import os, engine.intake as i, json\n", "import os, cuebird.engine.intake as i, json\n"),
        ("def f():\n    from actors import alarms\n", "def f():\n    from cuebird.actors import alarms\n"),
        (
            "if a: from actors import x; from engine import y\n",
            "if a: from cuebird.actors import x; from cuebird.engine import y\n",
        ),
        ('"…\u2028"; from actors import x\n', '"…\u2028"; from cuebird.actors import x\n'),
        (
            "from engine.intake import (\n    A,\n    B,\n)\nx = 1\n",
            "from cuebird.engine.intake import (\n    A,\n    B,\n)\nx = 1\n",
        ),
    ],
)
def test_what_names_a_room_names_it_under_the_roof(written: str, installed: str) -> None:
    assert under_roof(written, "a.py", MOVING) == installed


@pytest.mark.parametrize(
    "written",
    [
        "from cuebird.engine_room import x\n",
        "from engines import x\n",
        "from .engine import x\n",
        "from . import engine\n",
        "import os.path\n",
        "x = 'from engine import intake'  # import engine.intake\n",
        "engine = 1\nengine.intake\n",
        "def f():\n    yield from engine\n",
        "raise E from engine\n",
    ],
)
def test_what_names_no_room_stays_as_it_is(written: str) -> None:
    assert under_roof(written, "a.py", MOVING) == written


def test_who_imports_a_room_by_its_whole_name_reads_what_to_write_instead() -> None:
    with pytest.raises(CannotMove, match=r"^a\.py:2: `import engine\.intake` .*: write `from engine import intake`$"):
        under_roof("x = 1\nimport engine.intake\n", "a.py", MOVING)
    with pytest.raises(CannotMove, match=r"write `import engine as …`$"):
        under_roof("import engine\n", "a.py", MOVING)


def test_every_room_moves_and_none_comes_to_lie_on_another() -> None:
    assert {*MAY_IMPORT, "templates", "sdk"} == MOVING
    assert WHEEL["sources"] == {room: f"{ROOF}/{room}" for room in MOVING}
    assert set(WHEEL["packages"]) == {*MOVING, ROOF}
    assert not [room for room in MOVING if (ROOT / ROOF / room).exists() or (ROOT / ROOF / f"{room}.py").exists()]


@pytest.mark.parametrize("folder", [*MAY_IMPORT, ROOF])
def test_the_code_keeps_its_lines_and_names_no_room_but_under_the_roof(folder: str) -> None:
    left_behind = re.compile(rf"^\s*(from|import) ({'|'.join(sorted(MOVING))})\b", re.MULTILINE)
    for path in modules_of(folder):
        text = path.read_text()
        moved = under_roof(text, str(path), MOVING)
        assert moved.count("\n") == text.count("\n"), path
        assert not left_behind.search(moved), path


def test_no_module_is_named_in_a_string_for_strings_do_not_move() -> None:
    module = re.compile(rf"({'|'.join(sorted(MAY_IMPORT))})(\.[a-z_]\w*)+")
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno} names {node.value}"
        for folder in (*MAY_IMPORT, ROOF)
        for path in modules_of(folder)
        for node in nodes_of(path)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and module.fullmatch(node.value)
        and (place := ROOT.joinpath(*node.value.split(".")[:2]))
        and (place.is_dir() or place.with_suffix(".py").exists())
    ]
    assert wrong == []
