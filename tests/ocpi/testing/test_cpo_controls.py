"""Programs have the mock CPO tell and ask, and people see what it holds."""

from __future__ import annotations

import pytest

from ocpi.testing import samples
from tests.ocpi.testing.caller import connect
from tests.ocpi.testing.pair import registered, violations


@pytest.mark.parametrize(
    ("module", "document"),
    [
        ("locations", samples.location()),
        ("tariffs", samples.tariff()),
        ("sessions", samples.session()),
        ("cdrs", samples.cdr()),
    ],
)
async def test_an_object_is_told_to_whom_it_is_addressed(
    module: str, document: dict[str, object]
) -> None:
    cpo, emsp = await registered()
    async with connect(cpo) as http:
        for query in ("?to=DE*MSP", "?to=open", ""):
            told = (await http.post(f"/mock/objects/{module}{query}", json=document)).json()
            assert told["status_code"] == 1000
        assert (await http.get(f"/mock/objects/{module}")).json() == [document]
    assert emsp.documents(module) == [document]
    assert violations(cpo, emsp) == []


async def test_authorisation_is_asked_for() -> None:
    cpo, emsp = await registered()
    emsp.issue_token(samples.token(), "BLOCKED")
    async with connect(cpo) as http:
        wanted = {"uid": samples.token()["uid"]}
        reply = (await http.post("/mock/authorize?to=DE*MSP", json=wanted)).json()
    assert (reply["status_code"], reply["data"]["allowed"]) == (1000, "BLOCKED")
    assert violations(cpo, emsp) == []


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("objects/dogs", {}),
        ("objects/tokens", samples.token()),
        ("objects/tariffs", {}),
        ("objects/tariffs?to=MSP", samples.tariff()),
        ("authorize", {}),
    ],
)
async def test_what_cannot_be_told_is_400(path: str, document: dict[str, object]) -> None:
    cpo, _ = await registered()
    async with connect(cpo) as http:
        response = await http.post(f"/mock/{path}", json=document)
    assert response.status_code == 400
    assert set(response.json()) == {"error"}


async def test_the_page_shows_what_a_cpo_holds_and_says_that_it_is_one() -> None:
    cpo, _ = await registered()
    await cpo.put_session(samples.session())
    async with connect(cpo) as http:
        text = (await http.get("/")).text
    assert "A mock CPO." in text
    assert "<td>DE*CPO SESSION-1</td>" in text
    assert "Commands and charging profiles" not in text
