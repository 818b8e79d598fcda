"""`ocpi user`: adding, listing, changing and removing staff."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from ocpi.console.staff import Person, Role, person_of, sign_in
from ocpi.console.staffcli import user_app
from ocpi.database import Database
from tests.plainlog import log_plainly


@pytest.fixture(autouse=True)
def installation(monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> Iterator[None]:
    """Set the environment of an installation without a database yet."""
    monkeypatch.setenv("OCPI_BASE_URL", "https://ocpi.example")
    monkeypatch.setenv("OCPI_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("OCPI_SECRET_KEY", "k" * 32)
    monkeypatch.setenv("COLUMNS", "200")
    yield
    # Commands log to the standard error that a test's runner gave them and has closed by now.
    log_plainly()


def run(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(user_app, words, catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


def run_json(*words: str) -> Any:
    code, stdout, stderr = run(*words, "--json")
    assert (code, stderr) == (0, "")
    return json.loads(stdout)


def signed_in(url: str, name: str, password: str) -> Person | None:
    async def act() -> Person | None:
        database = Database(url)
        try:
            return await person_of(database, await sign_in(database, name, password))
        finally:
            await database.close()

    return asyncio.run(act())


def test_who_is_added_is_told_where_to_sign_in_with_which_password(sqlite_url: str) -> None:
    code, stdout, _ = run("add", "anna")
    assert code == 0
    assert "anna signs in at https://ocpi.example/console with the password" in stdout
    assert "It is not shown again. A sign-in lasts 12 hours." in stdout
    person = signed_in(sqlite_url, "anna", stdout.splitlines()[2].strip())
    assert person is not None
    assert person.role == Role.VIEWER


def test_for_machines_the_password_is_a_member(sqlite_url: str) -> None:
    added = run_json("add", "bert", "--role", "admin")
    assert added | {"password": ""} == {
        "name": "bert",
        "password": "",
        "url": "https://ocpi.example/console",
    }
    person = signed_in(sqlite_url, "bert", added["password"])
    assert person is not None
    assert person.role == Role.ADMIN


def test_a_reset_gives_another_password(sqlite_url: str) -> None:
    old = run_json("add", "anna")["password"]
    new = run_json("reset", "anna")["password"]
    assert new != old
    assert signed_in(sqlite_url, "anna", new) is not None


def test_staff_are_listed_with_their_roles() -> None:
    assert run_json("list") == []
    run("add", "anna")
    run("set", "anna", "--role", "operator")
    listed = run_json("list")
    assert [(each["name"], each["role"]) for each in listed] == [("anna", "operator")]
    assert "password" not in str(listed)
    assert listed[0]["added"].endswith("Z")
    _, table, _ = run("list")
    assert "operator" in table


def test_who_is_removed_is_not_listed() -> None:
    run("add", "anna")
    assert run("remove", "anna")[:2] == (0, "anna is removed.\n")
    assert run_json("list") == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["add", "anna"], "anna is there already"),
        (["add", "two words"], "A name has 1 to 64 letters"),
        (["reset", "nobody"], "There is no nobody"),
        (["remove", "nobody"], "There is no nobody"),
        (["set", "nobody", "--role", "admin"], "There is no nobody"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(words: list[str], sentence: str) -> None:
    run("add", "anna")
    code, _, stderr = run(*words)
    assert code == 1
    assert sentence in stderr
