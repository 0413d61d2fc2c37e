"""The last number that is allowed is allowed, and the next is not."""

from __future__ import annotations

import pytest

from language.load import read_site
from language.site.weights import VARIANTS_MAX
from language.syntax.problems import SiteErrors


def problems(files: dict[str, str]) -> list[str]:
    try:
        read_site({name: text.encode() for name, text in files.items()})
    except SiteErrors as wrong:
        return [one.message for one in wrong.problems]
    return []


@pytest.mark.parametrize(("count", "refused"), [(VARIANTS_MAX, False), (VARIANTS_MAX + 1, True)])
def test_a_split_may_have_so_many_variants_and_no_more(count: int, refused: bool) -> None:
    variants = ", ".join(f"v{number}: {{weight: 1, do: []}}" for number in range(count))
    steps = f"steps: [{{split: {{id: s, variants: {{{variants}}}}}}}, {{send: {{push: x}}}}]"
    told = problems({"campaigns/a.yaml": f"why: x\nentry: {{event: a}}\n{steps}\n"})
    assert any(f"at most {VARIANTS_MAX} variants" in one for one in told) == refused


@pytest.mark.parametrize(("days", "refused"), [(366, False), (367, True)])
def test_a_cap_may_count_over_a_leap_year_and_no_longer(days: int, refused: bool) -> None:
    told = problems({"policy.yaml": f"caps: [{{limit: 1, per: {days}d}}]\n"})
    assert any("a cap counts over a year at the most" in one for one in told) == refused, told
