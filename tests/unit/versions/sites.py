"""Sites of one campaign, and an engine over them that knows their sources."""

from __future__ import annotations

from typing import Any

from cuebird.changes.proposal import compile_source, source_of
from engine.site_swap import SiteChange
from language.load import read_site
from language.syntax import ast
from tests.unit.engine.town import Town

FIRST = """\
why: Greet whoever signs up.
purpose: transactional
entry: {event: signed_up}
steps:
  - wait: {for: 1h}
  - send: {push: first}
"""

SECOND = FIRST.replace("first", "second").replace("whoever", "everybody who")


def read(files: dict[str, str]) -> ast.Site:
    return read_site({name: text.encode() for name, text in files.items()}).site


def site(text: str, status: str = "live", **files: str) -> ast.Site:
    """`hello` with the text, in that status; `files`: other campaigns by name."""
    campaigns = {"hello": f"status: {status}\n{text}", **files}
    return read({f"campaigns/{name}.yaml": told for name, told in campaigns.items()})


def town(of: ast.Site, **options: Any) -> Town:
    source = source_of(of)
    return Town(program=compile_source(source), source=source, compile_program=compile_source, **options)


async def swap(shop: Town, to: ast.Site) -> None:
    """The change, and the site as a restart finds it from now on."""
    source = source_of(to)
    shop.program, shop.options["source"] = compile_source(source), source
    await shop.engine.swap(shop.program, source, SiteChange(who="ann"))
