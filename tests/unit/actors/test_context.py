"""What is seen of a message's context: what the site names, from whom it is known to come, within bounds."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from actors.actor import new_actor, pack, take
from actors.model.event import Event, Source
from actors.model.state import Actor
from language.check.weigh import actor_bytes_max
from language.compiler.compile import compile_site
from language.load import read_site

AT = 1_767_607_200_000


def program(campaign: str, **templates: str) -> Any:
    files = {"campaigns/c.yaml": campaign} | {f"templates/{name}.push.yaml": text for name, text in templates.items()}
    return compile_site(read_site({name: text.encode() for name, text in files.items()}).site)


def event(
    context: dict[str, Any], *, name: str = "a", number: int = 1, source: Source = "server", **body: Any
) -> Event:
    return Event(
        user="ann",
        name=name,
        message_id=f"m{number}",
        body=msgspec.json.encode(body),
        context=msgspec.json.encode(context),
        source=source,
    )


def sends(site: Any, *events: Event) -> list[dict[str, Any]]:
    """What the templates of the messages were given."""
    actor, found = new_actor("ann"), []
    for number, one in enumerate(events):
        turn = take(actor, one, AT + number, site)
        found += [msgspec.json.decode(send.context) for send in turn.sends]
    return found


LOCALE = (
    "why: x\nentry: {event: b}\npurpose: transactional\nsteps: [{send: {push: p, data: {locale: user.context.locale}}}]"
)


@pytest.mark.parametrize(("source", "known"), [("server", "de"), ("client", "de"), ("visitor", None), ("bare", None)])
def test_who_does_not_prove_that_he_is_the_user_does_not_tell_the_users_context(
    source: Source, known: str | None
) -> None:
    site = program(LOCALE)
    (sent,) = sends(site, event({"locale": "de"}, source=source), event({}, name="b", number=2))
    assert sent["data"]["locale"] == known


def test_a_letter_can_say_what_stands_in_for_a_part_that_nobody_told() -> None:
    title = 'title: \'{{ user.context.campaign.source | default("nowhere") }} {{ entry.context.page.path | default("/") }}\''
    site = program("why: x\nentry: {event: b}\npurpose: transactional\nsteps: [{send: {push: p}}]", p=title)
    first, second = sends(
        site,
        event({}, name="b"),
        event({"campaign": {"source": "news"}, "page": {"path": "/x", "url": "u"}}, name="b", number=2),
    )
    assert (first["user"]["context"], first["entry"]["context"]) == ({"campaign": {}}, {"page": {}})
    assert second["user"]["context"] == {"campaign": {"source": "news"}}
    assert second["entry"]["context"] == {"page": {"path": "/x"}}


def test_of_a_context_only_what_the_site_names_is_kept() -> None:
    site = program('why: x\nentry: {event: b, if: event.context.page.path = "/x"}\nsteps: [{wait: {for: 1d}}]')
    actor = new_actor("ann")
    secret = {"page": {"path": "/x", "title": "secret"}, "ip": "203.0.113.7", "userAgent": "secret"}
    take(actor, event(secret, name="b"), AT, site)
    (run,) = actor.runs
    assert msgspec.json.decode(run.entry) == {"context": {"page": {"path": "/x"}}}
    assert b"secret" not in pack(actor)
    assert b"203" not in pack(actor)


def test_an_event_that_nobody_asks_the_context_of_keeps_its_properties_as_they_came() -> None:
    site = program("why: x\nentry: {event: b}\nsteps: [{wait: {for: 1d}}]")
    actor = new_actor("ann")
    take(actor, event({"page": {"path": "/x"}}, name="b", price=3), AT, site)
    assert actor.runs[0].entry == b'{"price":3}'


def test_a_property_called_context_is_seen_where_the_message_has_no_such_part() -> None:
    site = program('why: x\nentry: {event: b, if: event.context.page.path = "/x"}\nsteps: [{wait: {for: 1d}}]')
    actor = new_actor("ann")
    own = msgspec.json.encode({"context": {"page": {"path": "/x"}}})
    take(actor, msgspec.structs.replace(event({"locale": "de"}, name="b"), body=own), AT, site)
    assert len(actor.runs) == 1


def test_no_context_makes_a_user_larger_than_check_says() -> None:
    parts = ["locale", "page.url", "page.title", "campaign", "device.model", "a.b.c.d"]
    asked = " and ".join(f"user.context.{part} = 1" for part in parts)
    site = program(f"why: x\nentry: {{event: b, if: '{asked}'}}\nsteps: [{{exit: x}}]")
    most = actor_bytes_max(site)["events"]
    actor = new_actor("ann")
    for number, long in enumerate(
        ("x" * 60_000, ["y" * 50] * 1_000, {"z" * 40: "z" * 900}, {str(n): n for n in range(5_000)})
    ):
        told = {"locale": long, "page": {"url": long, "title": long}, "campaign": long, "device": {"model": long}}
        take(actor, event({**told, "a": {"b": {"c": {"d": long}}}}, number=number), AT + number, site)
        assert len(msgspec.msgpack.encode(actor.memory)) <= most
    assert len(site.context_parts) == len(parts)


def test_a_run_of_an_older_version_still_sees_what_it_asks() -> None:
    older = program('why: x\nentry: {event: a}\nsteps: [{wait: {when: user.context.locale = "de"}}, {send: {push: p}}]')
    newer = program('why: y\nentry: {event: a, if: event.context.page.path = "/"}\nsteps: [{send: {push: p}}]')
    both = newer.with_versions(older)
    actor: Actor = new_actor("ann")
    take(actor, event({}), AT, older)
    turn = take(actor, event({"locale": "de"}, name="other", number=2), AT + 1, both)
    assert "matched" in [row.decision for row in turn.decisions]
    assert both.contexts == {"a": (("page", "path"),)}


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        ("true", False),
        ("event.context.page.path = 1", False),
        ("event.context.ip = 1", True),
        ("user.context.ip = 1", True),
    ],
)
def test_an_address_is_kept_only_by_a_site_that_asks_for_it(condition: str, kept: bool) -> None:
    assert program(f"why: x\nentry: {{event: b, if: '{condition}'}}\nsteps: [{{exit: x}}]").keeps_ip is kept
