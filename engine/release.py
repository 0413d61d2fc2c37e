"""An operator's word on who is in quarantine: taken in again, or dropped (`cuebird quarantine`)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from actors.anew import BEGUN_ANEW
from actors.model.event import Event
from engine.committer import Committer, TryAgain
from engine.intake import Intake
from engine.loading import Loading
from engine.quarantine import Quarantine
from engine.residence import Residence
from engine.restoring import Restoring
from engine.submit import Receipt
from persistence.interface import Quarantined, Store, StoreError

TRIES_MAX: Final = 20
"""While the engine is too busy, or the user said too much at once."""


class Released(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one user."""

    user: str
    taken: int = 0
    """Events that are in the journal now, or were before."""
    dropped: int = 0
    """Events that are nowhere any more."""
    left: int = 0
    """Events that are still in quarantine."""
    held: str = ""
    """Why the user is held still, "" if it is not."""
    begun_anew: bool = False


class Release:
    """All raise StorageFull."""

    def __init__(
        self,
        store: Store,
        quarantine: Quarantine,
        residence: Residence,
        loading: Loading,
        committer: Committer,
        intake: Intake,
        restoring: Restoring,
    ) -> None:
        self._store = store
        self._quarantine = quarantine
        self._residence = residence
        self._loading = loading
        self._committer = committer
        self._intake = intake
        self._restoring = restoring

    async def retry(self, user: str) -> Released:
        """Make the actor from the disk if it is held, and let it take what is in quarantine, in the order in which it came and
        before anything newer. What fails again stays there."""
        await self._written()
        events = await self._store.quarantined(user)
        if user in self._residence.held:
            told = await self._taken_in(user, events)
        else:
            told = self._tell(events)
        try:
            taken = await self._heard(events, told)
            await self._committer.gathered()
        except TryAgain:
            taken = 0  # the database refused the actor, and it is held again
            await self._committer.room()
        held = self._residence.held.get(user)
        left = len(self._quarantine.ids(user))
        return Released(user=user, taken=taken, left=left, held=held.reason if held else "")

    async def drop(self, user: str, *, anew: bool = False) -> Released:
        """Forget the user's events in quarantine; `anew`: and all that is known of the user, who is held no more then."""
        await self._written()
        is_begun = anew and user in self._residence.held and await self._begin_anew(user)
        dropped = self._quarantine.ids(user)
        self._quarantine.dismiss(user, dropped)
        await self._committer.gathered()
        held = self._residence.held.get(user)
        return Released(user=user, dropped=len(dropped), held=held.reason if held else "", begun_anew=is_begun)

    async def _written(self) -> None:
        """All that was put into quarantine is on the disk, where it is read."""
        try:
            await self._committer.gathered()
        except TryAgain:
            await self._committer.room()
            await self._written()

    async def _taken_in(self, user: str, events: Sequence[Quarantined]) -> list[asyncio.Future[Receipt]]:
        self._loading.quarantine_users([user])  # what comes now waits
        held = self._quarantine.take_out(user)
        try:
            await self._restoring.rebuild({user}, held.position)
            # Nothing is awaited from here until it is let in: its snapshot goes with the word that it is free, and what is
            # in quarantine comes before what waits.
            self._write(user)
            return self._tell(events)
        except StoreError as error:
            self._committer.fail(error)
            raise
        finally:
            self._loading.readmit([user])

    def _write(self, user: str) -> None:
        """Free, and with a snapshot; or held again."""
        actor = self._residence.peek(user)
        if actor is not None:
            try:
                self._residence.snapshots.write(actor, self._committer.gathering.commit)
            except Exception as error:  # whatever is in the actor: it is this user's
                self._residence.hold(user, f"it cannot be written: {error}")
                return
        if user not in self._residence.held:
            self._quarantine.free(user)

    def _tell(self, events: Sequence[Quarantined]) -> list[asyncio.Future[Receipt]]:
        """Each by itself, so that it is known which fail; up to the first that the engine is too busy for."""
        told: list[asyncio.Future[Receipt]] = []
        for one in events:
            receipt: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
            self._intake.submit([one.event], receipt.set_result)
            if receipt.done() and receipt.result().refused is not None:
                break
            told.append(receipt)
        return told

    async def _heard(self, events: Sequence[Quarantined], told: list[asyncio.Future[Receipt]]) -> int:
        """Those that were taken leave the quarantine, once they are in the journal on the disk. Returns how many."""
        taken = 0
        for _ in range(TRIES_MAX):
            receipts = await asyncio.gather(*told)
            heard, events = events[: len(told)], events[len(told) :]
            good = [
                one.event.message_id
                for one, receipt in zip(heard, receipts, strict=True)
                if receipt.refused is None and not receipt.quarantined and not receipt.too_old
            ]
            if heard:
                self._quarantine.dismiss(heard[0].user, good)
            taken += len(good)
            if not events:
                break
            await asyncio.sleep(self._committer.retry_ms / 1000)
            told = self._tell(events)
        return taken

    async def _begin_anew(self, user: str) -> bool:
        rows = await self._store.ledger(user=user, limit=1)
        body = msgspec.json.encode({"turn": rows[0].turn if rows else 0})
        held = self._quarantine.take_out(user)
        actor = self._residence.arrive(user, None)
        assert actor is not None, f"{user!r} was taken out"
        # Its snapshot is in the commit of its entry, as with a join: what is on the disk could not be made again.
        commit, before = self._committer.gathering.commit, actor.position
        event = Event(user=user, name=BEGUN_ANEW, message_id=f"{BEGUN_ANEW}\x1f{held.at}", body=body, source="engine")
        self._intake.submit([event], _nothing_to_say)
        if actor.position == before:
            self._residence.hold(user, held.reason)
            return False
        self._residence.snapshots.write(actor, commit)
        self._quarantine.free(user)
        return True


def _nothing_to_say(receipt: Receipt) -> None:
    """Its commit is waited for."""
