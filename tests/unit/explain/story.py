"""A user's story in virtual time: a site from a few lines, events at offsets, and its explanation at any moment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from actors.model.event import Event, Kind
from actors.model.turn import Decision
from language.load import read_site
from language.syntax.durations import duration_ms
from persistence.interface import JournalEntry
from replay.explain.explain import explained
from replay.explain.model import CampaignView, ExplainedMove, Explanation, Part, Witness
from replay.explain.recall import KnownPrograms, Period, Recalled, known_site
from replay.explain.witness import event_of
from replay.simulate import Simulator

START = 1_767_607_200_000
"""Monday, 2026-01-05 10:00 UTC."""


def site_of(campaign: str, *, profile: str = "", policy: str = "") -> KnownPrograms:
    """A site with one campaign `it`, and what else is given."""
    files = {"campaigns/it.yaml": f"why: a test\n{campaign}", "profile.yaml": profile, "policy.yaml": policy}
    return known_site(read_site({name: text.encode() for name, text in files.items() if text}).site)


def after(offset: str) -> int:
    span = duration_ms(offset)
    assert span is not None, offset
    return START + span


def event(offset: str, name: str, user: str = "ann", **properties: Any) -> JournalEntry:
    """`identify` is one, from a server."""
    kind: Kind = "identify" if name == "identify" else "track"
    at = after(offset)
    body = msgspec.json.encode(properties)
    told = Event(user=user, kind=kind, name=name if kind == "track" else "", occurred=at, body=body)
    return JournalEntry(0, at, told)


class Story:
    def __init__(self, known: KnownPrograms, *entries: JournalEntry) -> None:
        self.known = known
        self.entries = [
            JournalEntry(seq, entry.at, msgspec.structs.replace(entry.event, message_id=f"m{seq}"))
            for seq, entry in enumerate(sorted(entries, key=lambda entry: entry.at), start=1)
        ]

    def recalled(self) -> Recalled:
        return Recalled(
            user="ann", entries=self.entries, joined=frozenset(), epochs=[Period(0, 0, self.known)], rows=[]
        )

    def explained(self, offset: str) -> Explanation:
        return explained(self.recalled(), after(offset))

    def at(self, offset: str) -> CampaignView:
        (view,) = self.explained(offset).campaigns
        return view

    def simulated(self, moves: tuple[ExplainedMove, ...], start: str, until: int) -> list[Decision]:
        """What the simulator decides after `start`, if these moves come: the whole story played from its beginning."""
        simulator = Simulator(self.known.program, start=START)
        for entry in self.entries:
            if entry.at <= after(start):
                simulator.take(entry.event, entry.at)
        simulator.run(after(start))
        before = len(simulator.decisions)
        for number, move in enumerate(moves):
            simulator.take(event_of(move, number, "ann"), move.at)
        simulator.run(until)
        return simulator.decisions[before:]

    def confirms(self, witness: Witness, start: str) -> bool:
        """Whether the simulator decides what the witness says, at its time and not before."""
        wanted = "entered" if witness.outcome == "enters" else "sent"
        rows = self.simulated(witness.moves, start, witness.at)
        return [row.at for row in rows if row.decision == wanted and row.campaign == "it"][:1] == [witness.at]


def every(*parts: Part) -> Iterator[Part]:
    """The parts and all below them."""
    for part in parts:
        yield part
        yield from every(*part.parts)


def part_of(parts: tuple[Part, ...], text: str) -> Part:
    """The one whose text is, or ends with, `text`."""
    found = [part for part in every(*parts) if part.text == text or part.text.endswith(f": {text}")]
    assert found, f"{text!r} is not among {[part.text for part in every(*parts)]}"
    return found[0]


def condition(text: str, *entries: JournalEntry, at: str = "1h", profile: str = "", policy: str = "") -> Part:
    """The `if` of a campaign, explained."""
    known = site_of(
        f"entry: {{event: asked, if: '{text}'}}\nsteps: [{{send: {{email: hello}}}}]", profile=profile, policy=policy
    )
    view = Story(known, *entries).at(at)
    (part,) = [part for part in view.rules if part.text.startswith("if: ")]
    return part
