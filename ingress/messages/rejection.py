"""Why a message was not taken: one exception inside, one row of an answer outside."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

UNPROVEN: Final = (
    "messages named a user without proof, so they count as an anonymous visitor's: that user gets no letters by them. Pass a "
    "proof that your back end signs (`cuebird keys new proof` makes its key)"
)
"""What is said once to who names users and proves none of them."""

Code = Literal[
    "invalid_json",
    "binary_not_supported",
    "type_error",
    "too_deep",
    "too_long",
    "too_large",
    "out_of_range",
    "bad_string",
    "no_event",
    "no_id",
    "no_previous_id",
    "unknown_type",
    "invalid_user_id",
    "invalid_timestamp",
    "too_old",
    "forbidden_historical",
    "reserved_event",
    "unproven",
]
"""Closed list. All are permanent: the same message will be refused again."""


class Rejected(Exception):
    """The message is at fault. `field` is its path in the message ("" if no single field is to blame)."""

    def __init__(self, code: Code, message: str, field: str = "") -> None:
        super().__init__(code, message, field)
        self.code: Code = code
        self.message = message
        self.field = field

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a batch that was not taken; `index` counts from 0."""

    index: int
    code: Code
    message: str
    field: str = ""


def rejection(index: int, error: Rejected) -> Rejection:
    return Rejection(index=index, code=error.code, message=error.message, field=error.field)
