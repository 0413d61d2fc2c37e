"""The JSON Schemas of the files, and that the tables of names agree with who uses them."""

from __future__ import annotations

import json

import pytest

from language.compiler import expressions, names
from language.site import shapes
from language.site.later import LATER_KEYS
from language.site.read_profile import DEFAULT_COLLECTIONS
from language.site.schema import KINDS, schema
from language.syntax import vocabulary


def references(node: object) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*map(references, node.values()))
    return set().union(*map(references, node)) if isinstance(node, list) else set()


@pytest.mark.parametrize("kind", KINDS)
def test_every_reference_of_a_schema_leads_somewhere(kind: str) -> None:
    found = schema(kind)
    assert json.loads(json.dumps(found)) == found
    assert references(found) <= {f"#/$defs/{name}" for name in found["$defs"]}


def test_an_unknown_key_is_an_error_in_the_editor_too() -> None:
    campaign = schema("campaign")["$defs"]["CampaignFile"]
    assert campaign["additionalProperties"] is False
    assert sorted(campaign["required"]) == ["entry", "steps", "why"]
    assert {"if", "re_entry"} <= schema("campaign")["$defs"]["EntryFile"]["properties"].keys()
    assert {"wait", "send", "branch", "split", "set", "emit", "exit"} == schema("campaign")["$defs"]["StepFile"][
        "properties"
    ].keys()


def test_what_comes_later_is_no_key_of_today() -> None:
    for name, keys in LATER_KEYS.items():
        assert not keys.keys() & set(getattr(shapes, name).__struct_encode_fields__), name


def test_parser_and_compiler_know_the_same_words() -> None:
    assert names.WORDS.keys() == vocabulary.WORDS
    assert names.NAMESPACES == vocabulary.NAMESPACES
    assert set(vocabulary.SESSION_PARTS) == names.SESSION.keys()
    assert set(vocabulary.RUN_PARTS) == names.RUN.keys()
    assert vocabulary.FUNCTIONS.keys() == expressions.FUNCTIONS.keys() | {"hour", "weekday"}
    assert set(vocabulary.COLLECTIONS) == DEFAULT_COLLECTIONS.keys()
