"""No power cut loses an acknowledged event. SIGKILL cannot show that: the system keeps what was written and not synced."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from persistence.interface import Commit, Store, StoreError
from persistence.memory import MemoryStore
from persistence.sqlite import SqliteStore
from tests.acceptance.power_cut import workload
from tests.acceptance.power_cut.disk import Disk, Operation, parse

HERE = Path(__file__).parent

pytestmark = [
    pytest.mark.slow,
    pytest.mark.anyio,
    pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler (cc) to build the recorder of writes"),
    pytest.mark.skipif(sys.platform != "linux", reason="the recorder of writes is preloaded, and reads /proc"),
]


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("recorder") / "recorder.so"
    source = HERE / "power_cut" / "recorder.c"
    command = [
        "cc",
        "-O1",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-shared",
        "-fPIC",
        "-o",
        str(library),
        str(source),
        "-ldl",
        "-lpthread",
    ]
    subprocess.run(command, check=True)
    return library


def record(recorder: Path, directory: Path, seed: int, synchronous: str) -> list[Operation]:
    """Everything that the workload did to its files, in order."""
    data, log = directory / "data", directory / "log"
    data.mkdir()
    subprocess.run(
        [sys.executable, "-m", workload.__name__, data, str(seed), synchronous],
        env=os.environ | {"LD_PRELOAD": str(recorder), "POWER_CUT_DIR": str(data), "POWER_CUT_LOG": str(log)},
        cwd=HERE.parent.parent,
        check=True,
        timeout=60,
    )
    return list(parse(log.read_bytes()))


@dataclass
class Losses:
    images: int = 0
    torn: list[str] = field(default_factory=list)
    """Images that do not open, are not whole, or hold what was never committed so."""
    lost: list[str] = field(default_factory=list)
    """Images without a commit that had been acknowledged."""


async def cut(operations: list[Operation], directory: Path, seed: int, images: int) -> Losses:
    """Cuts the power at random places and opens what is left with the real store."""
    rng = random.Random(seed)
    commits = workload.commits(seed)
    losses = Losses()
    for _ in range(images):
        place = rng.randrange(1, len(operations))
        disk = Disk()
        for operation in operations[:place]:
            disk.do(operation)
        path = directory / f"image{losses.images}" / "cuebird.db"
        write_image(disk.image(rng), path)
        what = f"cut after operation {place} of {len(operations)}, {disk.acks} commits acknowledged"
        kept = await kept_commits(path, commits)
        if isinstance(kept, str):
            losses.torn.append(f"{what}: {kept}")
        elif kept < disk.acks:
            losses.lost.append(f"{what}, {kept} kept")
        losses.images += 1
        shutil.rmtree(path.parent)
    return losses


def write_image(files: dict[str, bytes], path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    for name, content in files.items():
        file = path.parent / name
        file.write_bytes(content)
        file.chmod(0o600)


async def kept_commits(path: Path, commits: list[Commit]) -> int | str:
    """How many commits an image holds, or what is wrong with it."""
    store = SqliteStore(path)
    try:
        head = await store.open()
        ends = [0, *(commit.entries[-1].seq for commit in commits)]
        if head.seq not in ends:
            return f"half a commit: the journal ends at {head.seq}"
        kept = ends.index(head.seq)
        model = await model_of(commits[:kept])
        if (head, await everything(store)) != (await model.open(), await everything(model)):
            return f"{kept} commits in the journal, and other tables that do not fit"
    except (StoreError, sqlite3.Error, AssertionError) as error:  # AssertionError: a table is missing
        return f"{type(error).__name__}: {error}"
    finally:
        await store.close()
    connection = sqlite3.connect(path)
    found = connection.execute("PRAGMA integrity_check").fetchall()
    connection.close()
    return kept if found == [("ok",)] else f"integrity_check: {found[:3]}"


async def model_of(commits: list[Commit]) -> MemoryStore:
    """A store that holds just these commits, closed."""
    model = MemoryStore()
    await model.open()
    for commit in commits:
        await model.commit(commit)
    model.crash()
    return model


async def everything(store: Store) -> dict[str, object]:
    return {
        "journal": [entry async for batch in store.tail(0) for entry in batch],
        "actors": await store.load([f"u{n}" for n in range(50)]),
        "dues": sorted([due async for batch in store.dues() for due in batch], key=str),
        "ledger": await store.ledger(limit=10_000),
        "outbox": await store.sends([f"send {n}" for n in range(workload.COMMITS + 1)]),
        "counts": await store.counts(),
    }


async def test_no_power_cut_loses_an_acknowledged_event(recorder: Path, tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    operations = record(recorder, tmp_path, seed, "FULL")
    acks = sum(operation.name == "acks" and operation.op == "W" for operation in operations)
    syncs = sum(operation.op == "S" for operation in operations)
    assert acks == workload.COMMITS
    assert syncs > workload.COMMITS
    losses = await cut(operations, tmp_path, seed, images=150)
    assert (losses.torn, losses.lost) == ([], [])
    assert losses.images == 150


@pytest.mark.parametrize("synchronous", ["NORMAL", "OFF"])
async def test_the_test_sees_it_when_commits_are_not_synced(recorder: Path, tmp_path: Path, synchronous: str) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    operations = record(recorder, tmp_path, seed, synchronous)
    losses = await cut(operations, tmp_path, seed, images=40)
    print(f"{synchronous}: of {losses.images} images {len(losses.lost)} lost commits, {len(losses.torn)} were torn")
    assert losses.lost + losses.torn if synchronous == "OFF" else losses.lost
