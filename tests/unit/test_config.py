"""Settings: where they come from, and what an operator is told when they are wrong."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from cuebird.cli import main
from cuebird.settings.config import OFF_AT_ZERO, ConfigError, flat, load, require_servable, shown

SECRET = "0123456789abcdef0123456789abcdef"


def site(tmp_path: Path, toml: str = "") -> Path:
    (tmp_path / "cuebird.toml").write_text(toml)
    return tmp_path


def problems(tmp_path: Path, toml: str = "", environment: dict[str, str] | None = None, **flags: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(site(tmp_path, toml), environment, flags)
    return list(caught.value.problems)


def test_a_site_without_settings_has_the_defaults(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    assert loaded.settings.server.port == 8700
    assert loaded.settings.delivery.public_url == "http://127.0.0.1:8700"
    assert loaded.origins == {}


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    path = site(tmp_path, '[server]\nhost = "a.example"\nport = 1\n[smtp]\nhost = "b.example"\n')
    environment = {"CUEBIRD_SERVER__PORT": "2", "CUEBIRD_SMTP__HOST": "c.example", "HOME": "/x", "CUEBIRD_OTHER": "y"}
    loaded = load(path, environment, {"server.port": 3, "server.host": None})
    assert (loaded.settings.server.host, loaded.settings.server.port) == ("a.example", 3)
    assert loaded.settings.smtp.host == "c.example"
    assert loaded.origins == {
        "server.host": "cuebird.toml:2",
        "server.port": "--port",
        "smtp.host": "CUEBIRD_SMTP__HOST",
    }


def test_the_environment_is_text_and_means_numbers_truths_and_lists(tmp_path: Path) -> None:
    environment = {
        "CUEBIRD_SERVER__DEV": "true",
        "CUEBIRD_SMTP__CONNECT_S_MAX": "2.5",
        "CUEBIRD_SERVER__OLD_SECRETS": "one, two",
    }
    settings = load(tmp_path, environment).settings
    assert settings.server.dev is True
    assert settings.smtp.connect_s_max == 2.5
    assert settings.server.old_secrets == ("one", "two")


def test_a_secret_is_read_from_the_file_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2\n")
    environment = {
        "CUEBIRD_SMTP__PASSWORD_FILE": str(tmp_path / "password"),
        "CUEBIRD_SMTP__CA_FILE": "/etc/ca.pem",
    }
    settings = load(tmp_path, environment).settings
    assert settings.smtp.password == "hunter2"
    assert settings.smtp.ca_file == "/etc/ca.pem"


def test_a_secret_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "", {"CUEBIRD_SMTP__PASSWORD_FILE": "/nowhere/password"})
    assert problem.startswith("CUEBIRD_SMTP__PASSWORD_FILE: cannot read the file it names")


def test_keys_are_tables_of_the_file(tmp_path: Path) -> None:
    toml = """
[[keys.write]]
name = "shop"
value = "wk_1"
allowed_origins = ["https://shop.example"]
[[keys.server]]
name = "backend"
sha256 = "ab"
"""
    ring = load(site(tmp_path, toml)).settings.key_ring()
    assert ring.write_keys[0].allowed_origins == ("https://shop.example",)
    assert ring.server_keys[0].name == "backend"
    assert not ring.dev


@pytest.mark.parametrize(
    ("toml", "problem"),
    [
        ('[smtp]\nhots = "x"', "cuebird.toml:2: there is no setting `smtp.hots`; did you mean `smtp.host`?"),
        ('\n\n[server]\nport = "80"', "cuebird.toml:4: `server.port`: expected `int`, got `str`"),
        ("[server]\nport = 70000", "cuebird.toml:2: `server.port` must be 0 to 65535, not 70000"),
        ("[engine]\nlive_actors_max = 0", "cuebird.toml:2: `engine.live_actors_max` must be more than 0, not 0"),
        ("[ingress]\nping_ms = -5", "cuebird.toml:2: `ingress.ping_ms` must be more than 0, not -5"),
        (
            '[smtp]\nsecurity = "ssl"',
            "cuebird.toml:2: `smtp.security` is 'none', 'starttls' or 'tls', not 'ssl'; did you mean 'tls'?",
        ),
        ("server = 3", "cuebird.toml:1: `server` is a section: write [server] and its settings below"),
        (
            '[server]\npublic_url = "shop.example"',
            "cuebird.toml:2: `server.public_url` must begin with https:// or http://, not 'shop.example'",
        ),
        (
            '[[keys.write]]\nname = "shop"\norigins = []',
            "cuebird.toml:1: `keys.write` number 1: there is no `origins`; did you mean `allowed_origins`?",
        ),
        (
            '[[keys.write]]\nvalue = "wk_1"',
            "cuebird.toml:1: `keys.write` number 1: Object missing required field `name`",
        ),
        ("[server\nport = 1", "cuebird.toml: Expected ']' at the end of a table declaration (at line 1, column 8)"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_the_way_out(tmp_path: Path, toml: str, problem: str) -> None:
    assert problems(tmp_path, toml) == [problem]


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    found = problems(tmp_path, "[server]\nport = 'x'\n[store]\npaht = 'y'", {"CUEBIRD_SMTP__PROT": "1"})
    assert len(found) == 3
    assert any(problem.startswith("CUEBIRD_SMTP__PROT: there is no setting `smtp.prot`") for problem in found)


def test_a_name_that_resembles_nothing_is_answered_with_what_there_is(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "[store]\nxyzzy = 1")
    assert (
        problem
        == "cuebird.toml:2: there is no setting `store.xyzzy`; there are: store.path, store.index_users, store.machine, store.journal_keep_days, store.journal_bytes_max, store.backtest_days"
    )


def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such directory"):
        load(tmp_path / "nowhere")


def test_every_limit_has_its_unit_and_is_more_than_nothing(tmp_path: Path) -> None:
    units = ("_max", "_ms", "_events", "_url", "port")
    for key, value in flat(load(tmp_path).settings):
        if key.startswith(("engine.", "ingress.")):
            assert key.endswith(units), key
            assert isinstance(value, int)
            assert value > 0 or key in OFF_AT_ZERO, key


def test_a_rate_may_be_off_and_not_below_that(tmp_path: Path) -> None:
    for key in OFF_AT_ZERO:
        name = key.removeprefix("ingress.")
        folder = tmp_path / name
        folder.mkdir()
        ((_, value),) = [pair for pair in flat(load(site(folder, f"[ingress]\n{name} = 0")).settings) if pair[0] == key]
        assert value == 0
        wrong = problems(folder, f"[ingress]\n{name} = -1")
        assert wrong == [f"cuebird.toml:2: `{key}` must be 0 (no limit) or more, not -1"]


# --- may a server start ---


def servable(tmp_path: Path, toml: str) -> list[str]:
    try:
        require_servable(load(site(tmp_path, toml)).settings)
    except ConfigError as error:
        return list(error.problems)
    return []


def test_a_server_needs_a_secret_and_a_key(tmp_path: Path) -> None:
    assert servable(tmp_path, f'[server]\nsecret = "{SECRET}"\n[[keys.server]]\nname = "b"\nvalue = "sk_1"') == []
    found = servable(tmp_path, '[server]\nsecret = "short"')
    assert "`server.secret` needs at least 32 bytes" in found[0]
    assert "there are no keys" in found[1]


def test_development_mode_is_for_loopback_only(tmp_path: Path) -> None:
    assert servable(tmp_path, "[server]\ndev = true") == []
    (problem,) = servable(tmp_path, '[server]\ndev = true\nhost = "0.0.0.0"')
    assert "needs a loopback address, not '0.0.0.0'" in problem


# --- the command ---

TOML = f"""
[server]
secret = "{SECRET}"
old_secrets = ["{SECRET}", "another of thirty-two bytes and more"]
[smtp]
password = "hunter2"
[[keys.server]]
name = "backend"
value = "sk_very_secret"
[[keys.proof]]
key = "{SECRET}"
"""


def test_the_command_prints_the_result_as_toml_and_hides_secrets(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["config", str(site(tmp_path, TOML))], env={"CUEBIRD_SMTP__HOST": "mail.example"})
    assert result.exit_code == 0, result.output
    for secret in (SECRET, "hunter2", "sk_very_secret"):
        assert secret not in result.output
    assert 'host = "mail.example"  # CUEBIRD_SMTP__HOST' in result.output
    assert 'secret = "(hidden)"  # cuebird.toml:3' in result.output
    assert 'old_secrets = ["(hidden)", "(hidden)"]  # cuebird.toml:4' in result.output
    document = tomllib.loads(result.output)
    assert document["server"]["port"] == 8700
    assert document["keys"]["server"] == [{"name": "backend", "sha256": "", "value": "(hidden)"}]


def test_a_list_that_is_empty_is_printed_as_one(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["config", str(site(tmp_path, "[server]\nport = 8701\n"))])
    assert "old_secrets = []" in result.output.splitlines()


def test_the_command_prints_json(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["config", "--json", str(site(tmp_path, TOML))])
    assert json.loads(result.output) == json.loads(json.dumps(shown(load(tmp_path).settings)))
    assert "hunter2" not in result.output


def test_the_command_names_what_is_wrong_and_fails(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["config", str(site(tmp_path, "[smtp]\nhots = 1"))])
    assert result.exit_code == 1
    assert "did you mean `smtp.host`?" in result.output
