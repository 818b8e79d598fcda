"""Every page can be used by everybody, as far as a machine can tell (axe-core, WCAG)."""

from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import Page

from tests.browser.conftest import Site
from tests.browser.crawling import crawl
from tests.browser.stock import stock

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()


async def findings(page: Page) -> list[str]:
    """What is serious or critical."""
    await page.evaluate(AXE)
    found: dict[str, Any] = await page.evaluate("axe.run({resultTypes: ['violations']})")
    return [
        f"{page.url}: {each['id']}: {each['help']}: {[node['html'] for node in each['nodes']][:3]}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
    ]


async def findings_of_both(page: Page) -> list[str]:
    """In light and in dark colours."""
    faults = []
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        await page.emulate_media(color_scheme=scheme)
        faults += await findings(page)
    return faults


@pytest.mark.timeout(300)
async def test_no_page_has_a_serious_fault_in_either_scheme(site: Site) -> None:
    await stock(site.service.context, ["Some text", "An error in words", "Köln"], count=1)
    page = await site.sign_in()
    faults = await findings_of_both(page)
    async for _link in crawl(page):
        faults += await findings_of_both(page)
    page = await site.open()
    await page.goto("/console/sign-in")
    faults += await findings_of_both(page)
    assert faults == []


async def test_errors_can_be_read_by_everybody(site: Site) -> None:
    page = await site.sign_in()
    await page.goto("/console/nowhere")
    assert await findings(page) == []
    assert all("404" in fault for fault in site.faults)
    site.pages[-1].faults.clear()


async def test_the_check_finds_what_is_wrong(site: Site) -> None:
    page = await site.sign_in()
    await page.evaluate("document.querySelector('main').innerHTML = '<img src=\"/x\"><button>'")
    found = await findings(page)
    assert any("image-alt" in each for each in found)
    assert any("button-name" in each for each in found)
    site.pages[-1].faults.clear()
