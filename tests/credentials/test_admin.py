"""Partners and parties in the admin API."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from credentials.admin import router
from ocpi.admin import AdminFront, add_error_handlers
from ocpi.calling import Endpoints
from tests.credentials.network import ENDPOINTS, House, Puppet, credentials, envelope

ACME = {
    "name": "acme",
    "roles": [{"role": "EMSP", "country_code": "de", "party_id": "msp"}],
}


@pytest.fixture
async def admin(house: House) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client that presents the admin token."""
    token = SecretStr("an-admin-token-for-tests")
    settings = house.context.settings.model_copy(update={"admin_token": token})
    context = replace(house.context, settings=settings)
    api = FastAPI()
    api.include_router(router)
    add_error_handlers(api)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(AdminFront(context, api, Endpoints({}))),
        base_url="http://cpo.test/admin",
        headers={"Authorization": f"Bearer {token.get_secret_value()}"},
    ) as client:
        yield client


async def ask(
    admin: httpx.AsyncClient, method: str, path: str, body: Any = None
) -> tuple[int, Any]:
    answer = await admin.request(method, path, json=body)
    return answer.status_code, answer.json()


async def test_a_partner_from_offer_to_removal(
    admin: httpx.AsyncClient, house: House, puppet: Puppet
) -> None:
    status, offered = await ask(admin, "POST", "/partners", ACME)
    assert (status, sorted(offered)) == (
        201,
        ["expires", "name", "platform", "token", "versions_url"],
    )
    await house.credentials("POST", offered["token"], credentials())

    status, shown = await ask(admin, "GET", "/partners/acme")
    assert (status, shown["state"], shown["versions_url"]) == (
        200,
        "issued",
        "http://emsp.test/versions",
    )
    assert (await ask(admin, "GET", "/partners"))[1] == [shown]
    status, changed = await ask(admin, "PATCH", "/partners/acme", {"options": {"put_only": True}})
    assert changed["options"] == shown["options"] | {"put_only": True}
    options = {"offline_authorization": "allow", "put_only": False}
    status, changed = await ask(admin, "PATCH", "/partners/acme", {"options": options})
    assert changed["options"] == shown["options"] | options
    assert (await ask(admin, "POST", "/partners/acme/suspend"))[1]["suspended"] is True
    assert (await ask(admin, "POST", "/partners/acme/resume"))[1]["suspended"] is False
    puppet.answers["PUT /credentials"] = envelope(credentials("theirs"))
    status, rotated = await ask(admin, "POST", "/partners/acme/rotate")
    assert (status, rotated["remarks"]) == (200, [])
    assert (await ask(admin, "POST", "/partners/acme/reissue"))[1]["name"] == "acme"
    removed = await ask(admin, "DELETE", "/partners/acme")
    assert removed == (200, {"told": True, "problem": None})
    assert await ask(admin, "GET", "/partners") == (200, [])


async def test_connecting_gives_the_partner_and_remarks(
    admin: httpx.AsyncClient, puppet: Puppet
) -> None:
    wish = {"name": "acme", "versions_url": "http://emsp.test/2.2.1", "token": " token-a "}
    status, outcome = await ask(admin, "POST", "/partners/connect", wish)
    assert (status, outcome["partner"]["state"], len(outcome["remarks"])) == (201, "issued", 1)
    assert puppet.seen[0] == ("GET /2.2.1", "token-a")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "sentence"),
    [
        ("GET", "/partners/nobody", None, 404, "There is no partner nobody"),
        ("DELETE", "/partners/nobody", None, 404, "There is no partner nobody"),
        ("POST", "/partners/nobody/rotate", None, 404, "There is no partner nobody"),
        ("POST", "/partners", {**ACME, "name": "a b"}, 400, "name: "),
        ("POST", "/partners", {**ACME, "roles": []}, 400, "roles: "),
        ("PATCH", "/partners/nobody", {"options": {"put_always": True}}, 400, "options.put_always"),
        (
            "PATCH",
            "/partners/nobody",
            {"options": {"offline_authorization": "perhaps"}},
            400,
            "options.offline_authorization: Input should be 'deny' or 'allow'",
        ),
        (
            "POST",
            "/partners/connect",
            {"name": "acme", "versions_url": "http://emsp.test", "token": "a b"},
            400,
            "token: ",
        ),
        (
            "POST",
            "/partners/connect",
            {"name": "acme", "versions_url": "http://gone.test", "token": "a"},
            502,
            "GET http://gone.test: no connection. Nothing is kept here.",
        ),
        (
            "POST",
            "/parties",
            {"country_code": "NL", "party_id": "CPO", "name": "Again"},
            409,
            "The platform cpo has the party NL*CPO already.",
        ),
    ],
)
async def test_failures_are_sentences(
    *,
    admin: httpx.AsyncClient,
    method: str,
    path: str,
    body: Any,
    status: int,
    sentence: str,
) -> None:
    got, problem = await ask(admin, method, path, body)
    assert got == status
    assert problem["error"].startswith(sentence)


@pytest.mark.req("CR-12")
async def test_a_further_role_is_agreed_to(admin: httpx.AsyncClient) -> None:
    await ask(admin, "POST", "/partners", ACME)
    wish = {"role": "NSP", "country_code": "de", "party_id": "nsp"}
    status, shown = await ask(admin, "POST", "/partners/acme/roles", wish)
    assert (status, [(each["role"], each["party_id"]) for each in shown["roles"]]) == (
        201,
        [("EMSP", "MSP"), ("NSP", "NSP")],
    )
    assert (await ask(admin, "POST", "/partners/acme/roles", wish))[0] == 409
    assert (await ask(admin, "POST", "/partners/nobody/roles", wish))[0] == 404


async def test_parties_of_ours(admin: httpx.AsyncClient) -> None:
    wish = {"country_code": "nl", "party_id": "two", "name": "Second", "website": "https://two.nl"}
    status, added = await ask(admin, "POST", "/parties", wish)
    assert (status, added) == (
        201,
        {
            "platform": "cpo",
            "role": "CPO",
            "country_code": "NL",
            "party_id": "TWO",
            "name": "Second",
            "website": "https://two.nl",
            "told": [],
            "untold": [],
        },
    )
    listed = (await ask(admin, "GET", "/parties"))[1][1]
    assert {**listed, "told": [], "untold": []} == added


async def test_every_operation_is_described(house: House) -> None:
    assert house.context.interfaces
    api = FastAPI()
    api.include_router(router)
    operations = [one for path in api.openapi()["paths"].values() for one in path.values()]
    assert len(operations) == 15
    assert all(one["summary"] and one["description"] for one in operations)


@pytest.mark.threat("TA-27")
async def test_hosts_are_approved_by_what_the_partner_shows(
    admin: httpx.AsyncClient, house: House, puppet: Puppet
) -> None:
    away = {"identifier": "tariffs", "role": "RECEIVER", "url": "http://other.test/tariffs"}
    puppet.answers["GET /2.2.1"] = envelope(
        {"version": "2.2.1", "endpoints": [*ENDPOINTS[:1], away]}
    )
    _, offered = await ask(admin, "POST", "/partners", ACME)
    await house.credentials("POST", offered["token"], credentials())
    _, shown = await ask(admin, "GET", "/partners/acme")
    assert shown["withheld"] == [{**away, "place": "other.test"}]
    hosts = [each["place"] for each in shown["withheld"]]
    status, approved = await ask(admin, "POST", "/partners/acme/approve", {"hosts": hosts})
    assert (status, approved["withheld"], approved["options"]["hosts"]) == (200, [], hosts)
    assert approved["endpoints"] == [*ENDPOINTS[:1], away]
    for refused in ([], ["https://other.test/"]):
        assert (await ask(admin, "POST", "/partners/acme/approve", {"hosts": refused}))[0] == 400
    assert (await ask(admin, "POST", "/partners/nobody/approve", {"hosts": hosts}))[0] == 404
