"""URLs that pass through the hub become its own: for two parties, unguessable, and not for ever."""

from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest
from sqlalchemy import delete, update
from sqlmodel import col, select
from structlog.testing import capture_logs

from ocpi.headers import Party
from ocpi.hub.links import PAGE_LIFE, HubLink, forget_expired
from ocpi.journal.searching import Wanted, find_messages
from ocpi.journal.writing import store_notes
from ocpi.parties import PartnerRole
from ocpi.testing import samples
from tests.house import codes_of, envelope_of
from tests.ocpi.hub.town import CPO1, CPO2, EMSP1, Member, Town, open_town, success

CDR = samples.cdr(country_code="BE", party_id="BEC")
START = {
    "response_url": "https://emsp1.example/results/42?key=s3cret",
    "token": samples.token(country_code="DE", party_id="MSP"),
    "location_id": "LOC1",
    "x_unknown": 1.50,
}


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[Town]:
    async with open_town(database_url) as opened:
        yield opened


def paged(request: httpx.Request) -> httpx.Response:
    """Three pages of a list, whose cursor only the CPO understands."""
    page = int(request.url.params.get("cursor", "1"))
    headers = {"x-total-count": "3", "x-limit": "1"}
    if page < 3:
        headers["link"] = f'<https://cpo1.example/other/path?cursor={page + 1}>; rel="next"'
    return success([{"id": f"L{page}"}], headers=headers)


@pytest.mark.req("RT-20", "RT-23")
async def test_a_list_is_followed_through_the_hub_page_after_page(town: Town) -> None:
    town.cpo1.answer = paged
    found: list[Any] = []
    url = "sender/locations?limit=1"
    while True:
        answer = await town.emsp1.send("GET", url, to=CPO1.party)
        assert codes_of(answer) == (200, 1000), answer.text
        assert (answer.headers["x-total-count"], answer.headers["x-limit"]) == ("3", "1")
        found += envelope_of(answer)["data"]
        if "link" not in answer.headers:
            break
        url = answer.links["next"]["url"]
        assert url.startswith("https://cpo.example/ocpi/hub/2.2.1/links/")
        assert len(url) <= 255
        assert "cpo1" not in url
    assert [each["id"] for each in found] == ["L1", "L2", "L3"]
    assert [seen.routing for seen in town.cpo1.seen] == [(CPO1.party, EMSP1.party)] * 3


@pytest.mark.req("RT-23")
@pytest.mark.threat("TA-07")
async def test_a_link_is_for_the_party_alone_that_it_was_made_for(town: Town) -> None:
    town.cpo1.answer = paged
    first = await town.emsp1.send("GET", "sender/locations", to=CPO1.party)
    url = first.links["next"]["url"]
    calls = len(town.cpo1.seen)
    for stranger in (town.emsp2, town.cpo2, town.cpo1):
        assert codes_of(await stranger.send("GET", url, to=CPO1.party)) == (404, 2000)
    assert codes_of(await town.emsp1.send("POST", url, {}, to=CPO1.party)) == (404, 2000)
    assert codes_of(await town.emsp1.send("GET", url, to=CPO2.party)) == (404, 2000)
    assert codes_of(await town.emsp1.send("GET", f"{url}x")) == (404, 2000)
    assert len(town.cpo1.seen) == calls


@pytest.mark.req("RT-23")
@pytest.mark.threat("TA-07")
async def test_links_expire_and_are_forgotten(town: Town) -> None:
    town.cpo1.answer = paged
    first = await town.emsp1.send("GET", "sender/locations", to=CPO1.party)
    url = first.links["next"]["url"]
    async with town.context.database.write() as db:
        await db.exec(update(HubLink).values(expires_at=col(HubLink.expires_at) - PAGE_LIFE))
    assert codes_of(await town.emsp1.send("GET", url)) == (404, 2000)
    async with town.context.database.write() as db:
        await forget_expired(db)
        assert (await db.exec(select(HubLink))).all() == []


@pytest.mark.req("RT-21", "RT-23")
@pytest.mark.parametrize("place", ["https://emsp1.example/cdrs/abc", "/cdrs/abc"])
async def test_a_cdr_is_fetched_again_where_its_post_was_answered(town: Town, place: str) -> None:
    town.emsp1.answer = lambda _: success(status=201, headers={"location": place})
    answer = await town.cpo1.send("POST", "receiver/cdrs", CDR, to=EMSP1.party)
    assert codes_of(answer) == (201, 1000)
    url = answer.headers["location"]
    assert url.startswith("https://cpo.example/ocpi/hub/")
    assert len(url) <= 255
    town.emsp1.answer = lambda _: success(CDR)
    assert envelope_of(await town.cpo1.send("GET", url))["data"] == CDR
    assert town.emsp1.seen[-1].path == "/cdrs/abc"
    assert town.emsp1.seen[-1].routing == (EMSP1.party, CPO1.party)
    assert codes_of(await town.cpo2.send("GET", url)) == (404, 2000)


async def test_a_cdr_that_is_posted_again_has_the_same_place(town: Town) -> None:
    town.emsp1.answer = lambda _: success(
        status=201, headers={"location": "https://emsp1.example/cdrs/abc"}
    )
    places = {
        (await town.cpo1.send("POST", "receiver/cdrs", CDR, to=EMSP1.party)).headers["location"]
        for _ in range(2)
    }
    assert len(places) == 1


async def fail(*_given: object) -> None:
    raise OSError


@pytest.mark.req("RT-18")
@pytest.mark.pitfall("IP-05")
async def test_a_cdr_that_was_taken_is_no_failure_when_its_link_cannot_be_stored(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error would have it posted again."""
    place = {"location": "https://emsp1.example/cdrs/abc"}
    town.emsp1.answer = lambda _: success(status=201, headers=place)
    monkeypatch.setattr("ocpi.hub.links._store", fail)
    answer = await town.cpo1.send("POST", "receiver/cdrs", CDR, to=EMSP1.party)
    assert codes_of(answer) == (201, 1000)
    assert "location" not in answer.headers


@pytest.mark.req("RT-20")
@pytest.mark.pitfall("IP-45")
async def test_half_a_list_is_a_failure_when_the_link_to_the_rest_cannot_be_stored(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.cpo1.answer = paged
    monkeypatch.setattr("ocpi.hub.links._store", fail)
    answer = await town.emsp1.send("GET", "sender/locations", to=CPO1.party)
    assert codes_of(answer) == (503, 3000)


@pytest.mark.req("RT-20", "RT-21", "RT-22")
async def test_a_link_leads_to_the_connection_that_it_was_made_for(database_url: str) -> None:
    """However much better another connection of the same party suits the module."""
    one = Party("IT", "ONE")
    aa = Member("aa", (("EMSP", one),), (("SENDER", "tokens"),))
    bb = Member("bb", (("NSP", one), ("CPO", one)), (("RECEIVER", "cdrs"),))
    async with open_town(database_url, (CPO1, aa, bb)) as town:
        place = {"location": "https://bb.example/cdrs/abc"}
        town.bb.answer = lambda _: success(status=201, headers=place)
        posted = await town.cpo1.send("POST", "receiver/cdrs", CDR, to=one)
        assert codes_of(posted) == (201, 1000)
        town.bb.answer = lambda _: success(CDR)
        answer = await town.cpo1.send("GET", posted.headers["location"])
        assert (codes_of(answer), town.bb.seen[-1].path) == ((200, 1000), "/cdrs/abc")
        await town.set_partner("bb", suspended=True)
        answer = await town.cpo1.send("GET", posted.headers["location"])
        assert codes_of(answer) == (200, 4003)
        async with town.context.database.write() as db:
            gone = col(PartnerRole.party) == one.key, col(PartnerRole.role) != "EMSP"
            await db.exec(delete(PartnerRole).where(*gone))
        answer = await town.cpo1.send("GET", posted.headers["location"])
        assert codes_of(answer) == (404, 2000)
        assert not town.aa.seen


@pytest.mark.req("RT-22")
@pytest.mark.threat("TA-07")
async def test_a_commands_result_goes_back_by_a_url_of_the_hub(town: Town) -> None:
    await town.emsp1.send("POST", "receiver/commands/START_SESSION", START, to=CPO1.party)
    (seen,) = town.cpo1.seen
    sent = seen.document()
    url = sent.pop("response_url")
    assert sent == {name: START[name] for name in START if name != "response_url"}
    assert b"1.50" in seen.body or b"1.5" in seen.body
    assert url.startswith("https://cpo.example/ocpi/hub/2.2.1/links/")
    assert b"s3cret" not in seen.body
    result = b'{"result": "ACCEPTED", "x": 1.0}'
    answer = await town.cpo1.send(
        "POST", url, result, to=EMSP1.party, headers={"X-Correlation-ID": "c-9"}
    )
    assert codes_of(answer) == (200, 1000)
    (told,) = town.emsp1.seen
    assert (told.method, told.path, told.query) == ("POST", "/results/42", "key=s3cret")
    assert told.routing == (EMSP1.party, CPO1.party)
    assert told.body == result
    assert told.headers["x-correlation-id"] == "c-9"


async def test_what_comes_by_a_link_is_logged_as_of_the_module_that_the_link_is_of(
    town: Town,
) -> None:
    await town.emsp1.send("POST", "receiver/commands/START_SESSION", START, to=CPO1.party)
    url = town.cpo1.seen[0].document()["response_url"]
    await town.cpo1.send("POST", url, {"result": "ACCEPTED"})
    town.emsp1.answer = lambda _: httpx.Response(503)
    await town.cpo1.send("POST", url, {"result": "ACCEPTED"})
    database, seal = town.context.database, town.context.seal
    await store_notes(database, seal, town.context.notes)
    failed, taken = await find_messages(
        database, seal, Wanted(module="commands", direction="in", partner="cpo1")
    )
    assert failed.failed
    assert not taken.failed
    assert urlsplit(url).path == taken.url == failed.url


@pytest.mark.req("RT-22")
async def test_the_url_in_the_query_of_a_profile_request_is_replaced_too(town: Town) -> None:
    url = quote("https://emsp1.example/profiles/1?a=b", safe="")
    path = f"receiver/chargingprofiles/S1?duration=900&response_url={url}"
    await town.emsp1.send("GET", path, to=CPO1.party)
    query = parse_qs(town.cpo1.seen[0].query)
    assert query["duration"] == ["900"]
    (link,) = query["response_url"]
    await town.cpo1.send("POST", link, {"result": "ACCEPTED"})
    assert (town.emsp1.seen[0].path, town.emsp1.seen[0].query) == ("/profiles/1", "a=b")


@pytest.mark.req("CP-03")
@pytest.mark.parametrize("query", ["duration=900&response_url={}", "response_url={}&duration=900"])
async def test_a_url_in_a_query_that_is_not_encoded_is_replaced_whole(
    town: Town, query: str
) -> None:
    query = query.format("https://emsp1.example/answer?request_id=5678&part=2")
    await town.emsp1.send("GET", f"receiver/chargingprofiles/S1?{query}", to=CPO1.party)
    asked = parse_qs(town.cpo1.seen[0].query)
    assert asked.keys() == {"duration", "response_url"}
    await town.cpo1.send("POST", asked["response_url"][0], {"result": "ACCEPTED"})
    assert (town.emsp1.seen[0].path, town.emsp1.seen[0].query) == (
        "/answer",
        "request_id=5678&part=2",
    )


@pytest.mark.parametrize(
    "url",
    [
        "https://emsp2.example/results/1",
        "https://cpo1.example/",
        "http://emsp1.example/x",
        "https://127.0.0.1/x",
        "https://emsp1.example@evil.example/",
        "file:///etc/passwd",
        "",
    ],
)
@pytest.mark.threat("TA-08")
async def test_a_url_that_is_not_the_senders_own_is_refused(town: Town, url: str) -> None:
    body = {**START, "response_url": url}
    answer = await town.emsp1.send("POST", "receiver/commands/START_SESSION", body, to=CPO1.party)
    assert codes_of(answer) == (200, 2001)
    assert not town.network.requests


@pytest.mark.req("RT-22", "RT-23")
@pytest.mark.threat("TA-07")
async def test_nobody_else_tells_a_result(town: Town) -> None:
    await town.emsp1.send("POST", "receiver/commands/START_SESSION", START, to=CPO1.party)
    url = town.cpo1.seen[0].document()["response_url"]
    for stranger in (town.cpo2, town.emsp2, town.emsp1):
        assert codes_of(await stranger.send("POST", url, {"result": "ACCEPTED"})) == (404, 2000)
    assert not town.emsp1.seen


async def test_a_link_to_where_a_partner_no_longer_lives_is_not_followed(town: Town) -> None:
    town.cpo1.answer = paged
    first = await town.emsp1.send("GET", "sender/locations", to=CPO1.party)
    async with town.context.database.write() as db:
        await db.exec(update(HubLink).values(url="https://moved.example/x"))
    assert codes_of(await town.emsp1.send("GET", first.links["next"]["url"])) == (404, 2000)
    assert all(
        urlsplit(line.split()[1]).hostname == "cpo1.example" for line in town.network.requests
    )


@pytest.mark.parametrize(
    "link",
    [
        '<https://evil.example/x>; rel="next"',
        "nonsense",
        '<https://cpo1.example/ä>; rel="next"',
        '<https://evil.example/x>;\trel="next"; title="nächste"',
    ],
)
@pytest.mark.pitfall("IP-45")
async def test_a_page_that_leads_astray_is_an_error_and_no_end(town: Town, link: str) -> None:
    town.cpo1.answer = lambda _: success([], headers={"link": link.encode()})
    answer = await town.emsp1.send("GET", "sender/locations", to=CPO1.party)
    assert codes_of(answer) == (200, 4000)


@pytest.mark.threat("TA-09")
@pytest.mark.parametrize("spelled", [str, lambda token: token.replace("-", "%2d")])
async def test_no_link_is_kept_that_holds_a_partners_token(
    town: Town, spelled: Callable[[str], str]
) -> None:
    of_cpo, of_emsp = spelled(town.cpo1.token_out), spelled(town.emsp1.token_out)
    page = f'<https://cpo1.example/x?token={of_cpo}>; rel="next"'
    place = f"https://emsp1.example/cdr/{of_emsp}"
    result = f"https://emsp1.example/results?token={of_emsp}"
    town.cpo1.answer = lambda _: success([], headers={"link": page})
    town.emsp1.answer = lambda _: success(headers={"location": place})
    with capture_logs() as lines:
        listed = await town.emsp1.send("GET", "sender/locations", to=CPO1.party)
        billed = await town.cpo1.send("POST", "receiver/cdrs", CDR, to=EMSP1.party)
        body = {**START, "response_url": result}
        started = await town.emsp1.send(
            "POST", "receiver/commands/START_SESSION", body, to=CPO1.party
        )
    assert [codes_of(each)[1] for each in (listed, billed, started)] == [4000, 1000, 2001]
    assert "location" not in billed.headers
    assert not any(each.token_out in str(lines) for each in (town.cpo1, town.emsp1))
    async with town.context.database.read() as db:
        assert (await db.exec(select(HubLink))).all() == []


@pytest.mark.pitfall("IP-35")
async def test_a_foreign_place_of_a_cdr_is_left_out(town: Town) -> None:
    town.emsp1.answer = lambda _: success(headers={"location": "https://evil.example/cdr"})
    answer = await town.cpo1.send("POST", "receiver/cdrs", CDR, to=EMSP1.party)
    assert codes_of(answer) == (200, 1000)
    assert "location" not in answer.headers
