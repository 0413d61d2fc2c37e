"""docs/reference says all that there is, and nothing that there is not: its tables are held against the code.

What fails here after a change of the code wants a row of its own in the table that the test names."""

from __future__ import annotations

import ast
import math
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, get_args

import httpx2
import pytest
from prometheus_client.core import Metric
from starlette.routing import Route

from actors.model.event import FEEDBACK_IF_MACHINE, FEEDBACK_ONLY, HUMAN_FEEDBACK
from actors.model.feedback import about
from actors.model.reasons import ENDED, NOT_ENTERED, SKIPPED
from actors.model.turn import DecisionKind, Send
from actors.values.names import ALIASES
from cuebird.serving.app import App, open_app
from cuebird.serving.dashboard import dashboard_routes
from cuebird.serving.metrics import Metrics
from cuebird.settings.config import ServerSettings, Settings, StoreSettings
from engine.latencies import COMMIT_BOUNDS_MS
from engine.submit import RefusalCode
from ingress.bounds.metrics import Counts
from ingress.connections.frames import CLOSES
from ingress.http.answers import REFUSALS
from ingress.messages.rejection import Code
from replay.ledger import LedgerRow
from tests.unit.ingress.site import Site

ROOT: Final = Path(__file__).parents[2]
REFERENCE: Final = ROOT / "docs" / "reference"
PAGES: Final = sorted((ROOT / "docs").rglob("*.md"))

_MARKED: Final = re.compile(r"`([^`]+)`")


# --- the pages ----------------------------------------------------------------------------------------------------


def rows(page: str, heading: str = "") -> list[list[str]]:
    """The cells of the tables below a heading (of all tables of the page), without their heads."""
    text = (REFERENCE / page).read_text()
    if heading:
        (text,) = re.findall(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    found = []
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        lines = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table.splitlines()]
        found += lines[2:]
    return found


def marked(cell: str) -> tuple[str, ...]:
    return tuple(_MARKED.findall(cell))


def first(page: str, heading: str = "") -> list[str]:
    """What the first column of the tables has in code marks."""
    return [name for row in rows(page, heading) for name in marked(row[0])]


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_a_heading_lead_to_one(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^):#]*)#([\w-]+)\)", page.read_text()):
        assert anchor in anchors((page.parent / target).resolve() if target else page), f"{target}#{anchor}"


# --- the code -----------------------------------------------------------------------------------------------------


def calls(folder: str, *names: str) -> Iterator[ast.Call]:
    """All calls of functions of these names in a folder's code."""
    for file in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and _name(node.func) in names:
                yield node


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def texts(call: ast.Call, *places: int) -> list[str]:
    """The arguments at these places that are written out."""
    found = [call.args[place] for place in places if place < len(call.args)]
    return [one.value for one in found if isinstance(one, ast.Constant) and isinstance(one.value, str)]


@asynccontextmanager
async def served(folder: Path, *, dev: bool) -> AsyncIterator[App]:
    site = folder / f"site-{dev}"
    shutil.copytree(ROOT / "templates" / "demo" / "site", site)
    settings = Settings(
        server=ServerSettings(port=0, dev=dev, secret="s" * 32), store=StoreSettings(path=str(folder / f"{dev}.db"))
    )
    async with open_app(settings, site, more_routes=dashboard_routes(dev=dev)) as app:
        yield app


# --- routes -------------------------------------------------------------------------------------------------------


def routes_of(app: App) -> set[tuple[str, str]]:
    """(method, path). HEAD comes with GET, OPTIONS with CORS, and a slash at the end makes no other route."""
    routes: list[Any] = app.server.config.app.routes  # type: ignore[union-attr]  # it is ours
    found = set()
    for route in routes:
        path = route.path.rstrip("/") or "/"
        methods = route.methods or {"GET"} if isinstance(route, Route) else {"WS"}
        found |= {(method, path) for method in methods - {"HEAD", "OPTIONS"}}
    return found


@pytest.mark.anyio
async def test_every_route_is_in_the_reference_and_every_one_there_is_answered(tmp_path: Path) -> None:
    told: dict[tuple[str, str], str] = {}
    for method, path, who, *_ in rows_of_routes():
        assert (method, path) not in told, f"{method} {path} twice"
        told[method, path] = who
    async with served(tmp_path, dev=False) as production, served(tmp_path, dev=True) as development:
        assert routes_of(development) == set(told)
        assert routes_of(production) == {route for route, who in told.items() if who != "dev"}


def rows_of_routes() -> Iterator[tuple[str, ...]]:
    for row in rows("routes.md"):
        if row[0] in ("GET", "POST", "WS", "DELETE", "PUT", "PATCH"):
            yield (row[0], marked(row[1])[0], *row[2:])


@pytest.mark.anyio
async def test_who_may_ask_is_as_the_reference_says(tmp_path: Path) -> None:
    """Whoever shows no key: 401 where a key is asked for, and never that where anybody may."""
    async with served(tmp_path, dev=False) as app, httpx2.AsyncClient(base_url=app.url) as http:
        for method, path, who, *_ in rows_of_routes():
            if method == "WS" or who == "dev":
                continue
            answer = await http.request(method, re.sub(r"\{[^}]*\}", "x", path), json={"event": "a", "userId": "u"})
            assert (answer.status_code == 401) is (who in ("write", "server")), f"{method} {path}: {answer.status_code}"


# --- codes --------------------------------------------------------------------------------------------------------


def test_every_rejection_is_in_the_reference() -> None:
    assert sorted(first("codes.md", "A message that was rejected")) == sorted(get_args(Code))


def test_every_refusal_is_in_the_reference_with_its_status() -> None:
    told = {marked(row[0])[0]: int(row[1]) for row in rows("codes.md", "A batch that was refused")}
    assert told == REFUSALS
    assert set(told) == set(get_args(RefusalCode))


def test_every_close_code_is_in_the_reference() -> None:
    told = {int(row[0]): marked(row[1])[0] for row in rows("codes.md", "Close codes")}
    assert told == CLOSES


def said_over_http() -> set[str]:
    """Codes of answers that are not the answer to a batch, by the calls that make them."""
    found = {code for call in calls("ingress", "error_answer", "BadBody", "Refusal") for code in texts(call, 1)}
    source = {file.name: file.read_text() for file in (ROOT / "ingress").rglob("*.py")}
    found |= set(re.findall(r'^    code = "(\w+)"', source["keys.py"], re.MULTILINE))
    found |= set(re.findall(r'"(\w+)"', re.findall(r"_CODES: Final = (.*)", source["answers.py"])[0]))
    found |= set(re.findall(r'_CODES\.get\(.*?, "(\w+)"\)', source["answers.py"]))
    return found | set(re.findall(r'"code": "(\w+)"', source["dashboard.py"]))


def test_every_code_of_an_answer_is_in_the_reference() -> None:
    elsewhere = {*get_args(Code), *get_args(RefusalCode)}
    assert set(first("codes.md", "A request that was refused")) == said_over_http() - elsewhere


def test_every_code_of_an_err_frame_is_in_the_reference() -> None:
    found = {code for call in calls("ingress", "_refuse", "FrameRefused", "err") for code in texts(call, 0)}
    found |= set(re.findall(r'\("(\w+)", "', re.findall(r"OUT_OF_PLACE.*?\n}", _source("session.py"), re.DOTALL)[0]))
    elsewhere = {*get_args(Code), *get_args(RefusalCode), *CLOSES.values()}
    told = set(first("codes.md", "A frame that was refused"))
    assert told - {"over_credit"} == found - elsewhere
    assert "over_credit" in found


def _source(name: str) -> str:
    (file,) = (ROOT / "ingress").rglob(name)
    return file.read_text()


# --- events -------------------------------------------------------------------------------------------------------


def told_of_messages() -> dict[str, set[str]]:
    """Event -> what it tells beside what all tell, by the calls that make them."""
    found: dict[str, set[str]] = {}
    for folder in ("delivery", "ingress"):
        for call in calls(folder, "tell", "_tell", "feedback"):
            for name in texts(call, 0):
                keywords = {word.arg for word in call.keywords if word.arg is not None}
                found.setdefault(name, set()).update(keywords - {"part"})
    return found


def test_every_event_about_a_message_is_in_the_reference_with_its_properties() -> None:
    told = {marked(row[0])[0]: set(marked(row[1])) for row in rows("events.md", "What becomes of messages")}
    assert set(told) == FEEDBACK_ONLY | FEEDBACK_IF_MACHINE | HUMAN_FEEDBACK | {"email_subscribed"}
    made = told_of_messages()
    assert {name: told[name] for name in made} == made | {"email_unsubscribed": {"topic"}}
    assert not any(told[name] for name in set(told) - set(made)), "pages and back ends: nothing more"


def test_what_all_of_them_tell_is_in_the_reference() -> None:
    empty = {field: "" for field in Send.__struct_fields__ if field not in ("at", "expires", "context", "subject")}
    send = Send(**empty, at=0, expires=0, context=b"{}")  # type: ignore[arg-type]  # texts, all of them
    text = (REFERENCE / "events.md").read_text()
    (said,) = re.findall(r"All of them tell (.*?) of the message", text)
    assert list(marked(said)) == list(about(send))


def test_what_a_back_end_may_say_is_what_an_actor_listens_to() -> None:
    (control,) = [
        node
        for node in ast.walk(ast.parse((ROOT / "actors" / "profile.py").read_text()))
        if isinstance(node, ast.FunctionDef) and node.name == "control"
    ]
    heard = {node.value for node in ast.walk(control) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert set(first("events.md", "What your back end may say")) == {
        name for name in heard if name.startswith("email_")
    }


def test_every_other_name_of_an_event_is_in_the_reference() -> None:
    told = {other: marked(row[0])[0] for row in rows("events.md", "Names") for other in marked(row[1])}
    assert told == ALIASES


# --- rows ---------------------------------------------------------------------------------------------------------


def test_every_field_and_decision_of_a_row_is_in_the_reference() -> None:
    assert first("rows.md", "Fields") == list(LedgerRow.__struct_fields__)
    assert first("rows.md", "Decisions") == list(get_args(DecisionKind))


def test_every_reason_is_in_the_reference_and_in_the_words_of_the_dashboard() -> None:
    objections = {reason for call in calls("actors", "Objection") for reason in texts(call, 0)}
    told = first("rows.md", "Why a message is held or skipped")
    assert told == list(SKIPPED)
    assert set(told) == objections | {"expired", "shadow"}
    assert first("rows.md", "Why somebody did not enter") == list(NOT_ENTERED)
    ends = {reason for call in calls("actors", "end") for reason in texts(call, 3)}
    told = first("rows.md", "Why a run ended")
    assert told == list(ENDED)
    assert set(told) == ends


def test_what_an_entry_is_refused_for_is_what_the_code_says() -> None:
    (refusal,) = [
        node
        for node in ast.walk(ast.parse((ROOT / "actors" / "runs" / "entry.py").read_text()))
        if isinstance(node, ast.FunctionDef) and node.name == "_refusal"
    ]
    returned = [node.value for node in ast.walk(refusal) if isinstance(node, ast.Return)]
    assert {one.value for one in returned if isinstance(one, ast.Constant) and one.value} == set(NOT_ENTERED)


# --- metrics ------------------------------------------------------------------------------------------------------


def exported(metric: Metric) -> tuple[str, tuple[str, ...]]:
    return metric.name + ("_total" if metric.type == "counter" else ""), tuple(getattr(metric, "_labelnames", ()))


@pytest.mark.anyio
async def test_every_metric_is_in_the_reference_with_its_labels(tmp_path: Path) -> None:
    told = {marked(row[0])[0]: marked(row[1]) for row in rows("metrics.md")}
    async with served(tmp_path, dev=True) as app, httpx2.AsyncClient(base_url=app.url) as http:
        families = [*Metrics(app.engine, app.dispatcher, app.store, app.reload).collect(), *Counts().collect()]
        families += Site().world.admission.collect()
        assert {name for name, _ in map(exported, families)} == set(
            re.findall(r"^# HELP (\S+)", (await http.get("/metrics")).text, re.MULTILINE)
        )
    assert told == dict(map(exported, families))


@pytest.mark.anyio
async def test_how_long_transactions_take_is_a_histogram_that_adds_up_over_processes(tmp_path: Path) -> None:
    async with served(tmp_path, dev=True) as app, httpx2.AsyncClient(base_url=app.url) as http:
        await http.post("/v1/track", json={"event": "signed_up", "userId": "ann"})
        text = (await http.get("/metrics")).text
    buckets = [
        (float(bound), float(count))
        for bound, count in re.findall(r'^cuebird_commit_seconds_bucket{le="(.+)"} (.+)$', text, re.M)
    ]
    assert "# TYPE cuebird_commit_seconds histogram" in text
    assert [bound for bound, _ in buckets] == [*sorted(bound / 1000 for bound in COMMIT_BOUNDS_MS), math.inf]
    counts = [count for _, count in buckets]
    assert counts == sorted(counts)
    written = re.search(r"^cuebird_commits_total (.+)$", text, re.M)
    assert written is not None
    assert counts[-1] == float(written[1]) > 0
    assert "quantile=" not in text
