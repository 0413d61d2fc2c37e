"""make mutants [N=40] [PATHS="actors language"] [SEED=7]

Takes N mutants at random of the code under PATHS and runs each against the quick tests that enter the changed function, the
fastest first. Prints each that no test noticed, with its diff, and the share that died. The same seed on the same code makes
the same mutants; an N past their number tries them all. Who lives wants a test, or less code, or a row in `equivalent.md`.
"""

from __future__ import annotations

import argparse
import os
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory

from tests.mutants.equivalent import reasons
from tests.mutants.mutate import Mutant, mutants_of
from tests.mutants.trial import ROOT, copied, mapped, noticed

PATHS = ("actors", "language", "replay", "engine", "persistence", "templating", "delivery")


def main() -> None:
    asked = _arguments()
    sources = {str(file.relative_to(ROOT)): file.read_text() for path in asked.paths or PATHS for file in _files(path)}
    every = [mutant for path, source in sources.items() for mutant in mutants_of(path, source)]
    chosen = random.Random(asked.seed).sample(every, min(asked.n, len(every)))
    print(f"SEED={asked.seed}: {len(chosen)} of {len(every)} mutants in {len(sources)} files", flush=True)
    alive, known, equivalent = _alive(chosen, sources), reasons(), 0
    for mutant in alive:
        print(f"\n{mutant.path}:{mutant.line} lives\n{mutant.diff(sources[mutant.path])}")
        if why := known.get((mutant.path, *mutant.lines(sources[mutant.path]))):
            equivalent += 1
            print(f"equivalent: {why}")
    died = len(chosen) - len(alive)
    print(
        f"\nSEED={asked.seed}: {died} of {len(chosen)} died ({died / max(len(chosen), 1):.1%}), {len(alive)} live",
        end="",
    )
    print(f", {equivalent} of them known to be equivalent")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make mutants")
    parser.add_argument("-n", type=int, default=40, help="how many")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("paths", nargs="*", help=f"files and folders of the checkout; {' '.join(PATHS)} if none")
    return parser.parse_args()


def _files(path: str) -> list[Path]:
    place = ROOT / path
    if not place.exists():
        raise SystemExit(f"{path} is not in {ROOT}")
    return sorted(place.rglob("*.py")) if place.is_dir() else [place]


def _alive(chosen: list[Mutant], sources: dict[str, str]) -> list[Mutant]:
    """The mutants that no test notices, each told about as soon as it is known."""
    workers = os.cpu_count() or 1
    idle: SimpleQueue[Path] = SimpleQueue()
    with TemporaryDirectory(prefix="mutants-") as folder:
        first = copied(ROOT, Path(folder, "0"))
        made = mapped(first, workers)
        print(f"{len(made.seconds)} quick tests enter {len(made.of_function)} functions", flush=True)
        # With all that the map compiled, so that it is not compiled again for each mutant.
        for tree in [first, *(copied(first, Path(folder, str(number))) for number in range(1, workers))]:
            idle.put(tree)

        def lives(mutant: Mutant) -> bool:
            tree = idle.get()
            try:
                by = noticed(tree, mutant, made)
            finally:
                idle.put(tree)
            old, new = mutant.lines(sources[mutant.path])
            print(f"{'dies ' if by else 'LIVES'} {mutant.path}:{mutant.line}  {old}  =>  {new}  {by or ''}", flush=True)
            return by is None

        with ThreadPoolExecutor(workers) as pool:
            return [mutant for mutant, alive in zip(chosen, pool.map(lives, chosen), strict=True) if alive]


main()
