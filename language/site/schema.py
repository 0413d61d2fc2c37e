"""JSON Schemas of the files an author writes, so that editors complete and check them. Made from the same structs that
read the files, so that they cannot say anything else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from language.site import shapes
from language.site.scenarios import ScenarioFile

KINDS: Final[Mapping[str, type[msgspec.Struct]]] = {
    "campaign": shapes.CampaignFile,
    "policy": shapes.PolicyFile,
    "profile": shapes.ProfileFile,
    "scenario": ScenarioFile,
}

_NEEDED: Final[Mapping[str, tuple[type[msgspec.Struct], ...]]] = {
    "campaign": (shapes.StepFile,),
    "profile": (shapes.CollectionFile,),
}
"""Structs that are read by hand, and so are not seen from the file's own."""


def schema(kind: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a file. `kind`: a key of KINDS."""
    (top,), definitions = msgspec.json.schema_components(
        [KINDS[kind]], schema_hook=_leaf, ref_template="#/$defs/{name}"
    )
    for needed in _NEEDED.get(kind, ()):
        definitions |= msgspec.json.schema_components([needed], schema_hook=_leaf, ref_template="#/$defs/{name}")[1]
    for definition in definitions.values():
        if definition.get("type") == "object" and "properties" in definition:
            definition["additionalProperties"] = False
    if kind == "scenario":
        top = {"anyOf": [top, {"type": "array", "items": top}]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Cuebird {kind}",
        **top,
        "$defs": dict(sorted(definitions.items())),
    }


def _leaf(kind: type) -> dict[str, Any]:
    found: dict[str, Any] = kind.schema  # type: ignore[attr-defined]  # every field type that reads itself has one
    return found
