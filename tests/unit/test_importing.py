"""The past out of a file: lines become historical messages, and a recording that holds some starts nothing with them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cuebird.cli import main
from cuebird.playing.parallel_play import rows
from cuebird.playing.recordings import read_replay
from cuebird.transfer.importing import BATCH_BYTES_MAX, BATCH_EVENTS_MAX, ImportedLine, Refused, batches, message_of
from ingress.messages.messages import Normalizer
from language.compiler.compile import compile_site
from language.load import read_site

DAY = 86_400_000
THANKS = "why: a test\nentry: {event: order_completed}\nsteps: [{send: {push: hello}}]"


def message(line: str) -> dict[str, Any]:
    made = message_of(1, line.encode())
    assert isinstance(made, ImportedLine)
    return dict(json.loads(made.message))


def test_a_line_becomes_a_message_of_the_past_whose_numbers_are_as_they_were() -> None:
    line = '{"type":"track","userId":"u","event":"a","messageId":"m","properties":{"n":12345678901234567890.50}}'
    made = message_of(3, line.encode())
    assert isinstance(made, ImportedLine)
    assert b"12345678901234567890.50" in made.message
    assert message(line) | {"historical": False} == json.loads(line) | {"historical": False}
    assert message(line)["historical"] is True


@pytest.mark.parametrize("line", ['{"event":"a","userId":"u"}', '{"event":"a","userId":"u","messageId":null}'])
def test_a_line_without_an_id_has_the_same_one_whenever_it_is_sent(line: str) -> None:
    assert message(line)["messageId"] == message(line + "\n")["messageId"]
    assert message(line)["messageId"] != message(line.replace('"u"', '"v"'))["messageId"]


def test_an_id_in_another_spelling_stays() -> None:
    line = '{"event":"a","user_id":"u","message_id":"mine","ts":1700000000}'
    made = json.dumps(message(line))
    (event,) = Normalizer().batch(made, received_at=1_800_000_000_000).events
    assert (event.message_id, event.historical, event.occurred) == ("mine", True, 1_700_000_000_000)


@pytest.mark.parametrize(
    ("line", "code"), [("{", "invalid_json"), ("[1]", "invalid_json"), ("x" * 300_000, "too_long")]
)
def test_a_line_that_is_no_message_is_refused_by_its_number(line: str, code: str) -> None:
    made = message_of(7, line.encode())
    assert isinstance(made, Refused)
    assert (made.line, made.code) == (7, code)


def test_a_batch_is_bounded_in_lines_and_in_bytes() -> None:
    small = [ImportedLine(number, b"x") for number in range(2 * BATCH_EVENTS_MAX + 1)]
    assert [len(one) for one in batches(small)] == [BATCH_EVENTS_MAX, BATCH_EVENTS_MAX, 1]
    large = [ImportedLine(number, b"x" * (BATCH_BYTES_MAX // 2)) for number in range(3)]
    assert [len(one) for one in batches(large)] == [2, 1]


def test_a_server_that_is_not_there_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cuebird.transfer.importing.ATTEMPTS_MAX", 1)
    file = tmp_path / "past.jsonl"
    file.write_text('{"event":"a","userId":"u","timestamp":1700000000}\n')
    result = CliRunner().invoke(main, ["import", "events", str(file), "--to", "http://127.0.0.1:1"])
    assert result.exit_code == 1
    assert "stopped after line 0: the server cannot be reached" in result.output
    assert "CUEBIRD_SERVER_KEY" in result.output
    assert "--from-line 1" in result.output


def test_lines_of_the_past_in_a_recording_start_no_run_and_are_remembered() -> None:
    site = read_site({"campaigns/thanks.yaml": THANKS.encode(), "policy.yaml": b"consent: {marketing: opt_out}"}).site
    told = [
        {
            "type": "track",
            "userId": user,
            "event": "Order Completed",
            "timestamp": 100 * DAY + number,
            "historical": past,
        }
        for number, (user, past) in enumerate((("ann", True), ("bob", False), ("ann", True)))
    ]
    replay = read_replay(io.BytesIO("\n".join(map(json.dumps, told)).encode()), {})
    assert replay.bad == []
    ledger = [json.loads(row) for row in rows(compile_site(site), replay.arrivals, 101 * DAY)]
    assert {row["user"] for row in ledger if row["decision"] == "entered"} == {"bob"}
