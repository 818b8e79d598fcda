"""A partner goes live: checked first, shown what it may see, and what it may not taken back."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from ocpi.testing import samples
from ocpi.testing.emsp import MockEMSP, Party, running
from ocpi.testing.mock.misbehaviour import Match, Rule
from tests.flows.process import Installation, offer, until


@pytest.fixture
def installation(database_url: str, tmp_path: Path) -> Installation:
    return Installation(database_url, tmp_path, settings={"OCPI_REQUIRE_CHECK": "true"})


async def publish(admin: httpx.AsyncClient) -> None:
    """Three Locations, two of them in France, and two Tariffs."""
    for name, country in (("A", "FRA"), ("B", "FRA"), ("C", "DEU")):
        evse = samples.evse(1, uid=f"{name}-1", connectors=[samples.connector(1)])
        location = samples.location(id=name, country=country, evses=[evse])
        answer = await admin.put(f"/locations/DE/CPO/{name}", json=location)
        assert answer.is_success, answer.text
    for name in ("T1", "T2"):
        await admin.put(f"/tariffs/DE/CPO/{name}", json=samples.tariff(id=name))


def statuses(emsp: MockEMSP) -> dict[str, str]:
    """What the partner believes of the one EVSE of each Location."""
    held = emsp.objects["locations"].values()
    return {each["id"]: each["evses"][0]["status"] for each in held}


async def listed(emsp: MockEMSP, module: str) -> tuple[list[str], str]:
    """What the partner gets when it asks for a list: ids, and X-Total-Count."""
    reply = await emsp.ask("GET", "SENDER", module)
    return [each["id"] for each in reply.data], reply.headers["x-total-count"]


def objections(emsp: MockEMSP) -> list[str]:
    """What the partner objects to, but for what the check asks wrongly on purpose."""
    meant = ("/versions", "yesterday", "there is nothing at")
    return [each for each in emsp.violations if not any(word in each for word in meant)]


async def settled(admin: httpx.AsyncClient) -> list[dict[str, Any]]:
    lanes: list[dict[str, Any]] = (await admin.get("/push")).json()
    return lanes


@pytest.mark.req("TR-22")
async def test_a_partner_gets_nothing_live_before_it_has_passed_its_check(
    installation: Installation,
) -> None:
    emsp = MockEMSP((Party("DE", "MSP", "Test eMSP"),))
    async with installation.serving(), installation.admin() as admin, running(emsp):
        await publish(admin)
        offered = await offer(admin)
        await emsp.register(offered["versions_url"], offered["token"])

        # Before the check: registered, and nothing live.
        refused = await emsp.ask("GET", "SENDER", "locations")
        assert (refused.http_status, refused.status_code) == (200, 2000)
        (lane,) = await settled(admin)
        assert lane["state"] == "unchecked"
        assert "ocpi partner check msp" in lane["reason"]
        assert "OCPI_REQUIRE_CHECK" in (await admin.get("/partners/msp")).json()["waits"]
        emsp.rules = [Rule("status", Match(path="sender/tokens"), http_status=500)]
        assert (await admin.post("/partners/msp/check")).json()["passed"] is False
        assert statuses(emsp) == {}

        # A rule that is there before anything is sent.
        words = ("partner", "rule", "add", "msp", "tariffs", "--id", "T2", "--hide")
        assert (await installation.run_json(*words))["hidden"] == 1
        emsp.rules = []
        page = installation.folder / "report.html"
        checked = await installation.run_json("partner", "check", "msp", "--html", str(page))
        assert checked["passed"], [c for c in checked["checks"] if c["outcome"] == "failed"]
        assert "Passed" in page.read_text()

        # It has passed: what has waited goes, and what is hidden does not.
        await until(lambda: len(statuses(emsp)) == 3 and bool(emsp.objects["tariffs"]))
        assert await listed(emsp, "tariffs") == (["T1"], "1")
        assert [key[2] for key in emsp.objects["tariffs"]] == ["T1"]
    assert objections(emsp) == []


@pytest.mark.req("TR-22", "LO-12", "PG-07")
async def test_a_partner_is_told_what_it_may_see_and_what_it_may_not_is_taken_back(
    database_url: str, tmp_path: Path
) -> None:
    installation = Installation(database_url, tmp_path)
    emsp = MockEMSP((Party("DE", "MSP", "Test eMSP"),))
    async with installation.serving(), installation.admin() as admin, running(emsp):
        await publish(admin)
        offered = await offer(admin)
        await emsp.register(offered["versions_url"], offered["token"])
        await until(lambda: len(statuses(emsp)) == 3 and len(emsp.objects["tariffs"]) == 2)
        await admin.post("/partners/msp/rules", json={"module": "tariffs", "id": "T1"})
        await until(lambda: len(emsp.objects["tariffs"]) == 1)

        # A rule that hides what it holds takes it back.
        await admin.post("/partners/msp/rules", json={"module": "locations", "country": "FR"})
        await until(lambda: statuses(emsp)["C"] == "REMOVED")
        assert statuses(emsp) == {"A": "AVAILABLE", "B": "AVAILABLE", "C": "REMOVED"}
        assert await listed(emsp, "locations") == (["A", "B"], "2")
        single = await emsp.ask("GET", "SENDER", "locations", "/C")
        assert (single.http_status, single.status_code) == (404, 2003)

        # So does a tag of ours; what it hides is not told when it changes.
        await installation.run("station", "tag", "B", "Fleet")
        rule = {"module": "locations", "hide": True, "tag": "fleet"}
        added = (await admin.post("/partners/msp/rules", json=rule)).json()
        await until(lambda: statuses(emsp)["B"] == "REMOVED")
        await admin.patch("/locations/DE/CPO/B/B-1", json={"status": "CHARGING"})
        await admin.patch("/locations/DE/CPO/A/A-1", json={"status": "BLOCKED"})
        await until(lambda: statuses(emsp)["A"] == "BLOCKED")
        assert statuses(emsp) == {"A": "BLOCKED", "B": "REMOVED", "C": "REMOVED"}

        # The preview is what the list is, with reasons.
        seen = await installation.run_json("partner", "preview", "msp", "locations")
        told = {each["object"]: each["visible"] for each in seen["objects"]}
        assert told == {"de*cpo*a": True, "de*cpo*b": False, "de*cpo*c": False}
        assert {each["reason"].partition(" with")[0] for each in seen["totals"]} == {
            "open to it",
            f"rule {added['rules'][-1]['number']} hides locations",
            "no rule shows it (rule 2 shows only locations",
        }

        # The tag goes, and with it the reason: the true state comes back.
        await admin.put("/location-tags/DE/CPO/B", json={"tags": []})
        await until(lambda: statuses(emsp)["B"] == "CHARGING")
        for number in (2, 3, 1):
            await admin.delete(f"/partners/msp/rules/{number}")
        await until(lambda: statuses(emsp)["C"] == "AVAILABLE")
        await until(lambda: len(emsp.objects["tariffs"]) == 2)
        verified = (await admin.post("/push/msp/verify")).json()
        assert verified["counts"]["equal"] == 5
        assert verified["findings"] == []
    assert objections(emsp) == []
