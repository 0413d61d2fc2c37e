"""`cuebird check`, `test` and `simulate`, as they are typed."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from click.testing import CliRunner, Result

from actors.model.event import Event
from cuebird.cli import main
from cuebird.settings.key_advice import TRUSTED_IDS
from cuebird.settings.new_keys import new_key, store_key
from persistence.interface import Commit, JournalEntry
from persistence.sqlite import SqliteStore

CAMPAIGN = """\
why: One reminder for a cart that is left.
entry: {event: product_added, re_entry: after 24h}
exit_when: [order_completed]
goal: {event: order_completed, within: 7d, value: total}
steps:
  - wait: {idle: 30m}
  - send: {email: reminder}
"""

SCENARIOS = """\
- scenario: a cart that is left
  events: {0s: product_added}
  expect: {sent: [{at: 30m}]}
- scenario: a cart that is bought
  events: {0s: product_added, 5m: order_completed}
  expect: {sent: []}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    for name in ("campaigns", "scenarios"):
        (tmp_path / name).mkdir()
    (tmp_path / "campaigns" / "reminder.yaml").write_text(CAMPAIGN)
    (tmp_path / "scenarios" / "reminder.yaml").write_text(SCENARIOS)
    return tmp_path


def cuebird(*arguments: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin, catch_exceptions=False)


def _number(text: str) -> int:
    return int(text.replace(",", ""))


# --- check --------------------------------------------------------------------------------------------------------


def test_a_site_that_is_fine_is_called_so(shop: Path) -> None:
    result = cuebird("check", shop)
    assert result.exit_code == 0
    first, second, *busiest = result.output.splitlines()
    assert first == f"{shop}: fine. 1 campaign, 0 segments, no templates (sends are not rendered), 2 scenarios."
    total, _, parts = second.removeprefix("At most ").partition(" bytes are remembered of a user, whatever is sent: ")
    sizes = {part.rpartition(" ")[0]: _number(part.rpartition(" ")[2]) for part in parts.rstrip(".").split(", ")}
    assert _number(total) == sum(sizes.values())
    assert list(sizes.values()) == sorted(sizes.values(), reverse=True)
    assert {"runs", "traits", "events", "message ids"} < sizes.keys()
    assert busiest == [
        "A user can get at least 1 message in a day, and at most 2 in a day of 24 hours.",
        "  from reminder",
        "  by product_added",
    ]


def test_every_problem_is_printed_and_the_exit_code_is_1(shop: Path) -> None:
    (shop / "campaigns" / "reminder.yaml").write_text(CAMPAIGN.replace("idle: 30m", "idel: 30m").replace("why", "whi"))
    result = cuebird("check", shop)
    assert result.exit_code == 1
    assert "reminder.yaml:1:1: a campaign has no key `whi`; did you mean `why`?" in result.output
    assert "reminder.yaml:6:12: `wait` has no key `idel`; did you mean `idle`?" in result.output
    assert result.output.splitlines()[-1] == "3 errors"


def test_check_finds_what_is_wrong_with_the_scenarios_too(shop: Path) -> None:
    (shop / "scenarios" / "reminder.yaml").write_text(SCENARIOS.replace("sent", "snet"))
    assert "there is no decision `snet`; did you mean `sent`?" in cuebird("check", shop).output


def test_check_finds_a_filter_that_no_template_has(shop: Path) -> None:
    (shop / "templates").mkdir()
    (shop / "templates" / "reminder.html").write_text("---\nsubject: Hello\n---\n{{ user.name | shout }}\n")
    result = cuebird("check", shop)
    assert result.exit_code == 1
    assert "templates/reminder.html:4:16: there is no filter `shout`" in result.output


def test_check_finds_what_is_wrong_in_every_file_at_once(shop: Path) -> None:
    (shop / "campaigns" / "reminder.yaml").write_text(CAMPAIGN.replace("idle: 30m", "idel: 30m"))
    (shop / "templates").mkdir()
    (shop / "templates" / "reminder.html").write_text("---\nsubject: Hello\n---\n{{ user.name | shout }}\n")
    (shop / "cuebird.toml").write_text("[server]\nprot = 3\n")
    result = cuebird("check", shop)
    assert result.exit_code == 1
    assert "`wait` has no key `idel`; did you mean `idle`?" in result.output
    assert "templates/reminder.html:4:16: there is no filter `shout`" in result.output
    assert "cuebird.toml:2: there is no setting `server.prot`; did you mean `server.port`?" in result.output
    assert result.output.splitlines()[-1] == "3 errors"
    found = json.loads(cuebird("check", shop, "--json").output)
    assert (found["ok"], len(found["problems"])) == (False, 3)


def test_problems_as_json_keep_their_places(shop: Path) -> None:
    (shop / "campaigns" / "reminder.yaml").write_text(CAMPAIGN.replace("idle: 30m", "idle: 30x"))
    found = json.loads(cuebird("check", shop, "--json").output)
    (problem,) = found["problems"]
    assert (found["ok"], problem["line"], problem["column"], problem["severity"]) == (False, 6, 18, "error")
    (shop / "campaigns" / "reminder.yaml").write_text(CAMPAIGN)
    assert json.loads(cuebird("check", shop, "--json").output)["campaigns"] == {"reminder": "live"}


def test_a_site_whose_pages_can_prove_nothing_is_advised_to_sign(shop: Path) -> None:
    write, proof = new_key("write", "web"), new_key("proof", "")
    store_key(shop, write)
    result = cuebird("check", shop)
    assert result.exit_code == 0
    line = (shop / "cuebird.toml").read_text().splitlines().index("[[keys.write]]") + 1
    told = f"{(shop / 'cuebird.toml').as_posix()}:{line}:1: advice: there are write keys and no proof key"
    assert told in result.output
    store_key(shop, proof)
    assert "advice" not in cuebird("check", shop).output


def test_what_trusting_anonymous_ids_means_is_told(shop: Path) -> None:
    with (shop / "policy.yaml").open("a") as file:
        file.write("\ntrust_anonymous_ids: true\n")
    found = json.loads(cuebird("check", shop, "--json").output)["problems"]
    assert [(one["severity"], one["message"][:30]) for one in found] == [("advice", TRUSTED_IDS[:30])]
    (shop / "cuebird.toml").write_text("[server]\ndev = true\n")
    assert "advice" not in cuebird("check", shop).output


def test_the_schema_of_a_file_is_printed_for_an_editor() -> None:
    assert json.loads(cuebird("check", "--schema", "campaign").output)["title"] == "Cuebird campaign"
    assert cuebird("check", "--schema", "poem").exit_code == 2


def sent_on(rows_of: Result, day: str) -> int:
    return sum(row["decision"] == "sent" and row["at"].startswith(day) for row in rows(rows_of))


@pytest.mark.parametrize(
    ("policy", "first_line", "sent"),
    [
        ("caps: [{limit: 3, per: day}]", "A user gets at most 3 messages in a day: the caps let no more through.", 3),
        (
            "caps: [{limit: 2, per: 12h}]",
            "A user gets at most 4 messages in a day of 24 hours: the caps let no more through.",
            4,
        ),
        (
            "{}",
            "No cap and no `re_entry` limits how many messages a user gets in a day: each `product_viewed` brings one more of viewed. "
            "Found: 8 messages in one day.",
            8,
        ),
    ],
)
def test_the_busiest_day_of_a_user_can_be_played(
    shop: Path, tmp_path: Path, policy: str, first_line: str, sent: int
) -> None:
    (shop / "policy.yaml").write_text(policy)
    viewed = """\
why: For views that matter, by people who do.
entry: {event: product_viewed where time_spent > 30, if: 'user.plan = "gold" and count(order_completed, last 30d) >= 2'}
steps: [{send: {push: viewed}}]
"""
    quiet = "why: x\nentry: {event: no activity for 9d}\nsteps: [{send: {email: a}}, {wait: {for: 1h}}, {send: {email: b}}]\n"
    (shop / "campaigns" / "viewed.yaml").write_text(viewed)
    (shop / "campaigns" / "quiet.yaml").write_text(quiet)
    file = tmp_path / "witness.jsonl"
    result = cuebird("check", shop, "--witness", file)
    told = result.output.splitlines()
    assert told[2] == first_line
    assert told[-1].startswith(f"  cuebird simulate {shop} --events {file} --until 2026-02-15T00:00:00.000Z")
    played = cuebird("simulate", shop, "--events", file, "--until", "2026-02-15T00:00:00Z", "--json")
    assert sent_on(played, "2026-02-14") == sent
    found = json.loads(cuebird("check", shop, "--json").output)["busiest_day"]
    assert found["messages"] == sent
    written = [json.loads(line) for line in file.read_text().splitlines()]
    assert written == found["events"]


def test_no_event_of_the_busiest_day_can_be_spared(shop: Path, tmp_path: Path) -> None:
    file = tmp_path / "witness.jsonl"
    cuebird("check", shop, "--witness", file)
    known, only = file.read_bytes().splitlines(keepends=True)
    assert sent_on(cuebird("simulate", shop, "--events", "-", "--json", stdin=known + only), "2026-02-14") == 1
    assert sent_on(cuebird("simulate", shop, "--events", "-", "--json", stdin=only), "2026-02-14") == 0


def test_events_that_nobody_sends_are_told(shop: Path, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(lines(message("ann", "add to cart", "2026-01-05T10:00:00Z")))
    told = cuebird("check", shop, "--seen", file).output.splitlines()
    place = f"{shop}/campaigns/reminder.yaml"
    assert [line for line in told if "advice" in line] == [
        f"{place}:3:13: advice: no event `order_completed` was ever seen",
    ]
    file.write_bytes(
        lines(message("ann", "add_to_cart", "2026-01-05T10:00:00Z"), message("ann", "purchase", "2026-01-05T10:00:00Z"))
    )
    assert "advice" not in cuebird("check", shop, "--seen", file).output


@pytest.mark.anyio
async def test_a_database_knows_what_was_seen(shop: Path, tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "cuebird.db")
    await store.open()
    event = Event(user="ann", name="order_completed", message_id="m1", occurred=1_000)
    await store.commit(Commit(entries=[JournalEntry(1, 1_000, event)]))
    await store.close()
    result = await anyio.to_thread.run_sync(lambda: cuebird("check", shop, "--seen", tmp_path / "cuebird.db"))
    assert "reminder.yaml:2:16: advice: no event `product_added` was ever seen" in result.output
    assert "`order_completed`" not in result.output


def test_what_was_seen_must_be_readable(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "seen").write_bytes(gzip.compress(lines(*EVENTS) * 50)[:60])
    result = cuebird("check", shop, "--seen", tmp_path / "seen")
    assert (result.exit_code, "breaks off after line 0" in result.output) == (1, True)
    assert cuebird("check", shop, "--seen", tmp_path / "nothing").exit_code == 2
    assert cuebird("check", shop, "--witness", tmp_path / "no" / "file").exit_code == 2


# --- test ---------------------------------------------------------------------------------------------------------


def test_each_scenario_is_named_and_the_last_line_counts(shop: Path) -> None:
    result = cuebird("test", shop)
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "ok      a cart that is left",
        "ok      a cart that is bought",
        "2 passed, 0 failed",
    ]


def test_a_scenario_that_fails_shows_why_and_the_exit_code_is_1(shop: Path) -> None:
    (shop / "scenarios" / "reminder.yaml").write_text(SCENARIOS.replace("30m", "31m"))
    result = cuebird("test", shop)
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "FAILED  a cart that is left",
        f"  {shop}/scenarios/reminder.yaml:1",
        "  sent: expected 1 row, came 1 row",
        "      expected   actual",
        "    ! at 31m     at 30m  campaign reminder  step send reminder  template reminder  user ann",
        "                 ^^^^^^",
        "ok      a cart that is bought",
        "1 passed, 1 failed",
    ]


def test_part_of_a_name_chooses_scenarios(shop: Path) -> None:
    assert cuebird("test", shop, "-k", "BOUGHT").output.splitlines()[-1] == "1 passed, 0 failed"
    assert cuebird("test", shop, "-k", "nothing like it").exit_code == 1


def test_results_as_json(shop: Path) -> None:
    found = json.loads(cuebird("test", shop, "--json").output)
    assert (found["passed"], found["failed"], len(found["scenarios"])) == (2, 0, 2)


# --- simulate -----------------------------------------------------------------------------------------------------


def message(user: str, event: str, at: str, **more: Any) -> dict[str, Any]:
    return {"type": "track", "event": event, "userId": user, "timestamp": at, "messageId": f"{user}{event}{at}", **more}


EVENTS = [
    {"type": "identify", "userId": "ann", "traits": {"email": "ann@example.test", "consent": {"marketing": True}}, "timestamp": "2026-01-05T09:00:00Z"},
    message("ann", "Product Added", "2026-01-05T10:00:00Z", properties={"product_id": "A", "price": 60}),
    message("ann", "Order Completed", "2026-01-05T12:00:00Z", properties={"total": 60}),
    message("bob", "add_to_cart", "2026-01-05T10:00:30Z"),
    message("bob", "purchase", "2026-01-05T10:10:00Z", properties={"total": 5}),
    message("cat", "add_to_cart", "2026-01-05T11:00:00Z"),
]  # fmt: skip


def lines(*messages: object) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in messages)


def rows(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_recorded_events_give_the_ledger_and_the_same_bytes_twice(shop: Path, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(lines(*EVENTS))
    result = cuebird("simulate", shop, "--events", file, "--json")
    assert result.exit_code == 0
    (sent,) = (row for row in rows(result) if row["decision"] == "sent")
    assert list(sent) == [
        "at", "user", "campaign", "version", "run", "step", "decision", "reason", "channel", "template", "variant", "message",
        "detail",
    ]  # fmt: skip
    assert (sent["at"], sent["user"], sent["template"]) == ("2026-01-05T10:30:00.000Z", "ann", "reminder")
    assert cuebird("simulate", shop, "--events", file, "--json").stdout_bytes == result.stdout_bytes


def test_order_packing_and_way_in_change_nothing(shop: Path, tmp_path: Path) -> None:
    plain = cuebird("simulate", shop, "--events", "-", "--json", stdin=lines(*EVENTS))
    packed = tmp_path / "events"
    packed.write_bytes(gzip.compress(lines(*reversed(EVENTS))))
    assert cuebird("simulate", shop, "--events", packed, "--json").stdout == plain.stdout != ""


def test_the_summary_says_what_a_shop_owner_asks(shop: Path) -> None:
    result = cuebird("simulate", shop, "--events", "-", stdin=lines(*EVENTS))
    assert result.output.splitlines() == [
        "6 events from 2026-01-05 09:00 to 2026-01-05 12:00; then time ran to 2026-02-04 12:00",
        "3 people, 1 of them with an e-mail address",
        "",
        "What happened          times     people",
        "  product_added            3          3",
        "  order_completed          2          2",
        "  identify                 1          1",
        "",
        "reminder: One reminder for a cart that is left.",
        "  entered                3  by 3 people",
        "  sent                   1  1 by email",
        "  not sent               1  no consent 1",
        "  goal reached           2  worth 65.00",
        "  ended                  3  all steps done 2, the goal was reached 1",
        "  entry to send        30m  median",
        "",
        "What is odd in the data",
        "  3 messages stood after a later one",
        "  2 of 3 product_added (67%) have no price, so `cart.value` does not count them",
        "  1 of 1 people who left a cart (100%) told no e-mail address",
    ]


def test_the_summary_tells_of_rules_and_rollouts(shop: Path) -> None:
    (shop / "policy.yaml").write_text("caps: [{limit: 1, per: 1h}]\n")
    (shop / "campaigns" / "seen.yaml").write_text(
        "why: x\nstatus: canary 100%\nentry: {event: page_viewed, concurrency: parallel}\n"
        "steps: [{split: {id: s, variants: {a: {weight: 1, do: []}, b: {weight: 0, do: []}}}}, {send: {push: seen}}]\n"
    )
    (shop / "campaigns" / "rehearsal.yaml").write_text(
        "why: y\nstatus: shadow\nentry: {event: page_viewed}\nsteps: [{send: {push: seen}}]\n"
    )
    views = [message("ann", "page_viewed", f"2026-01-05T12:0{minute}:00Z") for minute in range(2)]
    told = cuebird("simulate", shop, "--events", "-", stdin=lines(EVENTS[0], *views)).output.splitlines()
    start = told.index("rehearsal (shadow): y")
    assert told[start : start + 5] == [
        "rehearsal (shadow): y",
        "  entered                2  by 1 person",
        "  sent                   0",
        "  had to wait            1  a cap was full 1",
        "  not sent               2  a shadow sends nothing 2",
    ]
    start = told.index("seen (canary 100%): x")
    assert told[start + 1 : start + 5] == [
        "  entered                2  by 1 person",
        "  assigned               2  a 2",
        "  sent                   2  2 by push",
        "  had to wait            1  a cap was full 1",
    ]


def test_a_message_comes_when_it_was_received_and_happened_at_its_timestamp(shop: Path) -> None:
    late = message("ann", "product_added", "2026-01-05T10:00:00Z", receivedAt="2026-01-05T10:20:00Z")
    (entered, *_) = rows(cuebird("simulate", shop, "--events", "-", "--json", stdin=lines(late)))
    assert entered["at"] == "2026-01-05T10:20:00.000Z"


def test_bad_lines_are_left_out_and_named(shop: Path) -> None:
    bad = b'not json\n{"type":"track","event":"x","userId":"u"}\n[]\n\n{"type":"track","userId":"u","timestamp":1767607200}\n'
    bad += lines(
        message("u", "x", "2026-01-05T10:00:00Z", receivedAt={"of": "a wrong type"}),
        {"type": ["track"], "userId": "u", "timestamp": 1767607200},
    )
    nobody = lines({"type": "track", "event": "x", "timestamp": "2026-01-05T10:00:00Z"})
    result = cuebird("simulate", shop, "--events", "-", stdin=bad + nobody + lines(*EVENTS))
    assert result.exit_code == 0
    told = result.stderr.splitlines()
    assert [line.split(":")[:2] for line in told] == [
        ["line 1", " invalid_json"],
        ["line 2", " invalid_timestamp"],
        ["line 3", " type_error"],
        ["line 5", " no_event"],
        ["line 6", " invalid_timestamp"],
        ["and 1 other line that could not be read"],
    ]
    assert "6 of 14 lines could not be read" in result.stdout
    assert "1 message with neither userId nor anonymousId" in result.stdout


def test_half_an_emoji_in_a_file_is_read_as_a_server_would_read_it(shop: Path) -> None:
    torn = [message(user, "product_added", "2026-01-05T10:00:00Z", properties={"name": "caf\ud83d"}) for user in "ab"]
    named = message("u\ud83d", "product_added", "2026-01-05T10:00:00Z")
    result = cuebird("simulate", shop, "--events", "-", stdin=lines(*torn, named))
    assert result.exit_code == 0
    assert [line.split(":")[:2] for line in result.stderr.splitlines()] == [["line 3", " bad_string"]]


def test_until_is_a_time_or_a_duration_after_the_last_event(shop: Path) -> None:
    def sent(until: str) -> int:
        events = lines(EVENTS[0], EVENTS[1])
        result = cuebird("simulate", shop, "--events", "-", "--json", "--until", until, stdin=events)
        assert result.exit_code == 0
        return sum(row["decision"] == "sent" for row in rows(result))

    assert (sent("29m"), sent("30m")) == (0, 1)
    assert (sent("2026-01-05T10:29:59Z"), sent("2026-01-05T10:30:00Z")) == (0, 1)
    assert cuebird("simulate", shop, "--events", "-", "--until", "soon", stdin=lines(*EVENTS)).exit_code == 2


@pytest.mark.parametrize("stdin", [b"", b"x\n", gzip.compress(lines(*EVENTS) * 50, mtime=0)[:60]])
def test_a_file_without_events_is_not_fine(shop: Path, stdin: bytes) -> None:
    assert cuebird("simulate", shop, "--events", "-", stdin=stdin).exit_code == 1


def test_a_file_that_is_not_there_is_a_mistake_in_the_command(shop: Path, tmp_path: Path) -> None:
    assert cuebird("simulate", shop, "--events", tmp_path / "nothing").exit_code == 2
