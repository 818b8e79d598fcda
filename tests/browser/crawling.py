"""Finds the pages of the console by its menu and its links, as people do."""

from collections.abc import AsyncIterator
from urllib.parse import parse_qsl, urlsplit

from playwright.async_api import Page

MOST = 300


async def menu_of(page: Page) -> list[str]:
    """The pages that the menu leads to, from a page that is open."""
    links: list[str] = await page.eval_on_selector_all(
        "header nav a", "all => all.map(each => each.getAttribute('href'))"
    )
    assert links
    return links


async def crawl(page: Page) -> AsyncIterator[str]:
    """Open every page that links lead to, one after the other, beginning with the overview.

    Of lists that differ by the values of their filters alone one is looked at.
    """
    waiting, seen = ["/console"], set()
    while waiting:
        link = waiting.pop(0)
        parts = urlsplit(link)
        shape = (parts.path, *sorted({name for name, _ in parse_qsl(parts.query)}))
        if shape in seen:
            continue
        seen.add(shape)
        assert len(seen) <= MOST, "more pages than can be looked at: store less"
        answer = await page.goto(link)
        assert answer is not None
        assert answer.status == 200, f"{link}: {answer.status}"
        waiting += await page.eval_on_selector_all(
            "a[href^='/console']:not([download])",
            "all => all.map(each => each.getAttribute('href'))",
        )
        yield link
