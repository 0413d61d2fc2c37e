"""The actors and the reference keep the same ledger, for random sites and histories of each kind of construct."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.reference.comparing import agree
from tests.reference.expression_strategies import Features
from tests.reference.history_strategies import histories
from tests.reference.site_strategies import sites

EXAMPLES = int(os.environ.get("CUEBIRD_EXAMPLES", "200"))
SEED = os.environ.get("CUEBIRD_SEED")

BASICS = {"until", "branch"}
KINDS: dict[str, set[str]] = {
    "waits": BASICS,
    "conditions": {"where", "windows", "if", "when", "branch"},
    "late": {"late", "duplicates", "until", "where", "windows", "when", "ends"},
    "ends": {"until", "ends", "entry rules", "users"},
    "chains": {"chains", "where", "until", "ends"},
    "late chains": {"chains", "late", "where"},
    "absence": {"absence", "where", "until", "ends"},
    "late absence": {"absence", "late"},
    "where": {"where", "where history", "set", "emit", "until", "ends"},
    "emit": {"set", "emit", "until", "when", "ends", "if"},
    "time": {"time", "when", "at", "windows"},
    "score": {"score", "when"},
    "session": {"session", "when", "if"},
    "remembered": {"remembered", "when", "if", "where"},
    "segments": {"segments", "segment patterns", "until", "ends", "windows", "set", "emit"},
    "policy": {"policy", "branch", "entry rules"},
    "identity": {"identity", "users", "until", "ends", "entry rules", "chains"},
    "everything": {
        *BASICS,
        "where",
        "windows",
        "if",
        "when",
        "ends",
        "entry rules",
        "chains",
        "absence",
        "where history",
        "set",
        "emit",
        "time",
        "at",
        "score",
        "segments",
        "segment patterns",
        "remembered",
        "policy",
        "users",
        "duplicates",
    },
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_actors_decide_as_someone_who_reads_the_whole_history_each_time(kind: str) -> None:
    features: Features = frozenset(KINDS[kind])

    @settings(
        max_examples=max(10, EXAMPLES // len(KINDS)),
        derandomize=SEED is None,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
        print_blob=True,
    )
    @given(site=sites(features), history=histories(features))
    def compare(site: Any, history: Any) -> None:
        start, inputs = history
        agree(site, start, inputs)

    if SEED is not None:
        from hypothesis import seed

        compare = seed(int(SEED))(compare)
    print(f"CUEBIRD_SEED={SEED or 'derandomised'} CUEBIRD_EXAMPLES={EXAMPLES}")
    compare()
