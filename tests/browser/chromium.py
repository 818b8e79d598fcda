"""The browser of this machine, and pages that note whatever goes wrong in them."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Dialog, Page, Playwright, async_playwright

from tests.browser.leftout import LEFT_OUT

NAMES = ("chromium", "chromium-browser", "google-chrome")
VARIABLE = "OCPI_TEST_CHROMIUM"
# Asked for before anything else of the page runs.
NOTE_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`refused by the policy: ${event.violatedDirective} ${event.blockedURI}`));
"""


def find_chromium(playwright: Playwright) -> str:
    """Its path; without one the test is left out, unless a variable says that it must be there."""
    named = os.environ.get(VARIABLE)
    if named:
        found = shutil.which(named)
        if found is None:
            pytest.fail(f"{VARIABLE} names {named}, which is not there", pytrace=False)
        return found
    for name in (*NAMES, playwright.chromium.executable_path):
        found = shutil.which(name)
        if found is not None:
            return found
    pytest.skip(LEFT_OUT)


@dataclass
class Watched:
    """A page, and what went wrong in it: errors in its console, scripts that ran, dialogs."""

    page: Page
    faults: list[str] = field(default_factory=list)

    @classmethod
    async def open(cls, browser: Browser, **options: Any) -> Watched:
        """A page with cookies of its own."""
        context = await browser.new_context(**options)
        await context.add_init_script(NOTE_VIOLATIONS)
        watched = cls(await context.new_page())
        page, faults = watched.page, watched.faults
        page.set_default_timeout(20_000)
        page.on(
            "console",
            lambda message: (
                faults.append(f"{page.url}: {message.text}")
                if message.type in ("error", "warning")
                else None
            ),
        )
        page.on("pageerror", lambda error: faults.append(f"{page.url}: {error}"))
        page.on("dialog", watched._refuse)
        return watched

    async def _refuse(self, dialog: Dialog) -> None:
        self.faults.append(f"{self.page.url}: a dialog: {dialog.message}")
        await dialog.dismiss()


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The browser, for as long as the context is open."""
    async with async_playwright() as playwright:
        # It may be run by root, in a container without a sandbox or much shared memory.
        browser = await playwright.chromium.launch(
            executable_path=find_chromium(playwright),
            args=["--no-sandbox", "--disable-dev-shm-usage"],
        )
        try:
            yield browser
        finally:
            await browser.close()


def screenshot(name: str) -> Path:
    """Where a picture is kept."""
    folder = Path(__file__).parents[2] / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.png"
