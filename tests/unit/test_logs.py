"""What the log looks like to those who collect it, and what it never tells."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
import warnings
from collections.abc import Callable, Iterator

import pytest

from cuebird.serving.starting import off
from cuebird.settings.config import Settings
from cuebird.settings.logs import LogSettings, discreet, set_up
from delivery.settings import DeliverySettings, SmtpSettings

log = logging.getLogger("cuebird.tested")


Listen = Callable[[LogSettings], io.StringIO]


@pytest.fixture
def listen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listen]:
    """Sets the log up, and hears what is written to stderr; the log is put back after."""
    root, text = logging.getLogger(), io.StringIO()
    before, level = list(root.handlers), root.level

    def begin(settings: LogSettings) -> io.StringIO:
        monkeypatch.setattr(sys, "stderr", text)
        set_up(settings)
        return text

    yield begin
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(False)


def fail() -> None:
    try:
        raise ValueError("the first line\nand the second")
    except ValueError:
        log.exception("it failed for %s", "ann@example.test")


def test_an_error_of_many_lines_is_one_line_with_its_time_level_and_logger(listen: Listen) -> None:
    said = listen(LogSettings())
    fail()
    (line,) = said.getvalue().splitlines()
    assert re.match(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ERROR cuebird\.tested: it failed for a…@example\.test\\nTraceback",
        line,
    )
    assert line.endswith(r"ValueError: the first line\nand the second")


def test_as_json_the_trace_is_a_field_of_the_record(listen: Listen) -> None:
    said = listen(LogSettings(format="json"))
    fail()
    log.info("%d users", 3, extra={"fields": {"users": 3, "level": "not this one"}})
    error, figures = map(json.loads, said.getvalue().splitlines())
    assert (error["level"], error["logger"], error["message"]) == (
        "error",
        "cuebird.tested",
        "it failed for a…@example.test",
    )
    assert error["trace"].startswith("Traceback")
    assert (figures["users"], figures["level"]) == (3, "info")


def test_nothing_secret_or_personal_is_told() -> None:
    text = "to ann.lee@shop.example and <b@x.y> with sk_abcDEF-123_4, wk_public9 and eyJhbGciOi.eyJzdWIi.c2ln: 451 (a=c@d.e)"
    assert discreet(text) == "to a…@shop.example and <b…@x.y> with sk_…, wk_… and eyJ…: 451 (a=c…@d.e)"
    assert (
        discreet("cuebird serves /srv/shop at http://127.0.0.1:8700")
        == "cuebird serves /srv/shop at http://127.0.0.1:8700"
    )


def test_no_line_can_be_forged_by_what_is_told(listen: Listen) -> None:
    said = listen(LogSettings())
    log.warning("%s", "one\n2026-01-01T00:00:00.000Z INFO cuebird: two\r\x1b[2J\u2028three")
    (line,) = said.getvalue().splitlines()
    assert line.endswith(r"one\n2026-01-01T00:00:00.000Z INFO cuebird: two\u000d\u001b[2J\u2028three")


def test_statements_with_what_is_in_them_are_told_at_no_level(listen: Listen) -> None:
    said = listen(LogSettings(level="debug"))
    logging.getLogger("aiosqlite").debug("INSERT %s", "the life of ann")
    log.debug("this is told")
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.warn("and so is this", UserWarning, stacklevel=1)
    assert [line.split(" ")[1:3] for line in said.getvalue().splitlines()] == [
        ["DEBUG", "cuebird.tested:"],
        ["WARNING", "py.warnings:"],
    ]


def test_set_up_twice_each_record_is_told_once(listen: Listen) -> None:
    listen(LogSettings())
    said = listen(LogSettings(level="warning"))
    log.info("less than is asked for")
    log.warning("once")
    assert len(said.getvalue().splitlines()) == 1


def test_what_is_off_is_told_with_what_puts_it_on() -> None:
    told = list(
        off(Settings(smtp=SmtpSettings(from_address=""), delivery=DeliverySettings(utm=False, track_clicks=False)))
    )
    assert [text.split(":")[0].split(" is not")[0] for text in told] == [
        "no proof key",
        "smtp.from_address",
        "switched off",
    ]
    assert told[-1] == "switched off: delivery.track_clicks, delivery.utm"
    assert "cuebird keys new proof" in told[0]
