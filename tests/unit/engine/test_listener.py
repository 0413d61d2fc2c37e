"""Who listens to the engine is told what is on disk, in its order, before anybody who waits for it."""

from __future__ import annotations

import pytest

from actors.model.turn import Send
from engine.listener import EngineListener
from engine.submit import Receipt
from persistence.interface import Commit
from tests.unit.engine.town import Town, event

pytestmark = pytest.mark.anyio


class Notes(EngineListener):
    def __init__(self) -> None:
        self.told: list[str] = []

    def on_commit(self, commit: Commit) -> None:
        self.told += [f"commit {entry.event.user}" for entry in commit.entries]

    def on_sends(self, sends: list[Send]) -> None:
        self.told += [f"send {send.user}" for send in sends]

    def on_receipt(self, receipt: Receipt) -> None:
        self.told.append(f"receipt {receipt.accepted}")


async def test_figures_have_a_commit_before_its_sender_has_his_word_and_letters_go_out_last() -> None:
    async with Town() as town:
        notes = town.engine.listener = Notes()
        town.engine.submit([event("ann", "signed_up"), event("bob")], notes.on_receipt)
        await town.engine.written()
        assert notes.told == ["commit ann", "commit bob", "receipt 2", "send ann"]


async def test_nobody_is_told_of_a_commit_for_which_there_was_no_room() -> None:
    async with Town() as town:
        notes = town.engine.listener = Notes()
        town.disk.is_full = True
        assert (await town.take(event("ann", "signed_up"))).refused == "storage_full"
        assert notes.told == []
        town.disk.is_full = False
        await town.engine._committer.room()
        assert (await town.take(event("ann", "signed_up"))).accepted == 1
        assert notes.told == ["commit ann", "send ann"]


async def test_who_listens_from_now_on_is_not_told_of_what_was_before() -> None:
    async with Town() as town:
        await town.take(event("ann", "signed_up"))
        notes = town.engine.listener = Notes()
        await town.take(event("bob"))
        assert (notes.told, [send.user for send in town.sent]) == (["commit bob"], ["ann"])
