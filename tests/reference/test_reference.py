"""The actors and the reference keep the same ledger, for random sites and histories of each kind of construct."""

from __future__ import annotations

import pytest
from hypothesis import given

from actors.model.event import Event
from language.syntax import ast
from tests.reference.comparing import agree
from tests.reference.history_strategies import histories
from tests.reference.kinds import KINDS
from tests.reference.profiles import sampled
from tests.reference.site_strategies import sites

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", KINDS)
def test_the_actors_decide_as_someone_who_reads_the_whole_history_each_time(kind: str) -> None:
    features = KINDS[kind]

    @sampled(1 / len(KINDS))
    @given(site=sites(features), history=histories(features))
    def compare(site: ast.Site, history: tuple[int, list[tuple[Event, int]]]) -> None:
        start, inputs = history
        agree(site, start, inputs)

    compare()
