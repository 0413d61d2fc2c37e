"""Answers over HTTP: JSON with `code` and `message` on every error, and the CORS headers that browsers' SDKs need."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from engine.submit import Receipt, RefusalCode
from ingress.connections.acks import Counted, refusal
from ingress.http.customer_pages import CustomerPages
from ingress.messages.rejection import UNPROVEN, Rejection
from ingress.principals.keys import KeyRing

_encode = msgspec.json.Encoder().encode

REFUSALS: Final[Mapping[RefusalCode, int]] = {
    "overloaded": 429,
    "too_many_for_user": 429,
    "too_many_for_key": 429,
    "too_many_for_address": 429,
    "storage_full": 503,
    "draining": 503,
    "user_quarantined": 429,
}
"""Why nothing was taken -> HTTP status."""

HINTS: Final[Mapping[RefusalCode, str]] = {
    "too_many_for_address": " (back ends are not limited if they show a server key; a proxy has to forward the address)"
}
"""What would mend it."""

RETRY_SECONDS_MAX: Final = 300
"""SDKs cap what they obey."""


def json_answer(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(_encode(content), status, headers, media_type="application/json")


def error_answer(status: int, code: str, message: str, *, retry_ms: int | None = None, **more: Any) -> Response:
    headers = {}
    if retry_ms is not None:
        # A bare 429 or 503 costs a second request at once.
        headers["Retry-After"] = str(min(RETRY_SECONDS_MAX, max(1, -(-retry_ms // 1000))))
    return json_answer({"success": False, "code": code, "message": message} | more, status, headers)


def accepted(counted: Counted, rejected: Sequence[Rejection], unproven: int, **more: str) -> Response:
    """`too_old`, `quarantined` and `unproven` are only said if there are any: most senders will never meet one."""
    counts = {"accepted": counted.taken, "duplicates": counted.duplicates}
    rare = {"too_old": counted.too_old, "quarantined": counted.quarantined, "unproven": unproven}
    counts |= {name: count for name, count in rare.items() if count}
    warnings = {"warnings": [UNPROVEN]} if unproven else {}
    return json_answer({"success": True, **counts, "rejected": rejected, **warnings, **more})


def refused(receipt: Receipt, retry_ms: int) -> Response:
    assert receipt.refused is not None
    status = REFUSALS[receipt.refused]
    text = f"{refusal(receipt.refused)}; send the same again later{HINTS.get(receipt.refused, '')}"
    return error_answer(status, receipt.refused, text, retry_ms=receipt.retry_ms or retry_ms)


def cors(origin: str | None, keys: KeyRing) -> dict[str, str]:
    """Headers for a page of that origin; none if no key may be used from there."""
    if origin is None:
        return {}
    if not keys.allows(origin):
        return {"Vary": "Origin"}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Headers": "authorization, content-type, x-write-key, x-cuebird-proof, x-cuebird-visitor, anonymousid, sentat, x-retry-count",
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
        "Access-Control-Max-Age": "7200",
        "Access-Control-Expose-Headers": "retry-after",
        "Vary": "Origin",
    }


EVENTS_GO_TO: Final = " (events go to POST /v1/events)"

_CODES: Final = {404: "not_found", 405: "method_not_allowed"}


def http_exceptions(pages: CustomerPages) -> Callable[[Request, Exception], Awaitable[Response]]:
    """Make the handler of Starlette's refusals (no such route, wrong method): JSON in our words, or a page for a browser
    that somebody looks at."""

    async def on_http_exception(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        answer = _page(pages, request, error) if _is_looked_at(request) else _plain(request, error)
        for name, value in (error.headers or {}).items():
            answer.headers[name] = value
        answer.headers.add_vary_header("Accept")
        return answer

    return on_http_exception


def _plain(request: Request, error: HTTPException) -> Response:
    code = _CODES.get(error.status_code, "http_error")
    hint = EVENTS_GO_TO if error.status_code == 404 and request.method == "POST" else ""
    return error_answer(error.status_code, code, f"{request.method} {_path(request)}: {error.detail}{hint}")


def _page(pages: CustomerPages, request: Request, error: HTTPException) -> Response:
    template = "not_found.html" if error.status_code == 404 else "refused.html"
    return pages.page(template, status=error.status_code, path=_path(request), detail=error.detail)


def _path(request: Request) -> str:
    return request.url.path[:200]


def _is_looked_at(request: Request) -> bool:
    """Browsers ask for a page by this name; scripts and SDKs take anything."""
    return "text/html" in request.headers.get("accept", "")


async def on_failure(request: Request, error: Exception) -> Response:
    """A fault of ours: the trace goes to the log, not to the client."""
    return error_answer(500, "internal", "something went wrong here; it is logged", retry_ms=5_000)
