"""A letter that lacks what it prints is not sent, and the ledger says so: live, simulated and explained alike."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from actors.model.event import Event
from language.compiler.compile import compile_site
from language.load import read_site
from replay.explain.recall import known_site
from replay.simulate import Simulator
from tests.unit.explain.story import START, Story, event

CAMPAIGN = """\
why: Says hello.
purpose: transactional
entry: {event: asked}
steps: [{send: {email: hello, data: {note: event.note}}}]
"""
SUBJECT = "---\nsubject: Hello\n---\n"


def site(template: str) -> dict[str, bytes]:
    return {"campaigns/it.yaml": CAMPAIGN.encode(), "templates/hello.html": template.encode()}


def decided(template: str, traits: dict[str, Any], **properties: Any) -> tuple[str, str | None]:
    """(decision, reason) of the letter."""
    simulator = Simulator(compile_site(read_site(site(template)).site), START)
    known = msgspec.json.encode({"email": "ann@example.test", **traits})
    simulator.take(Event(user="ann", kind="identify", message_id="m1", body=known), START)
    simulator.take(Event(user="ann", name="asked", message_id="m2", body=msgspec.json.encode(properties)), START)
    (row,) = [row for row in simulator.decisions if row.template == "hello"]
    return row.decision, row.reason


@pytest.mark.parametrize(
    ("text", "traits", "sent"),
    [
        ("<p>{{ user.first_name }}</p>", {}, False),
        ("<p>{{ user.first_name }}</p>", {"first_name": None}, False),
        ("<p>{{ user.first_name }}</p>", {"first_name": "Ann"}, True),
        ("<p>{{ user.id }}</p>", {}, True),
        ("<p>{{ entry.size }}</p>", {}, False),
        ("<p>{{ data.note }}</p>", {}, False),
        ('<p>{{ user.first_name | default("you") }}</p>', {}, True),
        ("{% if user.first_name %}{{ user.first_name }}{% endif %}", {}, True),
        ("{% for user in recent_views %}{{ user.first_name }}{% endfor %}", {}, True),
        ("{% set user = {'first_name': 'you'} %}{{ user.first_name }}", {}, True),
    ],
)
def test_what_a_template_prints_with_no_default_is_known_or_it_is_not_sent(
    text: str, traits: dict[str, Any], sent: bool
) -> None:
    assert decided(SUBJECT + text, traits) == (("sent", None) if sent else ("skipped", "render_error"))


def test_the_row_names_what_is_not_known() -> None:
    simulator = Simulator(compile_site(read_site(site(SUBJECT + "{{ user.first_name }} {{ entry.size }}")).site), START)
    known = msgspec.json.encode({"email": "ann@example.test"})
    simulator.take(Event(user="ann", kind="identify", message_id="m1", body=known), START)
    simulator.take(Event(user="ann", name="asked", message_id="m2"), START)
    (row,) = [row for row in simulator.decisions if row.decision == "skipped"]
    assert msgspec.json.decode(row.detail) == {"missing": ["entry.size", "user.first_name"]}


def test_a_subject_prints_too() -> None:
    template = "---\nsubject: Hello {{ user.first_name }}\n---\nhi"
    assert decided(template, {}) == ("skipped", "render_error")
    assert decided(template, {"first_name": "Ann"}) == ("sent", None)


def test_explain_names_what_is_not_known() -> None:
    known = known_site(read_site(site(SUBJECT + "{{ user.first_name }} {{ entry.size }}")).site)
    view = Story(known, event("0s", "identify", email="ann@example.test"), event("1m", "asked")).at("2m")
    (send,) = view.sends
    (bad,) = [check for check in send.checks if check.state != "true"]
    assert (bad.text, bad.state) == ("template", "false")
    assert bad.saw == "the template prints entry.size and user.first_name with no default, and that is not known"
