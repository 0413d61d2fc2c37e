"""The wheel in an environment where others have packages of our rooms' names: both sides work, and nobody loses a file."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import httpx2
import pytest

from tests.acceptance.kill.process import ROOT, WAIT_S, launched
from tests.unit.test_wheel import MOVING

pytestmark = pytest.mark.slow

NEIGHBOUR = "WHOSE = 'the neighbour'\n"
ASKING = f"""
import {", ".join(sorted(MOVING))}
assert all(room.WHOSE == "the neighbour" for room in ({", ".join(sorted(MOVING))}))
from cuebird import Simulation
import cuebird.engine.intake
assert "site-packages" in cuebird.engine.intake.__file__
simulation = Simulation("shop")
simulation.track("ann", "product_added", product_id="lamp", name="Desk lamp", price=60)
simulation.advance("1 hour")
print(simulation.render(simulation.sent(template="cart_1")[0]).subject)
"""


def ran(*command: str | Path, cwd: Path) -> str:
    """What a command said. AssertionError with all of it unless it ended well."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("CUEBIRD_", "PYTHON", "PIP_"))}
    done = subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env=clean | {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel, built as they are where there is no network."""
    folder = tmp_path_factory.mktemp("dist")
    ran(sys.executable, "-m", "hatchling", "build", "-d", folder, cwd=ROOT)
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The scripts of an environment where the wheel was installed after a neighbour; `shop` beside them is a new site."""
    home = tmp_path_factory.mktemp("home")
    ran(sys.executable, "-m", "venv", "--without-pip", home / "venv", cwd=home)
    scripts = home / "venv" / "bin"
    ours = Path(sysconfig.get_path("purelib", vars={"base": str(home / "venv")}))
    (ours / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")  # its own .pth files are not read
    for room in MOVING:
        (ours / room).mkdir()
        (ours / room / "__init__.py").write_text(NEIGHBOUR)
    pip = (sys.executable, "-m", "pip", "--python", scripts / "python")
    ran(*pip, "install", "--quiet", "--no-deps", wheel_of(built), cwd=home)
    ran(scripts / "cuebird", "init", "shop", "--name", "Lamps", "--address", "Harbour 1, Bergen", cwd=home)
    yield scripts
    ran(*pip, "uninstall", "--quiet", "--yes", "cuebird", cwd=home)
    for room in MOVING:
        assert (ours / room / "__init__.py").read_text() == NEIGHBOUR, f"taking Cuebird away has cost {room}"


def wheel_of(folder: Path) -> Path:
    (wheel,) = folder.glob("*.whl")
    return wheel


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def home_of(scripts: Path) -> Path:
    return scripts.parents[1]


def test_the_wheel_takes_no_name_but_its_own(built: Path) -> None:
    held = contents(wheel_of(built))
    assert {name.split("/")[0] for name in held} == {"cuebird", f"cuebird-{version('cuebird')}.dist-info"}
    shipped = {name for name in held if name.startswith("cuebird/")}
    known = ran("git", "ls-files", "-co", "--exclude-standard", "cuebird", *sorted(MOVING), cwd=ROOT).splitlines()
    there = {name for name in known if (ROOT / name).exists()}
    assert shipped == {name if name.startswith("cuebird/") else f"cuebird/{name}" for name in there}


def test_a_wheel_of_the_sdist_is_that_of_the_repository(built: Path, tmp_path: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    ran(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "dist", cwd=source)
    assert contents(wheel_of(tmp_path / "dist")) == contents(wheel_of(built))


def test_the_commands_work_beside_packages_of_the_same_names(installed: Path) -> None:
    home = home_of(installed)
    cuebird = installed / "cuebird"
    assert "simulate" in ran(cuebird, "--help", cwd=home)
    ran(cuebird, "check", "shop", cwd=home)
    assert re.search(r"\d+ passed", ran(cuebird, "test", "shop", cwd=home))
    events = ROOT / "examples" / "events.jsonl"
    simulated = ran(cuebird, "simulate", ROOT / "templates/demo/site", "--events", events, "--json", cwd=home)
    here = Path(sys.executable).with_name("cuebird")
    assert simulated == ran(here, "simulate", ROOT / "templates/demo/site", "--events", events, "--json", cwd=home)


def test_the_neighbours_packages_and_ours_are_imported_by_one_program(installed: Path) -> None:
    assert "cart" in ran(installed / "python", "-c", ASKING, cwd=home_of(installed))


def test_pytest_finds_the_scenarios_and_the_simulation(installed: Path, tmp_path: Path) -> None:
    shutil.copy(ROOT / "examples" / "test_shop.py", tmp_path)
    site = home_of(installed) / "shop"
    said = ran(installed / "python", "-m", "pytest", "-q", "test_shop.py", "--cuebird-site", site, cwd=tmp_path)
    examples = (ROOT / "examples" / "test_shop.py").read_text().count("\ndef test_")
    passed = re.search(r"^(\d+) passed", said, re.MULTILINE)
    assert passed is not None, said
    assert int(passed[1]) > examples, "scenarios of the site are run too"


@pytest.mark.anyio
async def test_the_installed_engine_serves_its_pages_takes_an_event_and_leaves(installed: Path, tmp_path: Path) -> None:
    site = home_of(installed) / "shop"
    settings = {"STORE__PATH": tmp_path / "cuebird.db"}
    async with launched(
        "serve", site, "--dev", "--port", "0", settings=settings, program=installed / "cuebird"
    ) as server:
        async with httpx2.AsyncClient(base_url=await server.ready(), timeout=WAIT_S) as http:
            answer = await http.post("/v1/events", json={"user_id": "ann", "event": "page_viewed"})
            assert answer.json()["accepted"] == 1, answer.text
            pages = await asyncio.gather(*(http.get(path) for path in ("/", "/cuebird.js", "/ui/dashboard.css")))
            assert [page.status_code for page in pages] == [200, 200, 200]
        assert await server.terminate() == 0, server.said
