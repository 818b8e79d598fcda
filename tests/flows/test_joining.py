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
        offered = await offer(installation)
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
    async with installation.serving("--no-worker"):
        offered = await offer(installation)
        await emsp.register(offered["versions_url"], offered["token"])
        assert await emsp.pull() == {"locations": 273, "tariffs": 273}
    evses = [evse for each in emsp.objects["locations"].values() for evse in each["evses"]]
    assert len(evses) == 4063
    assert emsp.violations == []


@pytest.mark.req("CR-01", "CR-04", "CR-12", "CR-15")
async def test_we_register_with_a_partner_rotate_tokens_and_leave(
    installation: Installation, emsp: MockEMSP
) -> None:
    async with installation.serving(), installation.admin() as admin:
        await admin.put("/locations/DE/CPO/LOC1", json=samples.location(id="LOC1"))
        words = ("--versions-url", emsp.versions_url, "--token", emsp.token_a)
        await installation.run("partner", "connect", "msp", *words)
        await until(lambda: len(emsp.objects["locations"]) == 1)
        before = set(emsp.tokens_in)
        await installation.run("partner", "rotate", "msp")
        assert set(emsp.tokens_in) != before
        await admin.put("/locations/DE/CPO/LOC2", json=samples.location(id="LOC2"))
        await until(lambda: len(emsp.objects["locations"]) == 2)
        await installation.run("partner", "remove", "msp")
        assert emsp.peer is None
        assert await installation.run_json("partner", "list") == []
    assert emsp.violations == []
