"""One user, one moment: every campaign of the site as it stands for that user."""

from __future__ import annotations

from typing import Final

from actors.model import program as compiled
from actors.model.turn import Decision
from actors.runs.entry import is_for
from language.syntax import ast
from persistence.interface import StoreReader
from replay.explain import words
from replay.explain.fold import Moment, fold
from replay.explain.language import Language
from replay.explain.model import CampaignView, Explanation, Part, RunView, SendView, Witness
from replay.explain.patterns import PatternWalk
from replay.explain.reasons import in_words, reason_text
from replay.explain.recall import KnownPrograms, Recalled, campaigns_by_version, recall
from replay.explain.rules import Rules, event_at_hand, refusal, supposed_run
from replay.explain.runs import Runs, sends
from replay.explain.unmatched import unmatched
from replay.explain.witness import Witnesses

REFUSED_SHOWN_MAX: Final = 5

__all__ = ["KnownPrograms", "NoSuchCampaign", "explain", "explained", "recall"]


class NoSuchCampaign(Exception):
    """The site had none of that name at that moment; `known` are those it had."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(name, known)
        self.name = name
        self.known = known

    def __str__(self) -> str:
        return f"there is no campaign {self.name}; there is {words.joined(list(self.known))}"


async def explain(
    store: StoreReader,
    current: KnownPrograms | None,
    user: str,
    now: int,
    *,
    campaign: str | None = None,
    past: bool = False,
) -> Explanation | None:
    """The user as of `now`; `past`: what came later is not looked at. None: nothing was ever heard of the user.

    `current` is the site that counts if the store does not say which did. Raises StoreError, NoSuchCampaign.
    """
    recalled = await recall(store, user, current, now if past else None)
    return None if recalled is None else explained(recalled, now, campaign)


def explained(recalled: Recalled, now: int, campaign: str | None = None) -> Explanation:
    """The same without waiting: it may be called in a thread. Raises NoSuchCampaign."""
    moment = fold(recalled, now)
    site = moment.known.site
    wanted = [one for one in site.campaigns if campaign is None or one.id == campaign]
    if campaign is not None and not wanted:
        raise NoSuchCampaign(campaign, tuple(one.id for one in site.campaigns))
    languages: dict[int, Language] = {}
    versions = {
        version: (languages.setdefault(id(of), Language(of)), one)
        for version, (of, one) in campaigns_by_version(recalled.epochs).items()
    }
    view = _View(moment, recalled, Language(site), versions)
    return Explanation(
        user=recalled.user,
        at=now,
        notes=tuple(_notes(recalled, moment)),
        campaigns=tuple(view.campaign(one) for one in wanted),
    )


def _notes(recalled: Recalled, moment: Moment) -> list[str]:
    notes = []
    if not recalled.complete:
        began = f" at {words.moment(recalled.begins_at, 0)}" if recalled.begins_at else " later"
        notes.append(f"The journal begins{began}: what happened before is known only in sum.")
    if not moment.actor.tracked:
        notes.append("The user does not want to be tracked: what the user does is counted and forgotten.")
    return notes


class _View:
    def __init__(
        self,
        moment: Moment,
        recalled: Recalled,
        language: Language,
        versions: dict[str, tuple[Language, ast.Campaign]],
    ) -> None:
        self._moment = moment
        self._language = language
        self._programs = {one.id: one for one in moment.known.program.campaigns if is_for(one, moment.actor)}
        self._versions = versions
        self._runs = Runs(moment, recalled.rows or moment.decisions, versions, recalled.outbox)

    def campaign(self, campaign: ast.Campaign) -> CampaignView:
        program = self._programs.get(campaign.id)
        runs = self._runs.views(campaign.id)
        refused = [
            row for row in self._moment.decisions if row.campaign == campaign.id and row.decision == "not_entered"
        ]
        if program is None:
            return self._silent(campaign, runs)
        # Beside a canary some users stay on the version before it.
        language, campaign = self._versions.get(program.version, (self._language, campaign))
        walk = PatternWalk(language, self._moment, campaign.id)
        came = event_at_hand(program, walk)
        body = came.body if came is not None else b"{}"
        entry = (*map(walk.part, campaign.entry.patterns), *unmatched(self._moment, campaign.id))
        rules = Rules(language, self._moment, campaign, body).parts()
        supposed: tuple[SendView, ...] = ()
        if not any(run.active for run in runs):
            run = supposed_run(self._moment, program, body)
            supposed = sends(language, self._moment, campaign, program, run)
        witnesses = Witnesses(language, self._moment, campaign, program).found()
        return CampaignView(
            campaign=campaign.id,
            version=program.version,
            status=campaign.status,
            why=campaign.why,
            says=self._says(program, body, entry, rules, runs, refused, witnesses),
            entry=entry,
            rules=rules,
            refused=tuple(in_words(row) for row in refused[-REFUSED_SHOWN_MAX:]),
            runs=runs,
            sends=supposed,
            witnesses=witnesses,
        )

    def _silent(self, campaign: ast.Campaign, runs: tuple[RunView, ...]) -> CampaignView:
        """A draft or an archived campaign: nothing is remembered for it, so nothing can be said of its conditions."""
        says = f"It is {campaign.status}: nobody enters it."
        rule = Part(text=f"status: {campaign.status}", state="false", saw="nobody enters")
        return CampaignView(
            campaign=campaign.id,
            version="",
            status=campaign.status,
            why=campaign.why,
            says=says,
            entry=(),
            rules=(rule,),
            refused=(),
            runs=runs,
            sends=(),
            witnesses=(),
        )

    def _says(
        self,
        program: compiled.Campaign,
        body: bytes,
        entry: tuple[Part, ...],
        rules: tuple[Part, ...],
        runs: tuple[RunView, ...],
        refused: list[Decision],
        witnesses: tuple[Witness, ...],
    ) -> str:
        now = self._moment.now
        active = [run for run in runs if run.active]
        if active:
            since = words.moment(active[-1].entered, now)
            more = f" ({len(active)} runs in all)" if len(active) > 1 else ""
            return f"In it since {since}{more}: {active[-1].now}."
        before = f" Last in it from {words.moment(runs[-1].entered, now)}: {runs[-1].now}." if runs else ""
        if not any(part.state == "true" for part in entry):
            pending = [part for part in entry if part.state == "pending"]
            if pending:
                first = min(pending, key=lambda part: part.until)
                return f"Not in it yet: `{first.text}` matches at {words.moment(first.until, now)} if nothing happens.{before}"
            return f"Not in it: {'; '.join(part.saw for part in entry)}.{before}"
        last = self._last_refusal(refused, runs)
        reason = refusal(self._moment, program, body)
        if last is not None and reason is None:
            when = words.moment(last.at, now)
            return f"Not in it: refused at {when}, {reason_text(last.reason)}; now it would enter.{before}"
        if reason is not None:
            failing = next((part for part in rules if part.state != "true"), None)
            seen = f": {_first_saw(failing)}" if failing is not None and _first_saw(failing) else ""
            return f"Not in it: {reason_text(reason)}{seen}.{before}"
        return f"Not in it now; at the next match it enters.{before}"

    def _last_refusal(self, refused: list[Decision], runs: tuple[RunView, ...]) -> Decision | None:
        """The last refusal, if no entry came after it, and if it was not for a run that is over by now."""
        last = refused[-1] if refused else None
        if last is None or last.reason in ("concurrency", "re_entry") or (runs and last.at < runs[-1].entered):
            return None
        return last


def _first_saw(part: Part) -> str:
    """What the first part that fails looked at."""
    if not part.parts:
        return part.saw + (f" ({part.nearest})" if part.nearest else "")
    failing = next((one for one in part.parts if one.state != "true"), part.parts[0])
    return _first_saw(failing) or part.saw
