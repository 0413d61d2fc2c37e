"""What is relied on of uvicorn beyond its documentation. Whoever raises its bound in pyproject.toml reads here what to look
at; what holds is then held by tests/acceptance/test_door.py and test_ingress_http.py."""

from __future__ import annotations

import inspect
import tomllib
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from ingress.connections.protocols import HttpProtocol
from tests.acceptance.ingress_site import running

OVERRIDDEN = {
    "connection_made": ["self", "transport"],
    "connection_lost": ["self", "exc"],
    "data_received": ["self", "data"],
    "on_message_begin": ["self"],
    "on_headers_complete": ["self"],
    "on_body": ["self", "body"],
    "on_message_complete": ["self"],
    "on_response_complete": ["self"],
    "pause_writing": ["self"],
    "resume_writing": ["self"],
}
"""Methods of the HTTP protocol that ours replaces or goes before, and their parameters."""

CALLED = {"_unset_keepalive_if_required": ["self"], "shutdown": ["self"], "timeout_keep_alive_handler": ["self"]}

HELD: tuple[str, ...] = (
    "parser",
    "url",
    "headers",
    "scope",
    "cycle",
    "transport",
    "loop",
    "client",
    "app",
    "server_state",
)
HELD += ("connections", "timeout_keep_alive", "pipeline")
"""Attributes of the HTTP protocol that ours reads."""

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("name", "parameters"), (OVERRIDDEN | CALLED).items())
def test_the_http_protocol_has_the_methods_that_ours_replaces(name: str, parameters: list[str]) -> None:
    method = inspect.getattr_static(HttpToolsProtocol, name, None)
    assert method is not None, f"uvicorn {uvicorn.__version__} has no HttpToolsProtocol.{name}"
    assert list(inspect.signature(method).parameters) == parameters


def test_ours_replaces_nothing_that_is_not_listed() -> None:
    replaced = {name for name in vars(HttpProtocol) if hasattr(HttpToolsProtocol, name) and not name.startswith("__")}
    assert replaced == set(OVERRIDDEN)


async def test_a_connection_holds_what_ours_reads() -> None:
    held: list[Any] = []

    class Watching(HttpProtocol):
        def on_message_complete(self) -> None:
            held.append([name for name in HELD if getattr(self, name, None) is None])
            held.append(
                (
                    self.cycle.response_started,
                    self.cycle.response_complete,
                    self.cycle.body,
                    "headers" in self.cycle.scope,
                )
            )
            super().on_message_complete()

    async with running() as site:
        site.server.config.http_protocol_class = type("Watching", (Watching,), {"doors": site.doors})
        answer = await site.http.get("/livez")
        assert answer.status_code == 200
    assert held == [[], (False, False, b"", True)]


def test_a_server_waits_for_the_connections_and_tasks_that_a_line_adds() -> None:
    state = ServerState()
    assert (state.connections, state.tasks) == (set(), set())
    assert "on_response" in inspect.signature(RequestResponseCycle.__init__).parameters
    source = inspect.getsource(uvicorn.Server)
    for told in ("connection.shutdown()", "self.server_state.connections", "self.server_state.tasks"):
        assert told in source, f"uvicorn {uvicorn.__version__} leaves in another way: {told} is gone"


def test_signals_are_captured_where_the_server_of_commands_leaves_them_alone() -> None:
    """Else SIGTERM would end the server of commands, and the one of events would never hear of it."""
    source = inspect.getsource(uvicorn.Server)
    assert "with self.capture_signals():" in source, f"uvicorn {uvicorn.__version__}: see cuebird/control/server.py"
    assert source.count("signal.signal(sig, self.handle_exit)") == 1


@pytest.mark.parametrize("name", ["uvicorn", "websockets", "aiosmtplib", "httptools"])
def test_what_is_leaned_on_is_bound_above(name: str) -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    (bound,) = [told for told in project["dependencies"] if told.startswith(f"{name}>=")]
    assert "<" in bound, bound
