"""The commands `ocpi push ...`, and the same in the admin API."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator

import pytest
from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from typer.testing import CliRunner

from modules.locations.store import locations
from ocpi.cli import app
from ocpi.headers import Party
from ocpi.opening import open_context
from ocpi.parties import Partner, PartnerEndpoint
from ocpi.push.feed import Change, changed
from ocpi.push.lanes import ParkedObject, PartnerLane, open_lane
from ocpi.push.verifying import Verdict, Verification
from ocpi.testing import samples
from tests.house import OURS, OWNER, add_partner, open_service
from tests.plainlog import log_plainly

KEY = "locations/nl*tnm*loc1"
BILL = "cdrs/nl*tnm*cdr-1"


@pytest.fixture
def installation(monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> Iterator[None]:
    """Set the environment of an installation whose partner has refused two objects."""
    for name, value in {
        "BASE_URL": "https://ocpi.example",
        "DATABASE_URL": sqlite_url,
        "SECRET_KEY": "k" * 32,
        "COUNTRY_CODE": "NL",
        "PARTY_ID": "TNM",
    }.items():
        monkeypatch.setenv(f"OCPI_{name}", value)
    monkeypatch.setenv("COLUMNS", "200")
    asyncio.run(_fill())
    yield
    # Commands log to the standard error that a test's runner gave them and has closed by now.
    log_plainly()


async def _fill() -> None:
    async with open_context() as context:
        partner_id = await add_partner(context.database, "shiny", "token-in")
        async with context.database.write() as db:
            await refuse(db, partner_id)


async def _hold_locations() -> None:
    """Have six Locations, and a partner at an address that is never called."""
    async with open_context() as context, context.database.write() as db:
        partner = (await db.exec(select(Partner))).one()
        partner.token_out = context.seal.close("token-out")
        db.add(partner)
        url = "https://127.0.0.1/locations"
        endpoint = {"identifier": "locations", "role": "RECEIVER", "url": url}
        db.add(PartnerEndpoint(partner_id=partner.key, **endpoint))
        for number in range(6):
            document = {**samples.location(id=f"L{number}"), **OWNER}
            await locations.put(db, OURS, f"L{number}", document)
            await changed(db, Change("locations", f"nl*tnm*l{number}"))


async def refuse(db: AsyncSession, partner_id: int, *keys: str) -> None:
    await open_lane(db, partner_id)
    for key in keys or (KEY, BILL):
        db.add(
            ParkedObject(
                partner_id=partner_id,
                object_key=key,
                seq=1,
                kind="rejected",
                attempts=3,
                next_at=9,
                first_failed_at=0,
            )
        )


def run(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ("push", *words), catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


def kinds() -> list[str]:
    return [each["kind"] for each in json.loads(run("parked", "shiny", "--json")[1])]


@pytest.mark.usefixtures("installation")
def test_a_table_that_goes_into_a_pipe_breaks_no_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS")
    key = f"locations/nl*tnm*{'x' * 36}/{'y' * 36}/{'z' * 36}"

    async def refuse_long() -> None:
        async with open_context() as context, context.database.write() as db:
            await refuse(db, (await db.exec(select(Partner))).one().key, key)

    asyncio.run(refuse_long())
    code, stdout, _ = run("parked", "shiny")
    assert code == 0
    assert key in stdout
    assert len(stdout.splitlines()) == 2
    assert not any(line.endswith(" ") for line in stdout.splitlines())


@pytest.mark.usefixtures("installation")
def test_staff_give_up_retry_and_rewind() -> None:
    assert "is not told" in run("drop", "shiny", KEY)[1]
    code, _, stderr = run("drop", "shiny", BILL)
    assert (code, "would never be paid" in stderr) == (1, True)
    assert run("drop", "shiny", BILL, "--force")[0] == 0
    assert kinds() == ["dropped", "dropped"]
    said = {"retried": 1, "paused_until": None}
    assert json.loads(run("retry", "shiny", KEY, "--json")[1]) == said
    assert sorted(kinds()) == ["dropped", "rejected"]
    assert "dropped" in run("parked", "shiny")[1]
    assert run("retry", "shiny")[1] == "1 parked objects are tried again.\n"
    since = ("--since", "2026-01-15T10:00:00Z", "--json")
    assert json.loads(run("rewind", "shiny", *since)[1]) == {"rewound": "shiny", "since": None}
    # What was given up, and not named since, stays so.
    assert kinds() == ["dropped"]
    assert run("rewind", "shiny")[1] == "shiny is told everything again.\n"
    code, _, stderr = run("rewind", "shiny", "--since", "yesterday")
    assert (code, "is no moment such as" in stderr) == (1, True)


async def _ask_for_a_pause(until: int) -> None:
    async with open_context() as context, context.database.write() as db:
        await db.exec(update(PartnerLane).values(paused_until=until))


@pytest.mark.pitfall("IP-38")
@pytest.mark.usefixtures("installation")
def test_staff_see_the_pause_that_a_partner_has_asked_for() -> None:
    asyncio.run(_ask_for_a_pause(4_102_444_800_000_000))
    pause = "It has asked for a pause until 2100-01-01T00:00:00Z."
    assert pause in run("status")[1].replace("\n", "")
    assert run("retry", "shiny")[1] == f"2 parked objects are tried again after that: {pause}\n"
    (lane,) = json.loads(run("status", "--json")[1])
    assert lane["paused_until"] == "2100-01-01T00:00:00Z"
    asyncio.run(_ask_for_a_pause(1))
    (lane,) = json.loads(run("status", "--json")[1])
    assert lane["paused_until"] is None
    assert run("retry", "shiny")[1] == "2 parked objects are tried again.\n"


@pytest.mark.usefixtures("installation")
def test_what_a_partner_holds_is_compared() -> None:
    asyncio.run(_hold_locations())
    code, stdout, _ = run("verify", "shiny", "--limit", "1", "--rate", "100", "--json")
    done = json.loads(stdout)
    assert code == 1
    assert (done["counts"]["incomparable"], done["after"]) == (1, "locations/nl*tnm*l0")
    assert done["findings"][0]["why"] in run("verify", "shiny", "--rate", "100")[1].replace(
        "\n", ""
    )
    code, stdout, _ = run("verify", "shiny", "--rate", "100", "--after", done["after"])
    assert code == 1
    assert "5 incomparable" in stdout
    assert "shiny failed too often: " in stdout
    assert "There may be more: --after locations/nl*tnm*l5" in stdout
    assert run("verify", "shiny", "--module", "cdrs")[0] == 1
    assert run("verify", "shiny", "--module", "tariffs")[0] == 0


@pytest.mark.parametrize(
    ("verdict", "stopped", "clean"),
    [
        (Verdict.EQUAL, None, True),
        (Verdict.BEHIND, None, True),
        (Verdict.DIFFERENT, None, False),
        (Verdict.MISSING, None, False),
        (Verdict.INCOMPARABLE, None, False),
        (Verdict.EQUAL, "It failed.", False),
    ],
)
def test_a_comparison_that_found_something_or_stopped_early_is_not_clean(
    verdict: Verdict, stopped: str | None, *, clean: bool
) -> None:
    done = Verification(Counter({Verdict.EQUAL: 5, verdict: 1}), stopped=stopped)
    assert done.is_clean is clean


async def test_the_admin_api_does_the_same(sqlite_url: str) -> None:
    async with open_service(sqlite_url) as service:
        partner_id = await add_partner(service.database, "shiny", "token-in", Party("DE", "SHY"))
        async with service.database.write() as db:
            await refuse(db, partner_id)

        async def post(path: str, **query: str) -> int:
            answer = await service.admin.post(f"/admin/push/shiny/{path}", params=query)
            return answer.status_code

        answer = await service.admin.post("/admin/push/shiny/retry")
        assert answer.json() == {"retried": 2, "paused_until": None}
        assert await post("drop", key=KEY) == 204
        assert await post("drop", key=KEY + "x") == 404
        assert await post("drop", key=BILL) == 409
        assert await post("drop", key=BILL, force="true") == 204
        assert await post("rewind", since="yesterday") == 400
        async with service.database.read() as db:
            found = await db.exec(select(col(ParkedObject.kind)))
            assert found.all() == ["dropped", "dropped"]
        assert await post("rewind", since="2026-01-15T10:00:00Z") == 204
