"""What staff do at the console, from the first click on, with a partner that really answers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Page

from ocpi.testing import samples
from ocpi.testing.emsp import Match, MockEMSP, Party, Rule, running
from tests.browser.conftest import Site
from tests.flows.process import until
from tests.house import OWNER

LOCATION = "/admin/locations/NL/TNM/LOC-1"


@pytest.fixture
async def emsp() -> AsyncIterator[MockEMSP]:
    mock = MockEMSP((Party("FR", "MOB", "Mobilité"),))
    mock.issue_token(samples.token(country_code="FR", party_id="MOB", uid="CARD-1"))
    async with running(mock):
        yield mock


@pytest.fixture
async def joined(working: Site, emsp: MockEMSP) -> MockEMSP:
    """Give the mock eMSP as the registered partner `mobil`."""
    role = {"role": "EMSP", "country_code": "FR", "party_id": "MOB"}
    answer = await working.service.admin.post(
        "/admin/partners", json={"name": "mobil", "roles": [role]}
    )
    assert answer.is_success, answer.text
    offered = answer.json()
    await emsp.register(offered["versions_url"], offered["token"])
    return emsp


async def put(site: Site, path: str, document: dict[str, Any]) -> None:
    answer = await site.service.admin.put(path, json=document)
    assert answer.is_success, answer.text


async def logged(site: Site, name: str) -> None:
    """Wait until what was told of an object is in the message log."""
    criteria = {"object": name, "direction": "OUT"}
    async with asyncio.timeout(20):
        # The log is written once a second, which nobody is told of.
        while not (await site.service.admin.get("/admin/messages", params=criteria)).json():  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def follow(page: Page) -> None:
    """Leave a mark that is gone when the page is loaded again."""
    await page.evaluate("window.stillThere = true")


async def test_a_partner_is_invited_and_the_page_follows_how_it_registers(
    working: Site, emsp: MockEMSP
) -> None:
    page = await working.sign_in()
    await page.click("nav >> text=Partners")
    await page.click("text=A new partner")
    await page.click("text=Go on")
    await page.fill("[name=name]", "mobil")
    await page.fill("[name=country_code] >> nth=0", "FR")
    await page.fill("[name=party_id] >> nth=0", "MOB")
    await page.click("text=Make the token")
    told = await page.inner_text("#invitation")
    assert await page.locator(".steps .done").count() == 1
    await follow(page)
    url = re.search(r"Versions URL +(\S+)", told)
    token = re.search(r"Token +(\S+)\n", told)
    assert url is not None
    assert token is not None
    await emsp.register(url[1], token[1])
    await page.wait_for_selector("text=mobil has registered.")
    assert await page.evaluate("window.stillThere")
    assert await page.locator(".steps .done").count() == 4
    await page.click("text=To mobil")
    assert await page.inner_text("h1") == "mobil"
    assert "Mobilité" in await page.inner_text("main")


async def test_a_status_arrives_on_the_open_page_of_its_station(working: Site) -> None:
    await put(working, LOCATION, samples.location(**OWNER))
    page = await working.sign_in()
    await page.click("nav >> text=Stations")
    await page.click("td a >> nth=0")
    await page.wait_for_selector(".badge.available")
    assert await page.locator(".badge.charging").count() == 0
    await follow(page)
    uid = samples.location()["evses"][0]["uid"]
    changed = await working.service.admin.patch(f"{LOCATION}/{uid}", json={"status": "CHARGING"})
    assert changed.is_success, changed.text
    await page.wait_for_selector(f"tr:has-text('{uid}') .badge.charging")
    assert await page.evaluate("window.stillThere")


async def test_a_parked_object_is_found_and_retried_until_it_is_delivered(
    working: Site, joined: MockEMSP
) -> None:
    joined.rules = [Rule("envelope", Match(module="locations", method="PUT"), status_code=2001)]
    await put(working, LOCATION, samples.location(**OWNER))
    page = await working.sign_in()
    await page.click("nav >> text=Deliveries")
    await page.wait_for_selector("tr:has-text('mobil') >> text=rejected")
    await page.click("td >> text=mobil")
    parked = page.locator("table.parked tr", has_text="locations/nl*tnm*loc-1")
    assert "The partner refused it" in await parked.inner_text()
    joined.rules = []
    await parked.locator("text=Retry").click()
    assert "is tried again now" in await page.inner_text("[role=status]")
    await page.wait_for_selector("text=Nothing is parked.")
    await until(lambda: bool(joined.objects["locations"]))


async def test_the_price_of_a_cdr_is_explained_and_its_receipt_is_there(
    working: Site, joined: MockEMSP
) -> None:
    token = samples.cdr_token(country_code="FR", party_id="MOB", uid="CARD-1")
    cdr = samples.cdr(**OWNER, cdr_token=token)
    answer = await working.service.admin.post("/admin/cdrs", json=cdr)
    assert answer.is_success, answer.text
    await until(lambda: bool(joined.objects["cdrs"]))
    page = await working.sign_in()
    await page.click("nav >> text=CDRs")
    await page.click(f"td >> text={cdr['id']}")
    explained = await page.inner_text("h2:has-text('line by line') + ul")
    assert "kWh" in explained
    assert cdr["currency"] in explained
    await page.wait_for_selector("h2:has-text('Receipts') + table >> text=mobil")


async def test_a_message_is_found_and_copied_as_a_curl_command(
    working: Site, joined: MockEMSP
) -> None:
    await put(working, LOCATION, samples.location(**OWNER))
    await until(lambda: bool(joined.objects["locations"]))
    await logged(working, "LOC-1")
    page = await working.sign_in()
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.click("nav >> text=Messages")
    await page.fill("[name=object]", "LOC-1")
    await page.fill("[name=partner]", "mobil")
    await page.select_option("[name=direction]", "OUT")
    await page.click("main button")
    await page.click("tr:has-text('locations/nl/tnm/loc-1') a")
    assert "To mobil" in await page.inner_text("section h2")
    assert '"LOC-1"' in await page.inner_text("section pre >> nth=0")
    await page.click("text=Copy")
    await page.wait_for_selector("text=Copied")
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("# TOKEN is the token presented")
    assert f"curl -X PUT {joined.base_url}" in copied


async def test_the_check_before_a_partner_goes_live_runs_while_the_page_waits(
    working: Site, joined: MockEMSP
) -> None:
    # It answers slowly, so that the page is seen to wait.
    joined.rules = [Rule("slow", Match(module="tokens"), seconds=1.5, times=2)]
    page = await working.sign_in()
    await page.goto("/console/partners/mobil")
    await page.click("text=Go-live check")
    assert "It was never checked." in await page.inner_text("main")
    await page.click("text=Check it now")
    await page.wait_for_selector("text=It is being checked")
    await follow(page)
    await page.wait_for_selector("text=The last report")
    assert await page.evaluate("window.stillThere")
    assert await page.locator(".figure .badge.passed").count() == 1
    async with page.expect_download() as downloading:
        await page.click("text=Save it as a file")
    saved = await downloading.value
    assert saved.suggested_filename == "check-mobil.html"
    assert "OCPI 2.2.1 check of mobil" in (await saved.path()).read_text()
