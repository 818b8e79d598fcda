"""The databases that tests get."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import URL, Connection, make_url

from ocpi.database import Database
from tests import postgres


async def test_every_test_gets_an_empty_database_of_its_own(empty_database_url: str) -> None:
    database = Database(empty_database_url)

    def run(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE driver (name TEXT)"))
        connection.execute(text("INSERT INTO driver VALUES ('Ada')"))
        names = connection.execute(text("SELECT name FROM driver"))
        assert names.scalars().all() == ["Ada"]

    async with database.engine.begin() as connection:
        await connection.run_sync(run)
    await database.close()


def test_a_database_is_gone_when_its_test_is_over(
    postgres_server: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "OCPI_TEST_POSTGRES_URL", postgres_server.render_as_string(hide_password=False)
    )
    with postgres.running_server() as server, postgres.fresh_database(server) as url:
        names = "SELECT string_agg(datname, ' ') FROM pg_database"
        name = make_url(url).database
        assert name in str(postgres.execute(server, names)).split()
    assert name not in str(postgres.execute(server, names)).split()


def test_a_named_server_that_is_not_there_fails_instead_of_another_being_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OCPI_TEST_POSTGRES_URL", "postgresql://nobody@/none?host=/nowhere")
    with (
        pytest.raises(postgres.PostgresMissingError, match="OCPI_TEST_POSTGRES_URL names no"),
        postgres.running_server(),
    ):
        pass


def test_without_any_server_the_sentence_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(postgres, "INSTALLED", tmp_path)
    monkeypatch.setattr(postgres, "_wheel_binaries", list)
    with pytest.raises(postgres.PostgresMissingError, match="apt-get install postgresql"):
        postgres.find_binaries()
