"""How large one message may be: what a user sends once is kept in memory, in the journal and in letters."""

from __future__ import annotations

from ingress.bounds.limits import IngressLimits
from ingress.messages import scan
from ingress.messages.rejection import Rejected


class Sizes:
    """The limits of one message, and what is past them."""

    __slots__ = ("limits", "plain_bytes_max")

    def __init__(self, limits: IngressLimits) -> None:
        self.limits = limits
        # A property is at least `"":0,`.
        self.plain_bytes_max = min(limits.message_bytes_max, limits.value_bytes_max, 5 * limits.properties_max)
        """A message of no more bytes is past no limit: it need not be looked into."""

    def look_into(self, body: bytes, context: bytes, holder: str) -> None:
        """Refuse a message that is past a limit. `holder`: what `body` is of it, properties or traits. Raises Rejected."""
        self.weigh(len(body) + len(context), holder)
        most = self.limits.properties_max
        for data, field in ((body, holder), (context, "context")):
            held = scan.decode(data or b"{}", field)
            assert isinstance(held, dict), f"{field} was seen to begin with a brace"
            if len(held) > most:
                said = f"{len(held):,} {field}, at most {most:,} are taken: send those that are used"
                raise Rejected("too_large", said, field)
            scan.walk(held, field, 2, self.limits.value_bytes_max)

    def weigh(self, size: int, holder: str) -> None:
        """Refuse what has more bytes than a message may have. Raises Rejected."""
        most = self.limits.message_bytes_max
        if size > most:
            what = f"{holder} and context have" if holder else "the message has"
            said = f"{what} {size:,} bytes, at most {most:,} are taken: send less, or where it can be found"
            raise Rejected("too_large", said, holder)

    def share(self, context: bytes, messages: int) -> None:
        """Refuse a context that makes more of a body than a body may be: each message is kept with it. Raises Rejected."""
        size, most = len(context) * messages, self.limits.inflated_bytes_max
        if size > most:
            said = f"it counts for each of {messages:,} messages, {size:,} bytes, at most {most:,} are taken"
            raise Rejected("too_large", f"context: {said}; send smaller batches", "context")
