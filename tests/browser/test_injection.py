"""What partners and drivers write is text on every page, whatever they write."""

import re
from pathlib import Path

import pytest
from playwright.async_api import Page

from tests.browser.conftest import Site
from tests.browser.crawling import crawl
from tests.browser.stock import stock

PAYLOADS = (Path(__file__).parent / "payloads.txt").read_text().splitlines()
# What no page of ours has, but the payloads would make.
INJECTED = """() => [
  ...document.querySelectorAll(
    "xss-mark, img[src='x'], svg script, iframe, object, embed, base, math, marquee, video, audio, "
    + "body style, body link, meta[http-equiv=refresh], main details[ontoggle], a[href^='jav' i], "
    + "form[action^='jav' i], script:not([src^='/console/static/'])"),
  ...[...document.querySelectorAll('*')].filter(each =>
    [...each.attributes].some(attribute =>
      attribute.name.startsWith('on') || attribute.name.startsWith('hx-on')
      || /^\\s*javascript:/i.test(attribute.value) || attribute.value.startsWith('js:'))),
].map(each => each.outerHTML.slice(0, 200))"""


async def assert_untouched(page: Page, link: str) -> None:
    assert await page.evaluate("window.__xss") is None, link
    assert await page.evaluate(INJECTED) == [], link
    # Whatever is to happen on the pointer's way happens now.
    await page.mouse.move(300, 300)
    assert await page.evaluate("window.__xss") is None, link


def test_there_are_enough_payloads_and_all_differ() -> None:
    assert len(set(PAYLOADS)) == len(PAYLOADS) >= 60


@pytest.mark.threat("TA-24")
@pytest.mark.timeout(600)
async def test_nothing_that_partners_write_becomes_part_of_a_page(site: Site) -> None:
    await stock(site.service.context, PAYLOADS, count=6)
    page = await site.sign_in()
    looked_at, shown = [], ""
    async for link in crawl(page):
        await assert_untouched(page, link)
        shown += await page.inner_text("body")
        looked_at.append(link)
    assert {"/console", "/console/partners", "/console/me"} <= set(looked_at)
    # It is text, to the letter.
    as_text = [payload for payload in PAYLOADS if " ".join(payload.split()) in shown]
    assert len(as_text) >= 6, as_text


@pytest.mark.parametrize("payload", ['"><img src=x onerror=__xss=1>', "{{ 7*7 }}", "//evil/"])
async def test_nothing_in_an_address_becomes_part_of_a_page(site: Site, payload: str) -> None:
    page = await site.sign_in()
    for path in ("/console", "/console/partners", "/console/sign-in", "/console/nowhere/"):
        for name in ("next", "q", payload):
            await page.goto("/console")
            await page.evaluate(
                "([path, name, value]) => location.assign("
                "path + '?' + new URLSearchParams([[name, value]]))",
                [path, name, payload],
            )
            await page.wait_for_url(re.compile(re.escape(path) + r"\?"))
            await assert_untouched(page, path)
    assert all("404" in fault for fault in site.faults), site.faults
    site.pages[-1].faults.clear()


async def test_the_check_finds_what_was_injected(site: Site) -> None:
    page = await site.sign_in()
    for markup in ("<xss-mark>", "<p onclick='x()'>", "<a href='javascript:x()'>x</a>"):
        await page.evaluate("markup => {document.querySelector('main').innerHTML = markup}", markup)
        assert len(await page.evaluate(INJECTED)) >= 1, markup
    assert all("Content Security Policy" in fault or "refused" in fault for fault in site.faults)
    site.pages[-1].faults.clear()
