"""YAML as the site's files mean it: the 1.2 core schema, where `no` is text and only `true` and `false` are booleans."""

from __future__ import annotations

import re
from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """PyYAML reads YAML 1.1; its resolvers are replaced (https://yaml.org/spec/1.2.2/#1032-tag-resolution)."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  # PyYAML's own declaration

    def compose_node(self, parent: Any, index: Any) -> Any:
        # Aliases let ten lines stand for a billion nodes.
        if self.check_event(yaml.events.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases (*name) are not used here", mark)
        return super().compose_node(parent, index)


def _resolve(tag: str, pattern: str, first: str) -> None:
    """`first`: the characters such a value may begin with; "" for the empty value."""
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(first) or [""])


_resolve("null", r"^(?:null|Null|NULL|~|)$", "nN~")
_resolve("null", r"^$", "")
_resolve("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF")
_resolve("int", r"^[-+]?[0-9]+$", "-+0123456789")
_resolve("float", r"^[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$", "-+.0123456789")
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(str(node.value)))


class YamlFault(Exception):
    """`line` (from 1, within the text) and what is wrong there."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line
        self.what = what


def load(text: str) -> Any:
    """The value of one document. Raises YamlFault."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  # a SafeLoader with other resolvers
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlFault(mark.line + 1 if mark else 1, error.problem or str(error)) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise YamlFault(1, str(error)) from error
