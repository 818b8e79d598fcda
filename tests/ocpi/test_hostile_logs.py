"""What partners write cannot steer who reads the log."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import pytest

from ocpi.messages import log, plain, set_up_logging
from tests.plainlog import log_plainly

HOSTILE = "\x1b[2J\x1b]0;owned\x07 \u202e\r\nGET /ok 200 \x9b31m"
STEERING = ("\x1b", "\x07", "\u202e", "\r", "\x9b")


@pytest.fixture(autouse=True)
def _reset() -> Iterator[None]:
    yield
    log_plainly()


def fail() -> None:
    raise ValueError(HOSTILE)


def write() -> None:
    log.warning("refused", path=HOSTILE, partner="acme\x1b[31m")
    try:
        fail()
    except ValueError:
        log.exception("crash")


@pytest.mark.threat("TA-23")
def test_on_a_terminal_control_characters_are_spelled_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    set_up_logging("DEBUG")
    write()
    # Colours of the log's own are no text of a partner's.
    shown = capsys.readouterr().err
    assert "acme\\x1b[31m" in shown
    assert "ValueError: \\x1b[2J" in shown
    for each in STEERING[1:]:
        assert each not in shown, ascii(each)
    assert "\x1b[2J" not in shown
    assert "\x1b]0" not in shown


@pytest.mark.threat("TA-23")
def test_elsewhere_each_line_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("DEBUG")
    write()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert json.loads(lines[0])["path"] == HOSTILE
    assert not any(each in line for line in lines for each in ("\x1b", "\x07", "\r"))


def test_line_breaks_and_letters_of_any_language_stay() -> None:
    assert plain("Straße 1\n充电站\t") == "Straße 1\n充电站\\x09"
