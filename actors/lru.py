"""A map in two generations: nearly least-recently-used, at no cost for what is used again at once.

A hit in `young` is one plain dictionary look-up and moves nothing. What is not used while `young` fills up again is in
`old` and leaves first. (An OrderedDict would pay for its order at every single event.)
"""

from __future__ import annotations

from typing import Generic, TypeVar

V = TypeVar("V")


class Lru(Generic[V]):
    """`young` may be read directly; it is another dictionary after `expel` has run."""

    __slots__ = ("old", "young")

    def __init__(self) -> None:
        self.young: dict[str, V] = {}
        self.old: dict[str, V] = {}

    def __len__(self) -> int:
        return len(self.young) + len(self.old)

    def get(self, key: str) -> V | None:
        """And it is young again."""
        found = self.young.get(key)
        if found is None and self.old:
            found = self.old.pop(key, None)
            if found is not None:
                self.young[key] = found
        return found

    def peek(self, key: str) -> V | None:
        """Without a word about its use."""
        found = self.young.get(key)
        return self.old.get(key) if found is None else found

    def put(self, key: str, value: V) -> None:
        self.young[key] = value

    def pop(self, key: str) -> V | None:
        found = self.young.pop(key, None)
        return self.old.pop(key, None) if found is None else found

    def evict(self) -> tuple[str, V] | None:
        """One of those not used for longest, no longer in the map; None if it is empty."""
        if not self.old:
            if not self.young:
                return None
            self.old, self.young = self.young, {}
        return self.old.popitem()

    def clear(self) -> None:
        self.young, self.old = {}, {}
