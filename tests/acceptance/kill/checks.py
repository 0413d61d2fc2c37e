"""What must hold however often the server was killed. Each check returns the faults it finds, in words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import msgspec

from actors.model.event import ANONYMOUS
from actors.model.turn import Decision
from delivery.email import message_id
from persistence.interface import Outboxed
from tests.acceptance.kill.evidence import Evidence
from tests.acceptance.kill.shoppers import KEYS

DOMAIN = "kill.example"
DOUBTED = "in doubt once; "
"""Begins the outbox's reply of a mail that was unknown and was sent again because the policy says so."""


def all_faults(evidence: Evidence) -> list[str]:
    return [f"{check.__name__}: {fault}" for check in CHECKS for fault in check(evidence)]


def every_acknowledged_event_is_in_the_journal_once(evidence: Evidence) -> Iterator[str]:
    times = Counter(entry.event.message_id for entry in evidence.journal)
    yield from (f"{told} is there {count} times" for told, count in times.items() if count > 1)
    yield from (f"{m['messageId']} is lost" for m in evidence.acked if m["messageId"] not in times)
    for before, after in pairwise(evidence.journal):
        if after.seq != before.seq + 1 or after.at < before.at:
            yield f"entry {after.seq} of {after.at} follows entry {before.seq} of {before.at}"


def every_acknowledged_entry_event_began_one_run(evidence: Evidence) -> Iterator[str]:
    began = Counter((row.campaign, _detail(row).get("key")) for row in evidence.ledger if row.decision == "entered")
    yield from (
        f"{campaign} began {count} times for {key}" for (campaign, key), count in began.items() if key and count > 1
    )
    for message in evidence.acked:
        if message.get("event") in KEYS:
            campaign, key = KEYS[message["event"]]
            if (campaign, message["properties"][key]) not in began:
                yield f"{campaign} did not begin for {message['properties'][key]}"


def every_run_does_each_thing_once_and_ends_once(evidence: Evidence) -> Iterator[str]:
    for run, rows in _runs(evidence.ledger).items():
        done = Counter((row.step, row.decision) for row in rows)
        yield from (
            f"run {run}: {step or decision!r} {decision} {n} times" for (step, decision), n in done.items() if n > 1
        )
        ends = [place for place, row in enumerate(rows) if row.decision in ("finished", "exited")]
        if rows[0].decision != "entered" or ends != [len(rows) - 1]:
            yield f"run {run} does not go from its entry to one end: {[row.decision for row in rows]}"
    keys = Counter((row.user, row.turn, row.index) for row in evidence.ledger)
    yield from (f"{count} rows have the key {key}" for key, count in keys.items() if count > 1)


def every_timer_fired_once_at_its_time(evidence: Evidence) -> Iterator[str]:
    """A wait has one continuation; if time brought it, its row bears the instant that was due, however late it fired."""
    for run, rows in _runs(evidence.ledger).items():
        for before, after in pairwise([*rows, None]):
            assert before is not None
            if before.decision != "waiting":
                continue
            due = _detail(before)["until"]
            assert isinstance(due, int)
            if after is None:
                yield f"run {run} still waits at {before.step!r}"
            elif after.decision == "matched" or after.reason == "exit_when":
                if after.at > due:
                    yield f"run {run}: {before.step!r} was due at {due}, and an event of {after.at} ended it"
            elif after.at != due and not ("idle" in before.step and after.at > due):
                yield f"run {run}: {before.step!r} was due at {due}, and fired at {after.at}"


def every_send_is_settled(evidence: Evidence) -> Iterator[str]:
    decided = {row.message for row in evidence.ledger if row.decision == "sent"}
    held = {row.send.id: row for row in evidence.outbox}
    yield from (f"{send} was decided and is not in the outbox" for send in decided - held.keys())
    yield from (f"{send} is in the outbox and was never decided" for send in held.keys() - decided)
    for row in evidence.outbox:
        if row.state not in ("sent", "unknown"):
            yield f"{row.send.id} ({row.send.campaign}) is {row.state}: {row.reply}"
    yield from (
        f"{row.user}: {row.step} of {row.campaign} was skipped: {row.reason}"
        for row in evidence.ledger
        # A visitor whom the server's absence kept from saying who it is cannot be written to.
        if row.decision == "skipped"
        and not (row.reason in ("no_consent", "no_address") and row.user.startswith(ANONYMOUS))
    )


def no_message_arrived_twice_unless_resent_from_doubt(evidence: Evidence) -> Iterator[str]:
    arrived = Counter(letter.message_id for letter in evidence.letters)
    expected = {message_id(row.send.id, DOMAIN): row for row in evidence.outbox}
    yield from (f"{told} arrived, and the outbox does not know it" for told in arrived.keys() - expected.keys())
    for told, row in expected.items():
        least, most = _arrivals(row)
        if not least <= arrived[told] <= most:
            yield f"{row.send.id} ({row.send.campaign}, {row.state}: {row.reply}) arrived {arrived[told]} times"
    by_content = defaultdict(set)
    for letter in evidence.letters:
        by_content[letter.to, letter.subject].add(letter.message_id)
    yield from (f"{content} came in {len(ids)} messages" for content, ids in by_content.items() if len(ids) > 1)


def _arrivals(row: Outboxed) -> tuple[int, int]:
    """(at least, at most)"""
    resent = row.reply.startswith(DOUBTED) and row.send.purpose == "transactional"
    if row.state == "sent":
        return 1, 1 + resent
    return 0, (1 + resent if row.state == "unknown" else 0)


def _runs(ledger: Sequence[Decision]) -> dict[str, list[Decision]]:
    runs: dict[str, list[Decision]] = {}
    for row in ledger:
        if row.run:
            runs.setdefault(row.run, []).append(row)
    return runs


def _detail(row: Decision) -> dict[str, object]:
    return msgspec.json.decode(row.detail, type=dict[str, object])


CHECKS: tuple[Callable[[Evidence], Iterator[str]], ...] = (
    every_acknowledged_event_is_in_the_journal_once,
    every_acknowledged_entry_event_began_one_run,
    every_run_does_each_thing_once_and_ends_once,
    every_timer_fired_once_at_its_time,
    every_send_is_settled,
    no_message_arrived_twice_unless_resent_from_doubt,
)
