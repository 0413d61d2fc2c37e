"""What must hold whatever the site and the history: promises to the people who get the messages."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given

from actors.actor import pack
from actors.model.event import Event
from actors.model.state import ENDED
from actors.model.turn import Decision, Send
from language.compiler.compile import compile_site
from language.syntax import ast
from replay.recording import Arrival, Player, Rank, people, rank
from replay.simulate import Simulator
from tests.reference.comparing import simulated, until
from tests.reference.history_strategies import EMAIL, histories
from tests.reference.kinds import EVERYTHING
from tests.reference.profiles import sampled
from tests.reference.site_strategies import sites
from tests.reference.telling import history_text, site_text

pytestmark = pytest.mark.slow

History = tuple[int, list[tuple[Event, int]]]

PEOPLE = EVERYTHING | {"late", "session"}
JOINED = PEOPLE | {"identity"}


def told(site: ast.Site, history: History) -> str:
    return f"\n{site_text(site)}\n\n{history_text(*history)}"


def test_no_cap_is_exceeded_in_any_window() -> None:
    @sampled(0.1)
    @given(site=sites(PEOPLE), history=histories(PEOPLE))
    def holds(site: ast.Site, history: History) -> None:
        sends = [send for send in simulated(site, *history).sends if send.purpose == "marketing"]
        moved = any(event.context or b"time_zone" in event.body for event, _ in history[1])
        for cap in site.policy.caps:
            if cap.seconds is None and moved:
                continue  # whose day it is changes on the way
            counted = [
                send for send in sends if cap.channel in (None, send.channel) and cap.topic in (None, send.topic)
            ]
            for last in counted:
                window = [send for send in counted if send.user == last.user and _in_one(cap, send, last, site)]
                assert len(window) <= cap.limit, told(site, history)

    holds()


def _in_one(cap: ast.Cap, send: Send, last: Send, site: ast.Site) -> bool:
    """Whether a send is in the window of the cap that ends with the last."""
    if cap.seconds is None:
        zone = ZoneInfo(site.policy.time_zone)
        days = [datetime.fromtimestamp(one.at / 1000, zone).date() for one in (send, last)]
        return days[0] == days[1]
    return last.at - round(cap.seconds * 1000) < send.at <= last.at


def test_nobody_gets_marketing_without_consent_or_mail_at_a_suppressed_address() -> None:
    @sampled(0.1)
    @given(site=sites(PEOPLE), history=histories(JOINED - {"duplicates"}))
    def holds(site: ast.Site, history: History) -> None:
        for send in simulated(site, *history).sends:
            heard = [event for event, at in history[1] if event.user == send.user and at <= send.at]
            if send.channel == "email":
                assert not any(map(_suppresses, heard)), told(site, history)
            words = [event for event in heard if _says_yes(event) or _says_no(event)]
            if send.purpose == "marketing" and words:
                assert _says_yes(words[-1]), told(site, history)
            if send.purpose == "marketing" and send.user != "~v" and site.policy.marketing_consent == "opt_in":
                assert words, told(site, history)

    holds()


def _suppresses(event: Event) -> bool:
    return event.name == "email_bounced" and bool(msgspec.json.decode(event.body)["permanent"])


def _says_yes(event: Event) -> bool:
    told = msgspec.json.decode(event.body)
    if event.name == "email_subscribed":
        return not told.get("topic")
    return event.kind == "identify" and (told.get("consent") or {}).get("marketing") is True


def _says_no(event: Event) -> bool:
    told = msgspec.json.decode(event.body)
    if event.name == "email_unsubscribed":
        return not told.get("topic")
    return event.kind == "identify" and (told.get("consent") or {}).get("marketing") is False


def test_no_two_messages_have_one_id_and_each_has_its_row() -> None:
    @sampled(0.1)
    @given(site=sites(PEOPLE), history=histories(JOINED))
    def holds(site: ast.Site, history: History) -> None:
        simulator = simulated(site, *history)
        assert max(Counter(send.id for send in simulator.sends).values(), default=1) == 1, told(site, history)
        rows = [row.message for row in simulator.decisions if row.decision == "sent"]
        assert rows == [send.id for send in simulator.sends]
        assert all(send.to == EMAIL for send in simulator.sends if send.channel == "email")

    holds()


def test_a_run_that_was_entered_ends_once_or_waits_for_something() -> None:
    @sampled(0.1)
    @given(site=sites(PEOPLE), history=histories(JOINED))
    def holds(site: ast.Site, history: History) -> None:
        simulator = simulated(site, *history)
        entered = [row.run for row in simulator.decisions if row.decision == "entered"]
        ended = Counter(row.run for row in simulator.decisions if row.decision in ("exited", "finished"))
        waiting = {run.id: run for actor in simulator.actors.values() for run in actor.runs if run.pc != ENDED}
        assert len(set(entered)) == len(entered), told(site, history)
        for run in entered:
            assert ended[run] + (run in waiting) == 1, told(site, history)
        last = _last_rows(simulator.decisions)
        for run_id in waiting:
            assert last[run_id].decision in ("waiting", "held", "goal"), told(site, history)

    holds()


def _last_rows(rows: list[Decision]) -> dict[str, Decision]:
    return {row.run: row for row in rows if row.run}


def test_nobody_has_two_active_runs_for_one_key() -> None:
    @sampled(0.1)
    @given(site=sites(PEOPLE), history=histories(JOINED))
    def holds(site: ast.Site, history: History) -> None:
        simulator = simulated(site, *history)
        rules = {campaign.id: campaign.entry.concurrency for campaign in site.campaigns}
        for actor in simulator.actors.values():
            active = [run for run in actor.runs if run.pc != ENDED and rules[run.campaign] != "parallel"]
            keys = [(run.campaign, run.key if rules[run.campaign] == "one_per_key" else "") for run in active]
            assert len(set(keys)) == len(keys), told(site, history)

    holds()


def test_putting_an_actor_away_between_two_inputs_changes_nothing() -> None:
    @sampled(0.15)
    @given(site=sites(PEOPLE), history=histories(JOINED))
    def holds(site: ast.Site, history: History) -> None:
        start, inputs = history
        program = compile_site(site)
        first, second = Simulator(program, start), Simulator(program, start, live_max=0)
        for simulator in (first, second):
            for event, at in inputs:
                simulator.take(event, at)
            simulator.run(until(start, inputs))
        assert msgspec.json.encode(first.decisions) == msgspec.json.encode(second.decisions), told(site, history)
        assert first.sends == second.sends
        assert packed(first) == packed(second)

    holds()


def packed(simulator: Simulator) -> dict[str, bytes]:
    return {name: pack(actor) for name, actor in simulator.actors.items()}


def test_the_same_history_gives_the_same_bytes() -> None:
    @sampled(0.05)
    @given(site=sites(PEOPLE), history=histories(JOINED))
    def holds(site: ast.Site, history: History) -> None:
        first, second = (
            msgspec.json.encode([simulator.decisions, simulator.sends])
            for simulator in (simulated(site, *history), simulated(site, *history))
        )
        assert first == second

    holds()


def test_people_played_one_by_one_decide_what_all_decide_together() -> None:
    @sampled(0.15)
    @given(site=sites(PEOPLE), history=histories(JOINED))
    def holds(site: ast.Site, history: History) -> None:
        start, inputs = history
        together = simulated(site, *history)
        player = Player(compile_site(site), until(start, inputs), verbose=True)
        rows: list[tuple[Rank, Decision]] = []
        met: list[str] = []
        for person in people(Arrival(at, number, event) for number, (event, at) in enumerate(inputs)):
            rows += [(rank(row, one), row) for one, decided in player.play(person) for row in decided]
            met += player.actors
        rows.sort(key=lambda one: one[0])
        assert [row for _, row in rows] == together.decisions, told(site, history)
        assert sorted(met) == sorted(together.actors)
        assert (player.refusals, player.untracked) == (together.refusals, together.untracked)

    holds()
