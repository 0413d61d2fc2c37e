"""policy.yaml: the rules over all campaigns."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from actors.values.zone import zone
from language.site.context import Context
from language.site.decode import decode
from language.site.fields import Placed
from language.site.read_caps import read_caps
from language.site.shapes import FatigueFile, PolicyFile, QuietHoursFile
from language.site.yaml import Mapping, Scalar, Value
from language.syntax import ast
from language.syntax.problems import did_you_mean, nearest


class PolicyParts(msgspec.Struct, frozen=True):
    """The rules, and where the default campaign is named: whether it exists is known when all campaigns are read."""

    rules: ast.Policy
    default: Placed | None = None

    def check(self, campaigns: Collection[str], context: Context) -> None:
        """Tells if there is no such campaign."""
        if self.default is not None and self.default.text not in campaigns:
            hint = did_you_mean(nearest(self.default.text, campaigns))
            context.report.at(self.default.value, f"there is no campaign `{self.default.text}`{hint}")


def read_policy(value: Value | None, context: Context) -> PolicyParts:
    if value is None or (isinstance(value, Scalar) and value.value is None):
        return PolicyParts(ast.Policy())
    found = decode(value, PolicyFile, context.report, "policy.yaml")
    if found is None:
        return PolicyParts(ast.Policy())
    assert isinstance(value, Mapping)
    defaults = ast.Policy()
    if found.time_zone is not None and zone(found.time_zone.text) is None:
        context.report.at(
            found.time_zone.value, f"there is no time zone `{found.time_zone.text}`: write one as Europe/Berlin"
        )
    fatigue = _fatigue(found.fatigue, context)
    lateness = found.lateness.seconds if found.lateness else defaults.lateness
    rules = ast.Policy(
        marketing_consent=found.consent.marketing,
        tracking_consent=found.consent.tracking,
        unverified_email=found.unverified_email,
        trust_anonymous_ids=found.trust_anonymous_ids,
        expires=found.expires.seconds if found.expires else defaults.expires,
        time_zone=found.time_zone.text if found.time_zone else defaults.time_zone,
        lateness=lateness,
        deduplicate=_deduplicate(found, lateness, value, context),
        caps=read_caps(found.caps, value.values.get("caps"), context),
        cooldown=found.cooldown.topic.seconds if found.cooldown else 0.0,
        fatigue_after=fatigue.after_ignored if fatigue else 0,
        fatigue_factor=fatigue.factor.number if fatigue else 1.0,
        quiet_hours=_quiet_hours(found.quiet_hours, value, context),
        on_cap=found.on_cap,
        default_campaign=found.default_campaign.text if found.default_campaign else None,
    )
    return PolicyParts(rules, found.default_campaign)


def _deduplicate(found: PolicyFile, lateness: float, policy: Mapping, context: Context) -> float:
    """An event that may still come must still be known if it has come before."""
    if found.deduplicate is None:
        return max(ast.Policy().deduplicate, lateness)
    if found.deduplicate.seconds < lateness:
        context.report.at(
            policy.values["deduplicate"],
            "`deduplicate` is at least `lateness`, or what comes late could be taken twice",
        )
    return found.deduplicate.seconds


def _fatigue(fatigue: FatigueFile | None, context: Context) -> FatigueFile | None:
    if fatigue is not None and not 0 < fatigue.factor.number <= 1:
        context.report.at(fatigue.factor.value, "`factor` is a number above 0 and at most 1: 0.5 halves the caps")
        return None
    return fatigue


def _quiet_hours(quiet: QuietHoursFile | None, policy: Mapping, context: Context) -> ast.QuietHours | None:
    if quiet is None:
        return None
    if quiet.from_.minute == quiet.to.minute:
        context.report.at(policy.values["quiet_hours"], "quiet hours that end when they begin are all day or never")
    return ast.QuietHours(
        start=quiet.from_.minute, end=quiet.to.minute, time_zone=quiet.tz.name if quiet.tz else "user", then=quiet.then
    )
