"""A partner joins, reads what there is, hears what changes, and leaves: over real sockets."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ocpi.testing import samples
from ocpi.testing.emsp import MockEMSP, Party, running
from tests.flows.process import Installation, offer, until

DATA = Path(__file__).parents[2] / "ocpi" / "testing" / "data"


@pytest.fixture
def installation(database_url: str, tmp_path: Path) -> Installation:
    return Installation(database_url, tmp_path)


@pytest.fixture
async def emsp() -> AsyncIterator[MockEMSP]:
    mock = MockEMSP((Party("DE", "MSP", "Test eMSP"),))
    async with running(mock):
        yield mock


@pytest.mark.req("CR-03", "CR-05", "CR-06", "CR-07", "LO-01", "LO-04", "TA-03")
async def test_a_partner_that_registers_is_told_everything_and_then_every_change(
    installation: Installation, emsp: MockEMSP
) -> None:
    location = samples.location(id="LOC1")
    async with installation.serving(), installation.admin() as admin:
        await admin.put("/locations/DE/CPO/LOC1", json=location)
        await admin.put("/tariffs/DE/CPO/TAR1", json=samples.tariff(id="TAR1"))
        offered = await offer(admin)
        await emsp.register(offered["versions_url"], offered["token"])
        await until(lambda: len(emsp.objects["locations"]) == 1 and bool(emsp.objects["tariffs"]))
        uid = location["evses"][0]["uid"]
        changed = await admin.patch(f"/locations/DE/CPO/LOC1/{uid}", json={"status": "CHARGING"})
        assert changed.status_code == 200, changed.text
        (stored,) = emsp.objects["locations"].values()
        await until(lambda: bool(stored["evses"][0]["status"] == "CHARGING"))
        assert [message.method for message in emsp.messages][-1] == "PATCH"
        await admin.delete("/tariffs/DE/CPO/TAR1")
        await until(lambda: not emsp.objects["tariffs"])
        ours = (await admin.get("/locations/DE/CPO/LOC1")).json()
    assert stored == ours
    assert emsp.violations == []


@pytest.mark.req("PG-10", "PG-13", "LO-01")
async def test_a_partner_pulls_all_real_stations_page_by_page(
    installation: Installation, emsp: MockEMSP
) -> None:
    reported = await installation.run_json(
        "station", "import", str(DATA / "locations-tesla-fr.json.gz")
    )
    assert (reported["new"], reported["refused"]) == (273, [])
    tariffs = await installation.run_json(
        "tariff", "import", str(DATA / "tariffs-tesla-fr.json.gz")
    )
    assert (tariffs["new"], tariffs["refused"]) == (273, [])
    async with installation.serving("--no-worker"), installation.admin() as admin:
        offered = await offer(admin)
        await emsp.register(offered["versions_url"], offered["token"])
        assert await emsp.pull() == {"locations": 273, "tariffs": 273, "sessions": 0, "cdrs": 0}
    evses = [evse for each in emsp.objects["locations"].values() for evse in each["evses"]]
    assert len(evses) == 4063
    assert emsp.violations == []


@pytest.mark.req("CR-01", "CR-04", "CR-12", "CR-15")
async def test_we_register_with_a_partner_rotate_tokens_and_leave(
    installation: Installation, emsp: MockEMSP
) -> None:
    async with installation.serving(), installation.admin() as admin:
        await admin.put("/locations/DE/CPO/LOC1", json=samples.location(id="LOC1"))
        theirs = {"name": "msp", "versions_url": emsp.versions_url, "token": emsp.token_a}
        connected = await admin.post("/partners/connect", json=theirs)
        assert connected.is_success, connected.text
        await until(lambda: len(emsp.objects["locations"]) == 1)
        before = set(emsp.tokens_in)
        rotated = await admin.post("/partners/msp/rotate")
        assert rotated.is_success, rotated.text
        assert set(emsp.tokens_in) != before
        await admin.put("/locations/DE/CPO/LOC2", json=samples.location(id="LOC2"))
        await until(lambda: len(emsp.objects["locations"]) == 2)
        await admin.delete("/partners/msp")
        assert emsp.peer is None
        assert (await admin.get("/partners")).json() == []
    assert emsp.violations == []


async def test_staff_do_it_all_by_the_command_line(sqlite_url: str, tmp_path: Path) -> None:
    installation = Installation(sqlite_url, tmp_path)
    words = ("--role", "EMSP", "--country-code", "DE", "--party-id", "MSP")
    offered = await installation.run_json("partner", "add", "msp", *words)
    assert offered.keys() == {"name", "platform", "versions_url", "token", "expires"}
    emsp = MockEMSP((Party("DE", "MSP", "Test eMSP"),))
    async with installation.serving(), running(emsp):
        await emsp.register(offered["versions_url"], offered["token"])
        shown = await installation.run_json("partner", "show", "msp")
        assert (shown["state"], shown["roles"][0]["name"]) == ("confirmed", "Test eMSP")
        (lane,) = await installation.run_json("push", "status")
        assert (lane["partner"], lane["state"], lane["behind"]) == ("msp", "active", 0)
        await installation.run("partner", "remove", "msp")
    assert await installation.run_json("partner", "list") == []
    assert emsp.peer is None
