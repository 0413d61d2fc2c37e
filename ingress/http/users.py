"""What is known of one user, for a back end or an operator (interfaces.md §3).

GET /v1/users/{id}                              state, runs with their next timers, recent decisions
GET /v1/users/{id}/explain?campaign=&at=        why did it, or did it not?
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ingress.http.answers import error_answer, json_answer
from ingress.http.credentials import server_only
from ingress.messages.identifiers import ID_CHARACTERS_MAX
from ingress.messages.instants import milliseconds
from ingress.messages.rejection import Rejected
from ingress.principals.keys import KeyRing

_NO_STORE: Final = {"Cache-Control": "no-store"}

Found = dict[str, Any] | None
"""Plain values, as they go out; None: nothing was ever heard of the user."""


class Unanswerable(Exception):
    """The question makes no sense here: there is no such campaign, or the time has not come yet. The text says what
    could be asked."""


class UserQuestions(msgspec.Struct, frozen=True):
    """Who answers. Times are milliseconds since the epoch."""

    profile: Callable[[str], Awaitable[Found]]
    explain: Callable[[str, str | None, int | None], Awaitable[Found]]
    """(user, campaign or None for all, moment or None for now). Raises Unanswerable."""


def user_routes(questions: UserQuestions, keys: KeyRing, now_ms: Callable[[], int]) -> list[BaseRoute]:
    """For the holder of a server key; in development mode for everybody."""

    def denied(request: Request) -> Response | None:
        return server_only(request, keys, now_ms(), "read users")

    async def profile(request: Request) -> Response:
        user = request.path_params["user"]
        return denied(request) or _answer(user, await questions.profile(user) if _possible(user) else None)

    async def explain(request: Request) -> Response:
        refused = denied(request)
        if refused is not None:
            return refused
        user, query = request.path_params["user"], request.query_params
        try:
            at = milliseconds(query["at"], "at") if query.get("at") else None
            found = await questions.explain(user, query.get("campaign") or None, at) if _possible(user) else None
        except Rejected as error:
            return error_answer(400, error.code, error.message)
        except Unanswerable as error:
            return error_answer(404, "not_found", str(error))
        return _answer(user, found)

    # The longer path first: a user's id may hold slashes.
    return [
        Route("/v1/users/{user:path}/explain", explain, methods=["GET"]),
        Route("/v1/users/{user:path}", profile, methods=["GET"]),
    ]


def _possible(user: str) -> bool:
    return 0 < len(user) <= ID_CHARACTERS_MAX and user.isprintable()


def _answer(user: str, found: Found) -> Response:
    if found is None:
        return error_answer(404, "unknown_user", f"nothing was ever heard of {user[:ID_CHARACTERS_MAX]!r}")
    return json_answer(found, headers=_NO_STORE)
