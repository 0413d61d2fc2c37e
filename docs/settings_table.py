"""Writes the table of settings into operating.md, from the structs themselves: names, defaults, docstrings.

.venv/bin/python docs/settings_table.py
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import msgspec

from cuebird.settings.config import Settings

PAGE = Path(__file__).parent / "operating.md"
_TABLE = re.compile(r"(<!-- settings: .*? -->\n).*?(<!-- end of settings -->)", re.DOTALL)


def with_table(page: str) -> str:
    """The page, its table made anew."""
    assert _TABLE.search(page), "the page has a place for the table"
    return _TABLE.sub(lambda found: found[1] + "\n".join(_lines()) + "\n" + found[2], page)


def _lines() -> Iterator[str]:
    settings = Settings()
    for section in settings.__struct_fields__:
        part = getattr(settings, section)
        if section == "keys":
            continue
        yield f"\n**[{section}]**\n\n| setting | default | |\n|---|---|---|"
        said = _docstrings(type(part))
        for field in part.__struct_fields__:
            yield f"| `{field}` | `{_written(getattr(part, field))}` | {said.get(field, '')} |"


def _docstrings(struct: type[msgspec.Struct]) -> dict[str, str]:
    """Field -> the text that stands below it in the source."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(struct))).body[0]
    assert isinstance(tree, ast.ClassDef)
    said = {}
    for field, text in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            value = ast.literal_eval(text.value)
            said[field.target.id] = " ".join(str(value).split()).replace("|", "\\|")
    return said


def _written(value: object) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value)


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
