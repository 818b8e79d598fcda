"""What commands write, and how they end."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ocpi.cli import app
from ocpi.terminal import opened
from tests.plainlog import log_plainly


@pytest.fixture
def _settings(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "OCPI_DATABASE_URL": sqlite_url,
        "OCPI_SECRET_KEY": "k" * 32,
        "OCPI_COUNTRY_CODE": "NL",
        "OCPI_PARTY_ID": "TNM",
    }.items():
        monkeypatch.setenv(name, value)


def write(path: Path, text: str = "new") -> None:
    with opened("--output", path) as file:
        file.write(text)


def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    link.symlink_to(file)
    for text in ("first", "second"):
        write(link, text)
        assert link.is_symlink()
        assert file.read_text() == text
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "link"]


def test_what_is_no_regular_file_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write(pipe)
    reader.join(10)
    assert read == ["new"]
    assert pipe.is_fifo()


def test_what_cannot_be_written_is_said_and_what_fails_leaves_what_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, sentence in {
        ".": "--output . is a folder: name a file in it.",
        "nowhere/x": "--output nowhere/x: there is no folder nowhere",
        "x" * 252: f"--output {'x' * 252} cannot be written: File name too long.",
    }.items():
        with pytest.raises(ValueError, match="--output") as refused:
            write(Path(name))
        assert str(refused.value) == sentence
    file = Path("file")
    file.write_text("old")
    with pytest.raises(TypeError), opened("--output", file) as half:
        half.writelines(["new", None])  # type: ignore[list-item]
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
    assert file.read_text() == "old"


@pytest.mark.usefixtures("_settings")
def test_a_partner_is_not_checked_where_the_report_cannot_be_written() -> None:
    words = ["partner", "check", "nobody", "--html"]
    done = CliRunner().invoke(app, [*words, "/nowhere/report.html"])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "error: --html /nowhere/report.html: there is no folder /nowhere\n"
    log_plainly()


@pytest.mark.usefixtures("_settings")
@pytest.mark.parametrize("words", ["messages", "cdr export", "party list", "observe rules"])
def test_a_command_ends_quietly_where_nobody_reads_what_it_prints(words: str) -> None:
    unread, told = os.pipe()
    os.close(unread)
    run = "from ocpi.start import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", run, *words.split()],
        stdout=told,
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    os.close(told)
    # As a shell has it of a program that SIGPIPE ends.
    assert (done.returncode, done.stderr) == (141, b"")
