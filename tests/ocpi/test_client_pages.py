"""Crawling a list along its links."""

from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest

from ocpi.client import Client, ExchangeFailed, Target
from ocpi.crawling import MOST_PAGES, UNSAID_WAIT

PARTNER = Target("cpo", "secret-token")
LIST = "https://cpo.example/ocpi/sender/2.2.1/locations"

Page = Callable[[httpx.Request], httpx.Response]


def page(data: Any, following: str | None = None, status_code: int = 1000) -> httpx.Response:
    headers = {} if following is None else {"Link": f'<{following}>; rel="next"'}
    return httpx.Response(200, json={"status_code": status_code, "data": data}, headers=headers)


def serving(pages: Mapping[str, httpx.Response]) -> tuple[list[httpx.Request], Client]:
    """A partner with these pages by path and query, and what it is asked."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return pages[request.url.raw_path.decode()]

    return requests, Client(allow_private=False, transport=httpx.MockTransport(answer))


async def crawl(client: Client, **more: Any) -> tuple[list[Any], ExchangeFailed | None]:
    """The data of each page, and what ended the crawl if not its last page."""
    seen: list[Any] = []
    replies = client.pages(PARTNER, LIST, **more)
    while True:
        try:
            seen.append((await anext(replies)).data)
        except StopAsyncIteration:
            return seen, None
        except ExchangeFailed as failure:
            return seen, failure


def limiting(*answers: httpx.Response) -> tuple[list[str], Client]:
    """A partner that answers so, one after the other, and the URLs that it is asked for."""
    asked: list[str] = []
    left = iter(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return next(left)

    return asked, Client(allow_private=False, transport=httpx.MockTransport(answer))


def busy(status: int, retry_after: str | None = None) -> httpx.Response:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return httpx.Response(status, json={"status_code": 2000}, headers=headers)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Give the pauses that are made, which take no time."""
    made: list[float] = []

    async def pause(seconds: float) -> None:
        made.append(seconds)

    monkeypatch.setattr("ocpi.crawling.pause", pause)
    return made


@pytest.mark.req("PG-10")
@pytest.mark.pitfall("IP-38")
async def test_a_page_before_which_a_pause_is_due_is_asked_for_again(pauses: list[float]) -> None:
    """Who allows three requests a minute was read to the third page, and never further."""
    second, third = f"{LIST}?offset=2", f"{LIST}?offset=3"
    asked, client = limiting(
        page([1], second),
        busy(429, "30"),
        busy(503, "2"),
        page([2], third),
        busy(429),
        page([3]),
    )
    assert await crawl(client, pauses=2) == ([[1], [2], [3]], None)
    assert asked == [LIST, second, second, second, third, third]
    assert pauses == [30, 2, UNSAID_WAIT]


@pytest.mark.pitfall("IP-38")
@pytest.mark.parametrize(
    ("answers", "paused"),
    [
        ([busy(429, "1"), busy(429, "1"), busy(429, "1")], [1, 1]),
        ([busy(429, "3600")], []),
        ([busy(503)], []),
        ([busy(500, "1")], []),
    ],
)
async def test_a_list_that_does_not_come_is_not_waited_for_without_end(
    pauses: list[float], answers: list[httpx.Response], paused: list[float]
) -> None:
    asked, client = limiting(*answers)
    assert await crawl(client, pauses=2) == ([None], None)
    assert (len(asked), pauses) == (len(answers), paused)


PATH = "/ocpi/sender/2.2.1/locations"


@pytest.mark.req("PG-10", "TR-12", "TR-13")
@pytest.mark.pitfall("IP-23")
async def test_a_crawl_follows_each_link_as_it_is_to_the_last_page() -> None:
    cursor = "/ocpi/sender/2.2.1/locations/%7e?cursor=a%2Fb%3d&opaque"
    requests, client = serving(
        {
            f"{PATH}?date_from=2026-01-02T03%3A04%3A05Z": page(
                [1, 2], f"https://CPO.example:443{cursor}"
            ),
            cursor: page([], "?offset=4"),
            "/ocpi/sender/2.2.1/locations/%7e?offset=4": page([3], "/last"),
            "/last": page([4]),
        }
    )
    params = {"date_from": "2026-01-02T03:04:05Z"}
    assert await crawl(client, params=params) == ([[1, 2], [], [3], [4]], None)
    assert len({request.headers["x-request-id"] for request in requests}) == 4
    assert len({request.headers["x-correlation-id"] for request in requests}) == 1
    assert {request.headers["authorization"] for request in requests} == {"Token c2VjcmV0LXRva2Vu"}


async def test_parameters_join_a_query_that_is_already_there() -> None:
    requests, client = serving({"/list?a=1&limit=5": page([1])})
    replies = [
        reply
        async for reply in client.pages(
            PARTNER, "https://cpo.example/list?a=1", params={"limit": "5"}, correlation_id="crawl-1"
        )
    ]
    assert [reply.data for reply in replies] == [[1]]
    assert requests[0].headers["x-correlation-id"] == "crawl-1"


@pytest.mark.parametrize(
    ("link", "kind"),
    [
        ("https://evil.example/", "refused"),
        ("//evil.example/", "refused"),
        ("http://cpo.example/", "refused"),
        ("https://cpo.example:8443/", "refused"),
        ("https://cpo.example.evil.example/", "refused"),
        ("https://cpo.example@evil.example/", "refused"),
        ("https://me@cpo.example/", "refused"),
        ("https://cpo.example\\@evil.example/", "refused"),
        ("https://cpo.example/#fragment", "refused"),
        ("javascript:alert(1)", "refused"),
        ("https://cpo.example:x/", "protocol"),
        ("https://[::1/", "protocol"),
        (LIST, "protocol"),
        ("", "protocol"),
    ],
)
@pytest.mark.pitfall("IP-45")
@pytest.mark.threat("TA-01")
async def test_a_link_that_leads_astray_ends_the_crawl_with_a_failure(link: str, kind: str) -> None:
    """The token stays with the partner (IP-45), and half a list is not taken for the whole."""
    requests, client = serving({PATH: page([1], link)})
    seen, failure = await crawl(client)
    assert (seen, failure and failure.kind, len(requests)) == ([[1]], kind, 1)


@pytest.mark.pitfall("IP-23")
async def test_an_unreadable_link_header_ends_the_crawl_with_a_failure() -> None:
    broken = httpx.Response(200, json={"status_code": 1000, "data": [1]}, headers={"Link": "<x"})
    _, client = serving({PATH: broken})
    seen, failure = await crawl(client)
    assert (seen, failure and failure.kind) == ([[1]], "protocol")


@pytest.mark.pitfall("IP-23")
@pytest.mark.parametrize(
    "link", ['<?b>;\trel="next"', '<?b>; rel="next"; title="nächste"', '<?b>; rel="next"; x=\x07']
)
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
async def test_a_list_does_not_end_at_a_link_with_unusual_characters(
    link: str, encoding: str
) -> None:
    headers = [(b"Link", link.encode(encoding))]
    first = httpx.Response(200, json={"status_code": 1000, "data": [1]}, headers=headers)
    _, client = serving({PATH: first, f"{PATH}?b": page([2])})
    assert await crawl(client) == ([[1], [2]], None)


@pytest.mark.pitfall("IP-23")
@pytest.mark.parametrize("link", ['<?bä>; rel="next"', '<?\tb>; rel="next"', "ä"])
async def test_a_link_to_what_is_no_url_ends_the_crawl_with_a_failure(link: str) -> None:
    headers = [(b"Link", link.encode())]
    first = httpx.Response(200, json={"status_code": 1000, "data": [1]}, headers=headers)
    requests, client = serving({PATH: first})
    seen, failure = await crawl(client)
    assert (seen, failure and failure.kind, len(requests)) == ([[1]], "protocol", 1)


@pytest.mark.pitfall("IP-23")
async def test_a_circle_of_links_ends_the_crawl_with_a_failure() -> None:
    requests, client = serving({PATH: page([1], "?b"), f"{PATH}?b": page([2], LIST)})
    seen, failure = await crawl(client)
    assert (seen, failure and failure.sentence, len(requests)) == (
        [[1], [2]],
        "cpo: the links to the next page lead in a circle",
        2,
    )


def endless(data: Callable[[int], Any]) -> Client:
    def answer(request: httpx.Request) -> httpx.Response:
        number = int(request.url.query or b"0")
        return page(data(number), f"?{number + 1}")

    return Client(allow_private=False, transport=httpx.MockTransport(answer))


@pytest.mark.pitfall("IP-23")
async def test_three_empty_pages_in_a_row_end_the_crawl_with_a_failure() -> None:
    client = endless(lambda number: [1] if number in {0, 3} else [])
    seen, failure = await crawl(client)
    assert (seen, failure and failure.sentence) == (
        [[1], [], [], [1], [], [], []],
        "cpo: 3 pages in a row are empty and the list goes on",
    )


@pytest.mark.pitfall("IP-23")
async def test_a_list_without_end_ends_the_crawl_with_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert MOST_PAGES == 10_000
    monkeypatch.setattr("ocpi.crawling.MOST_PAGES", 20)
    seen, failure = await crawl(endless(lambda _: [1]))
    assert (len(seen), failure and failure.sentence) == (20, "cpo: the list has more than 20 pages")


@pytest.mark.parametrize(
    "broken",
    [
        page(None, "?more", status_code=2001),
        httpx.Response(500, headers={"Link": '<?more>; rel="next"'}),
        httpx.Response(200, text="<html>", headers={"Link": '<?more>; rel="next"'}),
    ],
)
async def test_a_page_that_is_no_success_is_the_last_one(broken: httpx.Response) -> None:
    requests, client = serving({PATH: page([1], "?b"), f"{PATH}?b": broken})
    replies = [reply async for reply in client.pages(PARTNER, LIST)]
    assert ([reply.success() for reply in replies], len(requests)) == ([True, False], 2)
