"""A site's directory to its syntax tree, or to everything that is wrong with it (language.md §1)."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final
from unicodedata import normalize

import msgspec

from language.check.advise import advise
from language.letters.templates import SiteTemplates, read_templates
from language.site.context import Context, Places
from language.site.decode import Report
from language.site.read_campaign import read_campaign
from language.site.read_policy import PolicyParts, read_policy
from language.site.read_profile import read_profile
from language.site.read_steps import Sending
from language.site.yaml import BYTES_MAX, Value, YamlError, load_yaml
from language.syntax.ast import Campaign, Profile, Site
from language.syntax.problems import Problem, SiteErrors, did_you_mean, nearest
from language.syntax.vocabulary import RUN_PARTS
from templating.sources import TemplateSources

FILES_MAX: Final = 5_000

READINGS_MAX: Final = 10
"""Of a site's files, until two in a row are the same."""

_RULES: Final = ("policy.yaml", "profile.yaml")


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """A site without errors, and the advice on it."""

    site: Site
    advice: tuple[Problem, ...]
    places: Places


def load_site(path: Path) -> Site:
    """The site in a directory. Raises SiteErrors with every problem of all its files."""
    return check_site(path).site


def check_site(path: Path) -> Checked:
    """As `load_site`, and with the advice on what is allowed but probably not meant. Raises SiteErrors."""
    files = read_files(path)
    if not any(name.startswith("campaigns/") for name in files):
        raise _refused(str(path / "campaigns"), "there is no campaign: write one as campaigns/NAME.yaml")
    return _Reader(files, str(path)).site(_namesakes(path, files))


def read_site(files: Mapping[str, bytes], path: str = "", *, stored: bool = False) -> Checked:
    """A site from the contents of its files, by path relative to the site: what a program's `sources` give back.

    `stored`: they are those of a program that was served once, so what only a rendering of its letters would stumble over
    is no error. Raises SiteErrors.
    """
    return _Reader(files, path, renders=not stored).site()


def site_files(path: Path) -> list[Path]:
    """What a program is made of, in the site's directory."""
    found = [path / name for name in _RULES if (path / name).is_file()]
    found += sorted(file for file in (path / "campaigns").glob("*") if file.suffix in (".yaml", ".yml"))
    found += sorted(file for file in (path / "templates").rglob("*") if file.is_file())
    return [file for file in found if not file.name.startswith(".")]


def read_files(path: Path) -> dict[str, bytes]:
    """Return the contents of a site's files by path relative to the site, all as they were on disk at one moment. All that
    is made of a site is made of these bytes.

    Raises SiteErrors for what cannot be read.
    """
    if not path.is_dir():
        raise _refused(str(path), "there is no such directory; a site is a directory with `campaigns/` in it")
    before = _reading(path)
    for _ in range(READINGS_MAX):
        # Two readings that are the same: as it is in both, each file was at the moment between them.
        now = _reading(path)
        if now == before:
            return now
        before = now
    raise _refused(str(path), "its files are saved faster than they can be read: try again when they rest")


def _reading(path: Path) -> dict[str, bytes]:
    files = site_files(path)
    if len(files) > FILES_MAX:
        raise _refused(str(path), f"more than {FILES_MAX} files")
    read = ((file.relative_to(path).as_posix(), _content(file)) for file in files)
    return {name: content for name, content in read if content is not None}


def _content(file: Path) -> bytes | None:
    """None of a file that was taken away after it was listed."""
    try:
        with file.open("rb") as opened:
            return opened.read(BYTES_MAX + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _refused(str(file), f"cannot be read: {error.strerror}") from None


def _namesakes(path: Path, files: Mapping[str, bytes]) -> Iterator[Problem]:
    """Templates that differ in capitals or in how an accent is encoded: elsewhere they are one file, and one of them is lost."""
    first: dict[str, str] = {}
    for name in sorted(name for name in files if name.startswith("templates/")):
        other = first.setdefault(normalize("NFC", name).casefold(), name)
        if other != name:
            message = f"{other} and this have one name, but for capitals or accents: many systems keep only one of them, so rename one"
            yield Problem(file=(path / name).as_posix(), line=1, column=1, message=message)


def _refused(file: str, message: str) -> SiteErrors:
    return SiteErrors([Problem(file=file, line=1, column=1, message=message)])


class _Reader:
    def __init__(self, files: Mapping[str, bytes], path: str, *, renders: bool = True) -> None:
        self._files = files
        self._path = path
        self._report = Report()
        self._context = Context(report=self._report, renders=renders)
        self._sends: list[Sending] = []

    def site(self, found: Iterable[Problem] = ()) -> Checked:
        """`found`: what is known to be wrong already."""
        for problem in found:
            self._report.add(problem)
        profile = self._profile()
        policy = self._policy()
        templates = self._templates()
        campaigns = [made for name in sorted(self._files) if (made := self._campaign(name)) is not None]
        policy.check({campaign.id for campaign in campaigns}, self._context)
        if templates is not None:
            for sending in self._sends:
                self._check_template(sending, templates)
        if self._report.failed:
            raise SiteErrors(self._report.problems)
        site = Site(
            path=self._path,
            campaigns=tuple(campaigns),
            profile=profile,
            policy=policy.rules,
            templates=None if templates is None else tuple(info for _, info in sorted(templates.infos.items())),
            sources=tuple(
                (name, data.decode("utf-8-sig")) for name, data in sorted(self._files.items()) if _is_text(name)
            ),
            letters=TemplateSources() if templates is None else templates.sources,
        )
        for problem in advise(site, self._context.places):
            self._report.add(problem)
        return Checked(site=site, advice=SiteErrors(self._report.problems).problems, places=self._context.places)

    def _shown(self, name: str) -> str:
        return (Path(self._path) / name).as_posix() if self._path else name

    def _value(self, name: str) -> Value | None:
        if name not in self._files:
            return None
        try:
            return load_yaml(self._shown(name), self._files[name])
        except YamlError as error:
            for problem in error.problems:
                self._report.add(problem)
            return None

    def _profile(self) -> Profile:
        return read_profile(self._value("profile.yaml"), self._context)

    def _policy(self) -> PolicyParts:
        return read_policy(self._value("policy.yaml"), self._context)

    def _templates(self) -> SiteTemplates | None:
        """None: the site has none, and its sends are not rendered."""
        below = "templates/"
        files = {
            name.removeprefix(below): (self._shown(name), data)
            for name, data in self._files.items()
            if name.startswith(below)
        }
        return read_templates(files, self._context) if files else None

    def _campaign(self, name: str) -> Campaign | None:
        folder, _, file = name.rpartition("/")
        if folder != "campaigns":
            return None
        stem, _, suffix = file.rpartition(".")
        if suffix != "yaml":
            message = f"a campaign's file ends in .yaml: rename it {stem}.yaml"
            self._report.add(Problem(file=self._shown(name), line=1, column=1, message=message))
            return None
        value = self._value(name)
        if value is None:
            return None
        campaign, sends = read_campaign(value, stem, name, self._context)
        self._sends += sends
        return campaign

    def _check_template(self, sending: Sending, templates: SiteTemplates) -> None:
        step = sending.step
        key = (step.channel, step.template)
        ending = "html" if step.channel == "email" else "push.yaml"
        if (
            f"layouts/{step.template.removeprefix('layouts/')}.{ending}" in templates.layouts
            and key not in templates.infos
        ):
            layout = step.template.removeprefix("layouts/")
            self._report.at(
                sending.place, f"`{layout}` is a layout; a letter has `layout: {layout}` in its front matter"
            )
            return
        if key not in templates.infos:
            known = [name for channel, name in templates.infos if channel == step.channel]
            close: Sequence[str] = difflib.get_close_matches(step.template, known, n=1)
            hint = did_you_mean(close[0] if close else None)
            self._report.at(sending.place, f"there is no templates/{step.template}.{ending}{hint}")
            return
        given = [name for name, _ in step.data]
        for name in sorted(templates.data[key].difference(given)):
            hint = did_you_mean(nearest(name, given))
            message = f"templates/{step.template}.{ending} looks at `data.{name}`, which this send does not give, so it is skipped{hint}"
            self._report.at(sending.place, message, "advice")
        told = (*RUN_PARTS, *sorted(sending.made))
        for name in sorted(templates.run[key].difference(told)):
            hint = did_you_mean(nearest(name, told))
            message = f"templates/{step.template}.{ending} looks at `run.{name}`, which this campaign's runs have not, so it is skipped{hint}"
            self._report.at(sending.place, message, "advice")
        if step.channel == "email" and key not in templates.subjects and not step.subject:
            message = (
                f"templates/{step.template}.{ending} has no `subject:` between `---` lines, and the send gives none"
            )
            self._report.at(sending.place, message)


def _is_text(name: str) -> bool:
    """Whether the program depends on it; a picture beside the templates is none of its sources."""
    return name.endswith((".yaml", ".html", ".txt"))
