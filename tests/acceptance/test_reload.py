"""One rule for edited files, while a server runs, at `cuebird apply` and at a start: what was refused stays refused, and
what waits for `apply` waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from click.testing import Result

from cuebird.changes.proposal import compile_source, site_of
from cuebird.serving.app import App, open_app
from cuebird.settings.config import load
from language.syntax.problems import SiteErrors
from persistence import program_periods
from tests.acceptance.kill.process import until
from tests.acceptance.test_apply import answered, cuebird, make_site, signed_up, typed, write
from tests.unit.delivery.making import a_send
from tests.unit.language.test_one_reading import before_reading

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SOONER = "Greet at once, for an hour later nobody reads it."


@asynccontextmanager
async def serving(site: Path, reload: str) -> AsyncIterator[tuple[App, httpx2.AsyncClient]]:
    settings = load(site, {}, {"server.dev": True, "server.port": 0, "site.reload": reload}).settings
    async with open_app(settings, site) as app, httpx2.AsyncClient(base_url=app.url) as http:
        yield app, http


async def differs(http: httpx2.AsyncClient) -> bool:
    ready = await http.get("/readyz")
    assert ready.status_code == 200, "whatever the files are, events are taken"
    return bool(ready.json().get("site_differs", False))


async def figures(http: httpx2.AsyncClient) -> tuple[float, float]:
    """(cuebird_site_differs, cuebird_site_refused_total)"""
    lines = dict(line.rsplit(" ", 1) for line in (await http.get("/metrics")).text.splitlines() if line[0] != "#")
    return float(lines["cuebird_site_differs"]), float(lines["cuebird_site_refused_total"])


async def greeted(app: App, http: httpx2.AsyncClient, user: str) -> bool:
    """Whether a user who signs up now is greeted at once, and not after an hour as in the first version."""
    before = app.engine.statistics().sends
    await signed_up(http, user)
    return app.engine.statistics().sends > before


async def said(*arguments: str | Path) -> Result:
    """The command in a thread: it runs a loop of its own."""
    return await asyncio.to_thread(typed, *arguments)


async def told(*arguments: str | Path) -> dict[str, Any]:
    return await asyncio.to_thread(answered, *arguments)


async def run_once(site: Path, reload: str = "watch") -> None:
    async with serving(site, reload):
        pass


async def test_an_edit_waits_for_apply_which_shows_it_before_it_is_live(tmp_path: Path) -> None:
    site = make_site(tmp_path / "shop")
    async with serving(site, "apply") as (app, http):
        assert not await differs(http)
        write(site, wait="0s", why=SOONER)
        await until(lambda: differs(http), "the edit is seen")
        assert await figures(http) == (1, 0)
        assert not await greeted(app, http, "ann")
        plan = await asyncio.to_thread(cuebird, "apply", site, "--plan", "--yes")
        assert plan.returncode == 0, plan.stderr
        assert "+  - wait: {for: 0s}" in plan.stdout
        assert "1 run is in it now" in plan.stdout
        assert "a plan only: nothing was changed" in plan.stdout
        assert not await greeted(app, http, "bob")
        ran = await asyncio.to_thread(cuebird, "apply", site, "--yes")
        assert "runs it" in ran.stdout, ran.stderr
        assert not await differs(http)
        assert await greeted(app, http, "cyd")


async def test_an_edit_that_is_taken_back_is_nothing_to_apply(tmp_path: Path) -> None:
    site = make_site(tmp_path / "shop")
    async with serving(site, "apply") as (app, http):
        write(site, wait="0s", why=SOONER)
        await until(lambda: differs(http), "the edit is seen")
        write(site)

        async def gone() -> bool:
            return not await differs(http)

        await until(gone, "the files are what runs")
        assert app.reload.news is None


@pytest.mark.parametrize("why", [SOONER, None], ids=["explained", "unexplained"])
async def test_a_start_takes_nothing_that_waits_for_apply(tmp_path: Path, why: str | None) -> None:
    site = make_site(tmp_path / "shop")
    await run_once(site, "apply")
    write(site, wait="0s", **({"why": why} if why else {}))
    async with serving(site, "apply") as (app, http):
        assert await differs(http)
        assert not await greeted(app, http, "ann")
        assert await figures(http) == (1, 0)
    assert "are not what counts" in (await said("history", "hello", "--site", site)).stdout
    assert (await said("apply", site, "--yes", "--why", "Sooner.")).exit_code == 0
    async with serving(site, "apply") as (app, http):
        assert not await differs(http)
        assert await greeted(app, http, "bob")
    assert not (await told("history", "hello", "--site", site))["files_differ"]


async def test_what_was_refused_live_is_refused_at_the_next_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site = make_site(tmp_path / "shop")
    async with serving(site, "watch") as (app, http):
        write(site, wait="0s")
        await until(lambda: differs(http), "an edit without a reason is refused")
    caplog.clear()
    async with serving(site, "watch") as (app, http):
        assert "is not taken" in caplog.text
        assert "does something else now, but its `why` is still" in caplog.text
        assert await figures(http) == (1, 1)
        assert not await greeted(app, http, "ann")
        write(site, wait="0s", why=SOONER)

        async def taken() -> bool:
            return not await differs(http)

        await until(taken, "a reason was given")
        assert await greeted(app, http, "bob")
    changes = (await told("history", "hello", "--site", site))["changes"]
    assert [one["kind"] for one in changes] == ["added", "changed"]
    assert not any(one.get("is_unexplained") for one in changes)


@pytest.mark.parametrize("reload", ["watch", "apply"])
async def test_files_that_broke_overnight_do_not_keep_the_last_good_program_from_starting(
    tmp_path: Path, reload: str, caplog: pytest.LogCaptureFixture
) -> None:
    site = make_site(tmp_path / "shop")
    await run_once(site, reload)
    write(site, wait="an hour or so", why="Broken.")
    (site / "templates" / "hello.push.yaml").write_text("title: '{% if %}'\n")
    async with serving(site, reload) as (app, http):
        assert await differs(http)
        assert "hello.yaml:6:" in caplog.text
        assert await figures(http) == (1, 1)
        await signed_up(http, "ann")
        assert app.engine.statistics().events == 1
        rendered = app.dispatcher.templates.push(a_send(channel="push", template="hello"))
        assert rendered == {"title": "hello", "body": "text"}
    ran = await said("apply", site, "--plan")
    assert ran.exit_code == 1
    assert "hello.yaml:6:" in ran.stdout
    assert "stays what counts" in ran.stderr


async def test_a_first_start_with_errors_makes_no_database(tmp_path: Path) -> None:
    site = make_site(tmp_path / "shop")
    write(site, wait="an hour or so")
    with pytest.raises(SiteErrors):
        await run_once(site)
    assert not (site / "data" / "cuebird.db").exists()


async def test_a_sound_edit_made_while_nothing_ran_counts_from_the_start_on_where_edits_are_watched_for(
    tmp_path: Path,
) -> None:
    site = make_site(tmp_path / "shop")
    await run_once(site)
    write(site, wait="0s", why=SOONER)
    async with serving(site, "watch") as (app, http):
        assert not await differs(http)
        assert await greeted(app, http, "ann")
    assert (await told("history", "hello", "--site", site))["changes"][-1]["why"] == SOONER


async def test_files_that_changed_after_they_were_shown_are_not_applied(tmp_path: Path) -> None:
    site = make_site(tmp_path / "shop")
    async with serving(site, "apply") as (app, http):
        write(site, wait="0s", why=SOONER)
        news = await app.reload.look(shown=app.engine.program.hash)
        assert not news.taken
        assert "changed since they were shown" in news.problems[0]
        assert not await greeted(app, http, "ann")


async def test_a_save_while_an_edit_is_read_is_taken_whole_by_rules_journal_and_letters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = make_site(tmp_path / "shop")
    letter = site / "templates" / "hello.push.yaml"

    def save(words: str) -> None:
        write(site, wait="0s", why=words)
        letter.write_text(f"title: {words}\n")

    async with serving(site, "watch") as (app, _):
        before_reading(monkeypatch, letter.name, lambda: save("Second words."), times=1)
        save("First words.")

        async def taken() -> bool:
            return "why: Second words." in dict(app.reload.site.sources)["campaigns/hello.yaml"]

        await until(taken, "the second save is live")
        periods = [one.body.hash for one in await program_periods.all_periods(app.store)]
        stored = await app.store.programs(periods)
        for source in (site_of(stored[one]).sources for one in periods[1:]):
            words = dict(source)["campaigns/hello.yaml"].partition("\n")[0].removeprefix("why: ")
            assert dict(source)["templates/hello.push.yaml"] == f"title: {words}\n"
        assert app.engine.program.hash == periods[-1] == compile_source(stored[periods[-1]]).hash
        assert site_of(stored[periods[-1]]).sources == app.reload.site.sources
        shown = app.dispatcher.templates.push(a_send(template="hello", channel="push"))
        assert shown == {"title": "Second words."}
