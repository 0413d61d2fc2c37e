"""A site's files are read once, as they were at one moment: what is live, stored and rendered are one text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cuebird.playing.simulation import Simulation
from language.load import READINGS_MAX, check_site, load_site
from language.syntax.problems import SiteErrors

CAMPAIGN, LETTER = "campaigns/hello.yaml", "templates/hello.html"


def save(site: Path, words: str) -> None:
    """The campaign and its letter, which say the same words."""
    for file, text in (
        (CAMPAIGN, f"why: {words}\nentry: {{event: signed_up}}\nsteps: [{{send: {{email: hello}}}}]\n"),
        (LETTER, f"---\nsubject: Hello\n---\n<p>{words}</p>\n"),
    ):
        (site / file).parent.mkdir(exist_ok=True, parents=True)
        (site / file).write_text(text)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    save(tmp_path, "old")
    return tmp_path


def before_reading(monkeypatch: pytest.MonkeyPatch, file: str, do: Callable[[], None], times: int) -> None:
    """Does something each time just before that file is opened for reading, as another program might."""
    opened, left = Path.open, [times]

    def interrupted(self: Path, mode: str = "r", *args: Any, **named: Any) -> Any:
        if self.as_posix().endswith(file) and "r" in mode and left[0]:
            left[0] -= 1
            do()
        return opened(self, mode, *args, **named)

    monkeypatch.setattr(Path, "open", interrupted)


@pytest.mark.parametrize("times", [1, 2])
def test_a_save_between_two_files_is_in_the_site_whole(shop: Path, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    words = iter(["new", "newer"])
    before_reading(monkeypatch, LETTER, lambda: save(shop, next(words)), times)
    sources = dict(load_site(shop).sources)
    said = ["new", "newer"][times - 1]
    assert f"why: {said}\n" in sources[CAMPAIGN]
    assert f"<p>{said}</p>" in sources[LETTER]


def test_what_is_rendered_is_what_the_program_was_made_of_whatever_is_saved_since(shop: Path) -> None:
    played = Simulation(shop)
    played.track("ann", "signed_up")
    save(shop, "new")
    (sent,) = played.sent(to="ann@example.test")
    assert "<p>old</p>" in played.render(sent).html


def test_files_that_never_rest_are_not_waited_for(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = iter(map(str, range(100)))
    before_reading(monkeypatch, LETTER, lambda: save(shop, next(words)), 100)
    with pytest.raises(SiteErrors, match="saved faster than they can be read: try again when they rest"):
        check_site(shop)
    assert next(words) == str(READINGS_MAX + 1)


def test_a_file_that_is_taken_away_before_it_is_read_is_none_of_the_site(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop / "templates" / "gone.html").write_text("---\nsubject: Hello\n---\nBye")
    before_reading(monkeypatch, "gone.html", (shop / "templates" / "gone.html").unlink, 1)
    assert [name for name, _ in load_site(shop).sources] == [CAMPAIGN, LETTER]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("0o17", 15),
        ("0x1F", 31),
        ("5e1", 50.0),
        ("007", 7),
        ("yes", "yes"),
        ("2026-01-05", "2026-01-05"),
        ("[*twice, *twice]", ["x", "x"]),
    ],
)
def test_a_push_is_the_same_yaml_as_a_campaign(shop: Path, written: str, value: object) -> None:
    (shop / "templates" / "nudge.push.yaml").write_text(f"title: &twice x\nttl: {written}\n")
    (shop / CAMPAIGN).write_text("why: x\nentry: {event: signed_up}\nsteps: [{send: {push: nudge}}]\n")
    played = Simulation(shop)
    played.track("ann", "signed_up")
    (sent,) = played.sent(to="ann")
    assert played.render(sent).content == {"title": "x", "ttl": value}


def test_a_subject_that_looks_like_a_number_is_sent_as_it_is_written(shop: Path) -> None:
    (shop / LETTER).write_text("---\nsubject: 1.10\n---\n<p>Version</p>")
    played = Simulation(shop)
    played.track("ann", "signed_up")
    (sent,) = played.sent(to="ann@example.test")
    assert played.render(sent).subject == "1.10"


def test_two_templates_with_one_name_are_refused(shop: Path) -> None:
    for name in ("Hello.html", "Hello.txt", "café.html", "cafe\u0301.html"):
        (shop / "templates" / name).write_text("---\nsubject: Hello\n---\nHi")
    with pytest.raises(SiteErrors) as caught:
        check_site(shop)
    told = [str(problem) for problem in caught.value.problems]
    assert told == [
        f"{shop}/templates/café.html:1:1: templates/cafe\u0301.html and this have one name, but for capitals or accents: many "
        "systems keep only one of them, so rename one",
        f"{shop}/templates/hello.html:1:1: templates/Hello.html and this have one name, but for capitals or accents: many "
        "systems keep only one of them, so rename one",
    ]
