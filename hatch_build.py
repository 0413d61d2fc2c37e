"""Builds the wheel: the rooms of the repository lie under one roof, `cuebird.engine` for `engine`, so that no neighbour loses his.

Where each room goes stands in pyproject.toml (`sources` of the wheel). Here its imports follow it: `from engine.intake import
Intake` becomes `from cuebird.engine.intake import Intake`, on the same line, so that a trace names the lines of the repository.
An editable install needs none of it: there the rooms are where they are.
"""

from __future__ import annotations

import ast
import io
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOF = "cuebird"


class CannotMove(Exception):
    """A line of code would not find what it names once its room lies under the roof."""

    def __init__(self, file: str, line: int, said: str, instead: str) -> None:
        super().__init__(file, line, said, instead)
        self.file, self.line, self.said, self.instead = file, line, said, instead

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: `{self.said}` cannot be moved under {ROOF}: write `{self.instead}`"


class RoofHook(BuildHookInterface[BuilderConfig]):
    """Gives hatchling the moved text of each file that names a room, in place of the repository's."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        self._moved = tempfile.TemporaryDirectory(prefix="cuebird-wheel-")
        for number, file in enumerate(list(self.build_config.builder.recurse_included_files())):
            if not file.path.endswith(".py"):
                continue
            text = Path(file.path).read_text(encoding="utf-8")
            moved = under_roof(text, file.relative_path, rooms(self.build_config.sources))
            if moved != text:
                place = Path(self._moved.name, f"{number}.py")
                place.write_text(moved, encoding="utf-8")
                build_data["force_include"][str(place)] = file.distribution_path

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if version != "editable":
            self._moved.cleanup()


def rooms(sources: Collection[str]) -> frozenset[str]:
    """Return the names of the folders that move: `engine/` is `engine`."""
    return frozenset(source.rstrip("/") for source in sources)


def under_roof(text: str, file: str, moving: Collection[str]) -> str:
    """Return the Python text with its imports of the rooms in `moving` naming them under the roof, line by line as it was.
    `file` is for messages. CannotMove for `import engine.intake`, whose users would have to change too."""
    lines = io.StringIO(text).readlines()  # as the parser counts them: other breaks may stand in strings
    for line, column in sorted(_rooms_named(text, file, moving), reverse=True):
        before = lines[line - 1].encode()
        lines[line - 1] = (before[:column] + f"{ROOF}.".encode() + before[column:]).decode()
    return "".join(lines)


def _rooms_named(text: str, file: str, moving: Collection[str]) -> Iterator[tuple[int, int]]:
    """Yield where the name of a room begins in an import: (line from 1, column in bytes)."""
    for node in ast.walk(ast.parse(text, file)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if _room_of(alias.name) in moving:
                    if alias.asname is None:
                        raise CannotMove(file, alias.lineno, f"import {alias.name}", _from(alias.name))
                    yield alias.lineno, alias.col_offset
        elif isinstance(node, ast.ImportFrom) and not node.level and _room_of(node.module or "") in moving:
            yield node.lineno, node.col_offset + len("from ")


def _room_of(module: str) -> str:
    return module.partition(".")[0]


def _from(module: str) -> str:
    within, _, name = module.rpartition(".")
    return f"from {within} import {name}" if within else f"import {module} as …"
