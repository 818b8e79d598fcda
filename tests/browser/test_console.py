"""Journeys through the console in a real browser."""

import pytest
from playwright.async_api import Page, ViewportSize

import ocpi.console.events
from ocpi.console.staff import remove_staff
from ocpi.testing import samples
from tests.browser.chromium import screenshot
from tests.browser.conftest import Site
from tests.browser.crawling import crawl, menu_of
from tests.browser.stock import stock
from tests.house import OWNER

PHONE: ViewportSize = {"width": 375, "height": 667}
WIDE: ViewportSize = {"width": 1280, "height": 800}
LOCATION = "/admin/locations/NL/TNM/LOC-1"


async def publish(site: Site) -> None:
    document = samples.location(**OWNER)
    answer = await site.service.admin.put(LOCATION, json=document)
    assert answer.is_success, answer.text


async def focused(page: Page) -> str:
    text: str = await page.evaluate(
        "(document.activeElement.textContent || document.activeElement.name).trim()"
    )
    return text


async def test_somebody_signs_in_looks_around_and_signs_out(site: Site) -> None:
    page = await site.open()
    await page.goto("/console/partners")
    assert await page.inner_text("h1") == "Test hub"
    assert await focused(page) == "name"
    await page.fill("[name=name]", "anna")
    await page.fill("[name=password]", "wrong")
    site.pages[-1].faults.clear()
    await page.click("main button")
    assert "password is wrong" in await page.inner_text("[role=alert]")
    # Chromium notes each answer with an error's status.
    assert all("401" in fault for fault in site.faults)
    site.pages[-1].faults.clear()
    await page.fill("[name=password]", site.password)
    await page.click("main button")
    await page.wait_for_url("/console/partners")
    assert await page.inner_text("nav [aria-current=page]") == "Partners"
    assert await page.locator("tr", has_text="Example eMSP").count() == 1
    await page.click("text=Sign out")
    await page.wait_for_url("/console/sign-in")
    assert await page.inner_text("[role=status]") == "You have signed out."
    await page.goto("/console")
    assert page.url.endswith("/console/sign-in?next=/console")


async def test_the_overview_follows_a_status_without_being_loaded_again(site: Site) -> None:
    await publish(site)
    page = await site.sign_in()
    assert await page.inner_text(".card:has(.badge.available) .figure") == "3"
    await page.evaluate("window.stillThere = true")
    evse = samples.location()["evses"][0]["uid"]
    answer = await site.service.admin.patch(f"{LOCATION}/{evse}", json={"status": "CHARGING"})
    assert answer.is_success, answer.text
    await page.wait_for_selector(".card:has(.badge.charging)")
    assert await page.inner_text(".card:has(.badge.available) .figure") == "2"
    assert await page.evaluate("window.stillThere")


async def test_who_is_removed_is_led_out_of_an_open_page_by_the_next_change(site: Site) -> None:
    page = await site.sign_in()
    await page.wait_for_timeout(1500)  # The stream must be open.
    await remove_staff(site.service.database, "anna")
    await publish(site)
    await page.wait_for_url("**/console/sign-in?next=/console")
    assert all("401" in fault for fault in site.faults)
    site.pages[-1].faults.clear()


async def test_a_page_that_hears_of_no_changes_says_since_when(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ocpi.console.events, "LIFETIME", 0.5)
    await publish(site)
    page = await site.sign_in()
    await page.route("**/console/events", lambda route: route.abort())
    await page.wait_for_selector("text=Not up to date since")
    monkeypatch.undo()
    evse = samples.location()["evses"][0]["uid"]
    await site.service.admin.patch(f"{LOCATION}/{evse}", json={"status": "CHARGING"})
    await page.unroute("**/console/events")
    await page.wait_for_selector("text=Not up to date since", state="hidden")
    await page.wait_for_selector(".card:has(.badge.charging)")
    site.pages[-1].faults.clear()


async def test_who_is_signed_out_while_the_stream_is_cut_is_led_out_of_an_open_page(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ocpi.console.events, "LIFETIME", 0.5)
    page = await site.sign_in()
    await remove_staff(site.service.database, "anna")
    await page.wait_for_url("**/console/sign-in?next=/console")
    site.pages[-1].faults.clear()


async def test_moments_are_shown_in_the_zone_of_whoever_looks(site: Site) -> None:
    await stock(site.service.context, ["plain text"])
    page = await site.sign_in(timezone_id="Asia/Tokyo", locale="en-GB")
    time = page.locator("time").first
    assert await time.get_attribute("title") == "2026-01-15 09:00:00 UTC"
    assert await time.inner_text() == "15 Jan 2026, 18:00:00"


async def test_everything_is_reached_by_the_keyboard(site: Site) -> None:
    page = await site.open()
    await page.goto("/console")
    await page.keyboard.type("anna")
    await page.keyboard.press("Tab")
    await page.keyboard.type(site.password)
    await page.keyboard.press("Enter")
    await page.wait_for_url("/console")
    order = []
    for _ in range(14):
        await page.keyboard.press("Tab")
        order.append(await focused(page))
        outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", order
        if order[-1] == "Sign out":
            break
    titles = await page.locator("nav a").all_inner_texts()
    assert order == ["To the content", "Test hub", *titles, "anna", "Sign out"]
    await page.reload()
    await page.keyboard.press("Tab")
    assert await page.locator(".skip").is_visible()
    place = await page.locator(".skip").bounding_box()
    assert place is not None
    assert place["x"] >= 0
    await page.keyboard.press("Enter")
    assert await page.evaluate("location.hash") == "#main"
    assert await page.evaluate("document.activeElement.id") == "main"


async def too_wide(page: Page) -> int:
    """How many pixels of the page are beyond the screen."""
    wider: int = await page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return wider


@pytest.mark.timeout(300)
async def test_every_page_fits_a_phone_and_a_screen(site: Site) -> None:
    await stock(site.service.context, ["Köln, Straße des 17. Juni", "x" * 120, "An error"], count=1)
    page = await site.sign_in(viewport=PHONE)
    faults = {}
    async for link in crawl(page):
        for size in (PHONE, WIDE):
            await page.set_viewport_size(size)
            wider = await too_wide(page)
            if wider > 0:
                faults[link, size["width"]] = wider
    assert faults == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", ["wide", "phone"])
async def test_pages_fit_the_screen_and_its_colours(site: Site, width: str, scheme: str) -> None:
    await publish(site)
    await stock(site.service.context, ["Köln, Straße des 17. Juni", "x" * 120, "An error"])
    size = WIDE if width == "wide" else PHONE
    page = await site.sign_in(viewport=size, color_scheme=scheme)
    for path in [*await menu_of(page), "/console/me", "/console/sign-in"]:
        await page.goto(path)
        name = path.removeprefix("/console").strip("/").replace("/", "-") or "overview"
        await page.screenshot(path=screenshot(f"{name}-{width}-{scheme}"), full_page=True)
        assert await too_wide(page) <= 0, path
        ground = await page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        assert ground == {"light": "rgb(247, 248, 247)", "dark": "rgb(18, 22, 20)"}[scheme]


async def test_a_page_goes_on_by_itself_after_the_stream_was_cut(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocpi.console.events.LIFETIME", 0.5)
    page = await site.sign_in()
    async with page.expect_request("**/console/events"):
        # What changes while it is cut is not missed either.
        await page.wait_for_timeout(1200)
        await publish(site)
    await page.wait_for_selector(".card:has(.badge.available)")
    # So htmx notes each cut.
    assert set(site.faults) <= {f"{page.url}: [object Event]", f"{page.url}: htmx:sseError"}
    site.pages[-1].faults.clear()
