"""Weights of variants, of experiments and splits alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from language.site.decode import Report
from language.site.yaml import Mapping as YamlMapping

VARIANTS_MAX: Final = 20

HOLDOUT: Final = "holdout"
"""How the ledger calls those who are measured and sent nothing: no variant may be called so."""


def check_weights(weights: Mapping[str, float], written: YamlMapping, what: str, report: Report) -> None:
    """Tells what is wrong with the variants of `what` (`a split`, `an experiment`)."""
    if not written.values:
        report.at(written, f"{what} needs variants, as in {{a: {{weight: 50}}, b: {{weight: 50}}}}")
    elif len(written.values) == 1:
        report.at(written, f"{what} with one variant compares nothing", "advice")
    elif len(written.values) > VARIANTS_MAX:
        report.at(written, f"{what} has at most {VARIANTS_MAX} variants")
    for name, weight in weights.items():
        if weight < 0 or weight > 1e9:
            report.at(written.values[name], f"the weight of `{name}` is a number from 0 to 1000000000")
    if HOLDOUT in written.values:
        report.at(written.keys[HOLDOUT], "`holdout` cannot be the name of a variant: choose another word")
    if weights and len(weights) == len(written.values) and not any(weights.values()):
        report.at(written, f"every variant of {what} has the weight 0: nobody could be in one")
