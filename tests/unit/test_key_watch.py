"""Keys of a site that is served: followed as cuebird.toml is changed."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from cuebird.serving.key_watch import KeyWatch
from cuebird.settings.config import load
from ingress.principals.keys import Denied, KeyRing

ONE = '[[keys.server]]\nname = "one"\nvalue = "sk_one"\n'
TWO = '[[keys.server]]\nname = "two"\nvalue = "sk_two"\n'


class Served:
    def __init__(self, site: Path, text: str) -> None:
        self.file = site / "cuebird.toml"
        self.file.write_text(text)
        self.ring: KeyRing = load(site).settings.key_ring()
        self.changes = 0
        self.watch = KeyWatch(site, self.ring)
        self.watch.changed = self._changed

    def _changed(self) -> None:
        self.changes += 1

    def write(self, text: str) -> None:
        """Anew, as another file, so that it differs however coarse the file system's clock is."""
        half = self.file.with_suffix(".new")
        half.write_text(text)
        half.replace(self.file)

    def looks(self, times: int) -> int:
        """How many changes there have been after so many looks."""
        for _ in range(times):
            self.watch.look()
        return self.changes

    def lets_in(self, token: str) -> bool:
        try:
            self.ring.speaker(token, now=0)
        except Denied:
            return False
        return True


@pytest.fixture
def served(tmp_path: Path) -> Served:
    return Served(tmp_path, ONE)


def test_a_new_key_is_let_in_and_a_revoked_one_is_not(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    served.write(TWO)
    with caplog.at_level(logging.INFO):
        assert served.looks(2) == 1
    assert (served.lets_in("sk_one"), served.lets_in("sk_two")) == (False, True)
    assert "revoked: server one " in caplog.text
    assert "new: server two " in caplog.text


def test_half_an_edit_puts_nobody_out(served: Served) -> None:
    served.write("# not written yet\n")
    assert served.looks(1) == 0
    served.write(ONE + TWO)
    assert served.looks(1) == 0
    assert served.looks(1) == 1
    assert served.lets_in("sk_one")


def test_a_file_that_is_emptied_to_be_written_anew_revokes_nothing(served: Served) -> None:
    served.write("")
    assert served.looks(5) == 0
    served.file.unlink()
    assert served.looks(5) == 0
    assert served.lets_in("sk_one")


def test_a_file_that_cannot_be_read_leaves_the_keys_as_they_are_and_says_why(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    served.write(TWO + "[smpt]\nhost = 'x'\n")
    assert served.looks(4) == 0
    assert served.lets_in("sk_one")
    (record,) = caplog.records
    assert "the keys are not read again, those before count on: cuebird.toml:" in record.getMessage()


def test_another_setting_changes_no_key(served: Served) -> None:
    served.write(ONE + "[server]\nport = 8701\n")
    assert served.looks(3) == 0


def test_the_last_key_can_be_revoked_too_and_the_log_says_that_there_is_none(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    served.write("# no keys\n")
    assert served.looks(2) == 1
    assert not served.lets_in("sk_one")
    assert "there are no keys" in caplog.text
