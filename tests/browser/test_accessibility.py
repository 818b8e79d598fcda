"""Every page can be used by everybody, as far as a machine can tell (axe-core, WCAG)."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from tests.browser.conftest import Site
from tests.browser.crawling import menu_of
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_no_page_has_a_serious_fault(site: Site, scheme: str) -> None:
    await stock(site.service.context, ["Some text", "An error in words", "Köln"])
    page = await site.sign_in(color_scheme=scheme)
    faults = []
    for path in [*await menu_of(page), "/console/me", "/console/sign-in"]:
        await page.goto(path)
        faults += await findings(page)
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
