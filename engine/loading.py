"""Cold actors come in: many in one query, and their inputs wait in order meanwhile.

A mailbox exists only while its actor is not there. Loads batch themselves as commits do: while one query runs, the names
that are asked for gather; then they go together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from actors.model.event import ANONYMOUS
from engine.committer import Committer
from engine.residence import Residence
from persistence.interface import Snapshot, Store, StoreError

Then = Callable[[], None]


class Loading:
    def __init__(self, store: Store, residence: Residence, committer: Committer) -> None:
        self._store = store
        self._residence = residence
        self._committer = committer
        self.mailboxes: dict[str, list[Then]] = {}
        """What waits for each name, in order. Whoever is in here is to be asked for, not found."""
        self._wanted: list[str] = []
        self._quarantined: set[str] = set()
        self._wake = asyncio.Event()
        self.loads = 0

    def ask(self, name: str, then: Then) -> None:
        """`then` is called when the actor is in memory, or the name is known to be another's, after all asked before."""
        mailbox = self.mailboxes.get(name)
        if mailbox is not None:
            mailbox.append(then)
            return
        self.mailboxes[name] = [then]
        self._wanted.append(name)
        self._wake.set()

    def park(self, user: str, until: str, then: Then) -> None:
        """The live actor `user` waits for the name `until`; `then` comes first when it is back."""
        self._residence.park(user)
        self.mailboxes[user] = [then]
        self.ask(until, lambda: self.release([user]))

    def release(self, users: Iterable[str]) -> None:
        """They are where they belong: what waited has its turn. Those kept out wait on."""
        for user in users:
            if user not in self._quarantined:
                self._residence.give_back(user)
                for then in self.mailboxes.pop(user, ()):
                    then()

    def quarantine_users(self, users: Iterable[str]) -> None:
        """Their state in memory is not to be trusted: it is forgotten, and nobody finds them until they are let in."""
        for user in users:
            self._quarantined.add(user)
            self.mailboxes.setdefault(user, [])
            self._residence.drop(user)

    def is_quarantined(self, user: str) -> bool:
        return user in self._quarantined

    def readmit(self, users: Iterable[str]) -> None:
        self._quarantined.difference_update(users)
        self.release(users)

    async def bring(self, users: Iterable[str]) -> None:
        """Returns when all of them are in memory, or known to be another's."""
        waiters = []
        for user in users:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.ask(user, lambda waiter=waiter: waiter.done() or waiter.set_result(None))  # type: ignore[misc]
            waiters.append(waiter)
        for waiter in waiters:
            await waiter

    async def run(self) -> None:
        """Loads what is wanted, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            wanted, self._wanted = self._wanted, []
            try:
                moved, found = await read(self._store, wanted)
            except StoreError as error:
                self._committer.fail(error)
                raise
            self.loads += 1
            for name, user in moved.items():
                self._residence.learn_name(name, user)
            for name in wanted:
                if name not in moved and name not in self._quarantined and not self._residence.holds(name):
                    self._residence.arrive(name, found.get(name))
            self.release(wanted)


async def read(store: Store, names: list[str]) -> tuple[dict[str, str], dict[str, Snapshot]]:
    """(anonymous name -> the user it belongs to, name -> snapshot), one query each and only where there is need."""
    anonymous = [name for name in names if name.startswith(ANONYMOUS)]
    moved = await store.resolve(anonymous) if anonymous else {}
    users = [name for name in names if name not in moved]
    return moved, await store.load(users) if users else {}
