"""What the shoppers of one client do: seeded, endless, every message with an id of its own."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

from tests.acceptance.kill.teller import Message

KEYS = {"order_completed": ("receipt", "order_id"), "product_added": ("cart", "cart_id"), "checkout_started": ("payment", "order_id")}  # fmt: skip
"""Entry event of tests/sites/kill -> (campaign, the property that is the key of its run); each message has a key of its own."""

USERS = 40
SPREE = 500
"""What one user does in one frame: as much as a frame may hold."""

CHANCES = {"page_viewed": 300, "product_viewed": 4, "product_added": 4, "cart_cleared": 1, "checkout_started": 3, "payment_info_entered": 2, "order_completed": 4, "visitor": 2}  # fmt: skip
"""What a shopper does next, by weight: few things that begin runs, so that their mails do not pile up."""


class Shoppers:
    """`count` messages at most; the first ones say who the users are."""

    def __init__(self, name: str, seed: str, count: int = 10**9) -> None:
        self._name = name
        self._rng = random.Random(seed)
        self._left = count
        self._number = 0
        self._coming = deque(self._known(f"{name}-u{n}") for n in range(USERS))
        self._carts: list[Message] = []
        self._orders: list[Message] = []

    def __call__(self) -> Message | None:
        if not self._left:
            return None
        self._left -= 1
        message = self._coming.popleft() if self._coming else self._next()
        self._number += 1
        return {"messageId": f"{self._name}-{self._number}", **message}

    def spree(self) -> list[Message]:
        """Somebody says who that is, orders, and looks at everything there is."""
        self._number += 1
        name = f"{self._name}-spree-{self._number}"
        user = {"userId": name}
        first = [self._known(name), _track(user, "order_completed", order_id=f"order-{name}")]
        rest = [_track(user, "page_viewed", path=f"/{number}") for number in range(SPREE - len(first))]
        return [{"messageId": f"{name}-{number}", **message} for number, message in enumerate([*first, *rest])]

    def _next(self) -> Message:
        rng, name = self._rng, f"{self._name}-{self._number}"
        user = {"userId": f"{self._name}-u{rng.randrange(USERS)}"}
        does = rng.choices(list(CHANCES), list(CHANCES.values()))[0]
        if does == "product_added":
            self._carts.append(_track(user, does, cart_id=f"cart-{name}"))
            return self._carts[-1]
        if does == "cart_cleared" and self._carts:
            return self._about(self._carts.pop(), does, "cart_id")
        if does == "checkout_started":
            self._orders.append(_track(user, does, order_id=f"checkout-{name}"))
            return self._orders[-1]
        if does == "payment_info_entered" and self._orders:
            return self._about(self._orders.pop(), does, "order_id")
        if does == "order_completed":
            return _track(user, does, order_id=f"order-{name}")
        if does == "visitor":
            return self._visitor(name)
        return _track(user, "page_viewed" if does != "product_viewed" else does, path=f"/{name}")

    def _visitor(self, name: str) -> Message:
        """Somebody nobody knows fills a cart and then says who it is: what is known of the device moves to that user."""
        device = {"anonymousId": f"device-{name}"}
        known = self._known(f"{name}-visitor")
        self._coming += [_track(device, "product_added", cart_id=f"cart-{name}"), {**known, **device}]
        return _track(device, "page_viewed", path="/")

    def _known(self, user: str) -> Message:
        traits = {"email": f"{user}@kill.example", "consent": {"marketing": True}}
        return {"type": "identify", "userId": user, "traits": traits}

    def _about(self, earlier: Message, event: str, key: str) -> Message:
        return _track({"userId": earlier["userId"]}, event, **{key: earlier["properties"][key]})


def _track(who: Message, event: str, **properties: Any) -> Message:
    return {"type": "track", "event": event, "properties": properties, **who}
