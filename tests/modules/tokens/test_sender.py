"""What CPOs read and ask of a platform that offers Tokens: lists, and real-time authorization."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from modules.tokens.store import hub_tokens
from ocpi.context import Interface
from ocpi.headers import Party
from ocpi.testing import samples
from tests.house import (
    OURS,
    SENDER,
    Service,
    add_party,
    codes_of,
    data_of,
    envelope_of,
    open_service,
)

LIST = f"{SENDER}/tokens"
AUTHORIZE = f"{LIST}/04A1B2C3D4E5F6/authorize"
HERE = {"location_id": "LOC-1", "evse_uids": ["EVSE-1", "EVSE-2"]}


def token(**over: Any) -> dict[str, Any]:
    return samples.token(**{"country_code": "NL", "party_id": "TNM", **over})


@pytest.fixture
async def service(sqlite_url: str) -> AsyncIterator[Service]:
    offers = {"cpo": [Interface("tokens", "SENDER")]}
    async with open_service(sqlite_url, offers=offers, page_limit=3) as opened:
        yield opened


async def put(service: Service, *documents: dict[str, Any], owner: Party = OURS) -> None:
    async with service.database.write() as db:
        for document in documents:
            await hub_tokens.put(db, owner, hub_tokens.identify(document), document)


@pytest.mark.req("TK-01", "PG-05")
async def test_the_list_has_pages_and_filters(service: Service) -> None:
    days = [token(uid=f"T{day}", last_updated=f"2026-01-0{day}T00:00:00Z") for day in range(1, 6)]
    await put(service, *days)
    answer = await service.partner.get(LIST)
    assert data_of(answer) == days[:3]
    assert answer.headers["x-total-count"] == "5"
    following = answer.links["next"]["url"]
    assert data_of(await service.partner.get(following)) == days[3:]
    window = "date_from=2026-01-02T00:00:00Z&date_to=2026-01-04T00:00:00Z"
    assert data_of(await service.partner.get(f"{LIST}?{window}")) == days[1:3]


async def test_only_the_addressed_partys_tokens_are_told(service: Service) -> None:
    second = Party("BE", "TWO")
    await add_party(service.database, second)
    theirs = token(country_code="BE", party_id="TWO")
    await put(service, token())
    await put(service, theirs, owner=second)
    to = {"OCPI-to-country-code": "BE", "OCPI-to-party-id": "TWO"}
    assert data_of(await service.partner.get(LIST, headers=to)) == [theirs]
    told = data_of(await service.partner.post(AUTHORIZE, headers=to))
    assert told["token"] == theirs


@pytest.mark.req("TK-02", "TK-03", "TK-08")
@pytest.mark.parametrize(("valid", "allowed"), [(True, "ALLOWED"), (False, "BLOCKED")])
async def test_a_known_token_gets_a_verdict_and_the_whole_token(
    service: Service, *, valid: bool, allowed: str
) -> None:
    stored = token(valid=valid, x_unknown={"a": 1})
    await put(service, stored)
    for query in ("", "?type=RFID", "?type="):
        info = data_of(await service.partner.post(f"{AUTHORIZE}{query}"))
        assert bool(info.pop("authorization_reference", None)) == valid
        assert info == {"allowed": allowed, "token": stored}


@pytest.mark.req("TK-04")
@pytest.mark.pitfall("IP-12")
async def test_an_unknown_token_is_404_with_2004_and_no_data(service: Service) -> None:
    await put(service, token())
    for url in (f"{LIST}/NOBODY/authorize", f"{AUTHORIZE}?type=APP_USER"):
        answer = await service.partner.post(url)
        assert codes_of(answer) == (404, 2004)
        assert "data" not in envelope_of(answer)


@pytest.mark.req("TK-02")
@pytest.mark.parametrize("body", [b"", b"null", b" \n"])
async def test_a_body_may_tell_nothing(service: Service, body: bytes) -> None:
    """AT-65."""
    await put(service, token())
    info = data_of(await service.partner.post(AUTHORIZE, content=body))
    assert (info["allowed"], "location" in info) == ("ALLOWED", False)


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        (b"{}", (200, 2001)),
        (b"[]", (200, 2001)),
        (b"5", (200, 2001)),
        (b'{"location_id":null}', (200, 2001)),
        (b'{"location_id":"L","evse_uids":[{}]}', (200, 2001)),
        (b"{", (400, 2001)),
    ],
)
async def test_references_that_are_none_are_2001(
    service: Service, body: bytes, codes: tuple[int, int]
) -> None:
    """AT-65."""
    await put(service, token())
    assert codes_of(await service.partner.post(AUTHORIZE, content=body)) == codes


@pytest.mark.req("TK-06", "TK-07")
async def test_a_place_is_repeated_where_charging_there_is_allowed(service: Service) -> None:
    """A Location that nobody has published is as good as any."""
    await put(service, token(), token(uid="BLOCKED", valid=False))
    for references in (HERE, {"location_id": "PRIVATE"}):
        info = data_of(await service.partner.post(AUTHORIZE, json=references))
        assert info["location"] == references
    blocked = data_of(await service.partner.post(f"{LIST}/BLOCKED/authorize", json=HERE))
    assert "location" not in blocked


async def test_references_differ_from_answer_to_answer(service: Service) -> None:
    await put(service, token())
    told = [data_of(await service.partner.post(AUTHORIZE)) for _ in range(3)]
    assert len({info["authorization_reference"] for info in told}) == 3


async def test_below_a_token_there_is_only_authorize(service: Service) -> None:
    assert (await service.partner.post(f"{LIST}/X/authorise")).status_code == 404
    for method in ("GET", "PUT", "DELETE"):
        answer = await service.partner.request(method, AUTHORIZE)
        assert codes_of(answer) == (405, 2000)
