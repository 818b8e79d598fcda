"""A backup made under load is restored: nothing is billed twice, and partners converge."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from ocpi.testing import samples
from tests.flows.process import until
from tests.flows.test_charging import Yard, a_yard
from tests.postgres import find_binaries

START = {"type": "start", "evse_uid": "EVSE-1", "connector_id": "1", "kwh": 1}


async def test_after_a_restore_stations_report_again_and_partners_are_billed_once(
    database_url: str, tmp_path: Path, empty_postgres_url: str
) -> None:
    async with a_yard(database_url, tmp_path) as yard:
        async with yard.installation.serving():
            await yard.begin()
            await _charge(yard, "T1", "08")
            await until(lambda: len(yard.held("cdrs")) == 1)
            await back_up(yard, tmp_path / "backup")
            await yard.admin.patch("/locations/DE/CPO/LOC-1/EVSE-1", json={"status": "BLOCKED"})
            await _charge(yard, "T2", "10")
            await until(lambda: len(yard.held("cdrs")) == 2)
            await until(lambda: _status(yard) == "BLOCKED")
        told = {cdr["id"] for cdr in yard.held("cdrs")}
        await restore(yard, tmp_path / "backup", empty_postgres_url)
        async with yard.installation.serving():
            (first,) = await yard.listed("cdrs")
            assert _status(yard) == "BLOCKED"
            await yard.admin.patch("/locations/DE/CPO/LOC-1/EVSE-1", json={"status": "CHARGING"})
            await _charge(yard, "T2", "10")
            await until(lambda: _status(yard) == "CHARGING")
            parked = await _settled(yard)
            listed = await yard.listed("cdrs")
    assert first["id"] in told
    assert {cdr["id"] for cdr in listed} == told
    assert {cdr["id"] for cdr in yard.held("cdrs")} == told
    # The bill was made anew, so it is not the same to the letter; staff sees that it was refused.
    (again,) = parked
    assert "was sent before and differs" in again["error"]
    # What it had was told again; nothing else was amiss.
    assert [
        each for each in yard.emsp.violations if again["object"].split("*")[2] not in each
    ] == []


# It starts ten commands one after the other, each of them a process.
@pytest.mark.timeout(300)
async def test_a_database_in_use_is_not_replaced_and_a_broken_backup_is_not_taken(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with a_yard(sqlite_url, tmp_path) as yard:
        async with yard.installation.serving():
            await yard.begin()
            await yard.installation.run("backup", "good")
            assert "in use: stop every" in await _refused(yard, "restore", "good")
            assert "there already" in await _refused(yard, "backup", "good")
        whole = (tmp_path / "good").read_bytes()
        (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
        (tmp_path / "other").write_text("nothing")
        assert "no backup" in await _refused(yard, "restore", "other")
        assert "cut is" in await _refused(yard, "restore", "cut")
        before = (tmp_path / "ocpi.sqlite").stat().st_ino
        assert "not there" in await _refused(yard, "restore", "absent")
        assert (tmp_path / "ocpi.sqlite").stat().st_ino == before
        await yard.installation.run("restore", "good")
        (partner,) = await yard.installation.run_json("partner", "list")
    assert partner["state"] == "confirmed"
    assert (tmp_path / "ocpi.sqlite.before-restore-1").exists()


async def test_postgresql_is_backed_up_by_its_own_tools(postgres_url: str, tmp_path: Path) -> None:
    async with a_yard(postgres_url, tmp_path) as yard:
        assert "pg_dump --format=custom" in await _refused(yard, "backup", "file")
        assert "pg_restore" in await _refused(yard, "restore", "file")


async def _charge(yard: Yard, transaction: str, hour: str) -> None:
    """A whole session, told as a station's backend tells it, each time the same."""
    day = "2026-03-01T"
    card = {"uid": samples.token()["uid"]}
    reports: list[dict[str, Any]] = [
        {**START, "transaction_id": transaction, "at": f"{day}{hour}:00:00Z", "token": card},
        {"type": "stop", "transaction_id": transaction, "kwh": 3, "at": f"{day}{hour}:30:00Z"},
    ]
    results = await yard.report(*reports)
    assert [each["result"] for each in results] == ["taken", "taken"], results


def _status(yard: Yard) -> str:
    (location,) = yard.held("locations")
    status: str = location["evses"][0]["status"]
    return status


async def _settled(yard: Yard) -> list[Any]:
    """What is parked once the partner has been told everything else."""
    while True:
        (lane,) = (await yard.admin.get("/push")).json()
        if not lane["behind"]:
            parked: list[Any] = (await yard.admin.get("/push/msp/parked")).json()
            return parked
        await asyncio.sleep(0.1)


async def _refused(yard: Yard, *words: str) -> str:
    process = await yard.installation.start(*words)
    _, errors = await process.communicate()
    assert process.returncode == 1
    return " ".join(errors.decode().split())


async def back_up(yard: Yard, file: Path) -> None:
    url = make_url(yard.installation.database_url)
    if url.get_backend_name() == "sqlite":
        await yard.installation.run("backup", str(file))
    else:
        await _postgres(url.render_as_string(hide_password=False), "pg_dump", "-Fc", "-f", file)


async def restore(yard: Yard, file: Path, new: str) -> None:
    """Restore as DEPLOYMENT.md has it: on PostgreSQL into a new, empty database."""
    if make_url(yard.installation.database_url).get_backend_name() == "sqlite":
        await yard.installation.run("restore", str(file))
    else:
        await _postgres(new, "pg_restore", "--exit-on-error", file)
        yard.installation.database_url = new


async def _postgres(url: str, tool: str, *words: str | Path) -> None:
    binary = find_binaries() / tool
    if not binary.exists():
        pytest.skip(f"there is no {tool} beside the PostgreSQL server that was found")
    command = [binary, "--dbname", url.replace("+asyncpg", ""), *words]
    await asyncio.to_thread(subprocess.run, command, check=True)
