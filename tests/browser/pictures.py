"""Takes the README's pictures of the console anew, from the demos as they run: `make pictures`."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, Page, ViewportSize

from tests.browser.chromium import chromium

FOLDER = Path(__file__).parents[2] / "ocpi" / "console" / "pictures"
CONSOLE = re.compile(r"open (\S+)/console in a browser: the console, for (\S+) with (\S+)")
SIZE: ViewportSize = {"width": 1100, "height": 600}
# Until there is something to see: drivers come and go every few seconds.
PLAYING = 45.0
LARGEST = 150_000
PRICE = "h2:has-text('line by line')"


async def main() -> None:
    """Both demos, one after the other."""
    async with chromium() as browser:
        async with _demo(browser, "--port", "8441", "--emsp-port", "8442") as page:
            await asyncio.sleep(PLAYING)
            await _take(page, "overview", "/console")
            await _take(page, "stations", "/console/stations")
            await _take_first(page, "cdr", "/console/cdrs", "td.id a", PRICE)
            await _take(page, "deliveries", "/console/deliveries/demo-emsp")
        async with _demo(browser, "--hub", "--port", "8451", "--emsp-port", "8452") as page:
            await asyncio.sleep(PLAYING)
            await _take(page, "hub", "/console/hub")
            await _take_first(
                page, "message", "/console/messages?module=commands&direction=OUT", "td a"
            )


@asynccontextmanager
async def _demo(browser: Browser, *words: str) -> AsyncIterator[Page]:
    """A demo that is ready, and a page of its staff."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-u",
        "-c",
        "from ocpi.start import main; main()",
        "demo",
        *words,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        url, name, password = await _console_of(process.stdout)
        drained = asyncio.create_task(process.stdout.read())
        page = await browser.new_page(base_url=url, viewport=SIZE, color_scheme="light")
        await page.goto("/console")
        await page.fill("[name=name]", name)
        await page.fill("[name=password]", password)
        await page.click("main button")
        await page.wait_for_url("/console")
        yield page
        await page.close()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
    await drained


async def _console_of(output: asyncio.StreamReader) -> Sequence[str]:
    found: tuple[str, ...] = ()
    async for line in output:
        match = CONSOLE.search(line.decode())
        if match is not None:
            found = match.groups()
        if line.startswith((b"Ready", b"All are registered")):
            return found
    raise RuntimeError("the demo has ended before it was ready")


async def _take_first(page: Page, name: str, path: str, link: str, begin: str = "h1") -> None:
    """The page that the first such link of a list leads to, from an element of it on."""
    await page.goto(path)
    address = await page.locator(link).first.get_attribute("href")
    assert address is not None
    await _take(page, name, address, begin)


async def _take(page: Page, name: str, path: str, begin: str = "header") -> None:
    await page.goto(path)
    await page.locator(begin).first.evaluate("element => element.scrollIntoView()")
    await page.wait_for_timeout(500)  # Maps are drawn and moments written by then.
    picture = await page.screenshot(path=FOLDER / f"{name}.png")
    assert len(picture) <= LARGEST, f"{name}: {len(picture)} bytes are too many for a README"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    asyncio.run(main())
