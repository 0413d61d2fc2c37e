"""Ids as clients write them: of users, of visitors, of messages. As text, printable, and no longer than is kept."""

from __future__ import annotations

import re
from typing import Final

from actors.model.event import ANONYMOUS
from ingress.messages.rejection import Rejected
from ingress.messages.wire import Id

ID_CHARACTERS_MAX: Final = 256
"""A longer one is rejected: `too_long`."""

CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""What no id and no name of an event may hold."""


def identifier(value: Id, field: str) -> str:
    """An id as text, "" if there is none. Raises Rejected."""
    if value.__class__ is str and len(value) <= ID_CHARACTERS_MAX and value.isprintable():
        return value
    if not isinstance(value, str):
        if value is None:
            return ""
        value = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    if len(value) > ID_CHARACTERS_MAX:
        raise Rejected("too_long", f"{field} has {len(value)} characters, at most {ID_CHARACTERS_MAX} are taken", field)
    if not value.isprintable() and CONTROL.search(value):
        raise Rejected("bad_string", f"{field} holds control characters", field)
    return value


def user_identifier(value: Id) -> str:
    """The same, of a user, who is no visitor. Raises Rejected."""
    user = identifier(value, "userId")
    if user.startswith(ANONYMOUS):
        raise Rejected("invalid_user_id", f"a userId may not begin with {ANONYMOUS}", "userId")
    return user
