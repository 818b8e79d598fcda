"""What staff are shown of what a partner sees, and why it does not see more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import col, select

from modules.cdrs.store import cdrs
from modules.hubclientinfo.store import client_infos
from modules.locations.own import put_own
from modules.locations.parts import Place
from modules.locations.store import locations
from modules.sessions.store import sessions
from modules.tokens.store import hub_tokens
from ocpi.agreements import Agreement
from ocpi.headers import Party
from ocpi.parties import Partner, PlatformID
from ocpi.testing import samples
from tests.house import (
    CPO,
    HUB,
    OURS,
    OWNER,
    RECEIVING,
    SENDER,
    Service,
    add_partner,
    data_of,
    open_service,
)

PREVIEW = "/admin/partners/emsp/preview"


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Service]:
    async with open_service(
        database_url,
        offers=RECEIVING,
        hub_country_code=HUB.country_code,
        hub_party_id=HUB.party_id,
    ) as opened:
        async with opened.database.write() as db:
            for partner in (await db.exec(select(Partner))).all():
                # Names that staff give have no blanks.
                partner.name = partner.name.split()[-1].lower()
        yield opened


async def seen(service: Service, module: str, query: str = "", name: str = "") -> dict[str, Any]:
    place = f"/admin/partners/{name}/preview" if name else PREVIEW
    answer = await service.admin.get(f"{place}/{module}{query}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def reasons(found: dict[str, Any]) -> dict[str, str | None]:
    """Why each object is hidden, by its name; None: it is not."""
    return {
        each["object"]: None if each["visible"] else each["reason"] for each in found["objects"]
    }


async def put(service: Service, owner: Party, *names: str, **over: Any) -> None:
    codes = {"country_code": owner.country_code, "party_id": owner.party_id}
    async with service.database.write() as db:
        for name in names:
            document = samples.location(**codes, id=name, evses=[], **over)
            await put_own(db, owner, Place(name), document)


@pytest.mark.req("TR-22", "LO-16", "PG-07")
async def test_a_preview_is_what_the_list_is_with_counts_by_reason(service: Service) -> None:
    await put(service, OURS, "A", "B", "C")
    await put(service, OURS, "P", publish=False, publish_allowed_to=[{"group_id": "G"}])
    await put(service, CPO, "X")
    rule = {"module": "locations", "id": "b", "hide": True}
    added = await service.admin.post("/admin/partners/emsp/rules", json=rule)
    assert (added.status_code, added.json()["hidden"]) == (201, 1)
    found = await seen(service, "locations")
    listed = await service.partner.get(f"{SENDER}/locations")
    visible = [each["object"] for each in found["objects"] if each["visible"]]
    assert visible == [f"nl*tnm*{each['id'].lower()}" for each in data_of(listed)]
    assert listed.headers["x-total-count"] == str(len(visible)) == "3"
    assert reasons(found)["nl*tnm*b"] == "rule 1 hides locations with id b"
    assert {(each["visible"], each["count"]) for each in found["totals"]} == {
        (True, 2),
        (True, 1),
        (False, 1),
    }
    assert "publish_allowed_to (LO-16)" in str(found["totals"])
    assert found["total"] == 4
    hidden = await seen(service, "locations", "?visible=false")
    assert list(reasons(hidden)) == ["nl*tnm*b"]
    page = await seen(service, "locations", "?offset=1&limit=2&visible=true")
    assert list(reasons(page)) == ["nl*tnm*c", "nl*tnm*p"]
    assert page["total"] == 4


async def test_what_concerns_another_ones_driver_is_hidden_for_the_token(service: Service) -> None:
    async with service.database.write() as db:
        for name, driver in (("S1", "MSP"), ("S2", "OTH")):
            token = samples.cdr_token(country_code="DE", party_id=driver)
            session = samples.session(**OWNER, id=name, cdr_token=token)
            await sessions.put(db, OURS, name, session)
            await cdrs.put(db, OURS, name, samples.cdr(**OWNER, id=name, cdr_token=token))
    for module in ("sessions", "cdrs"):
        assert reasons(await seen(service, module)) == {
            "nl*tnm*s1": None,
            "nl*tnm*s2": "token: the driver is of DE*OTH",
        }


async def test_a_cpo_platform_tells_no_tokens_and_nobody_who_is_connected(service: Service) -> None:
    async with service.database.write() as db:
        owner = {"country_code": "NL", "party_id": "TNM"}
        token = samples.token(**owner, uid="T", type="RFID")
        await hub_tokens.put(db, OURS, "T*RFID", token)
        info = {**owner, "role": "CPO", "status": "CONNECTED", "last_updated": samples.UPDATED}
        await client_infos.put(db, OURS, "CPO", info)
    for module in ("tokens", "hubclientinfo"):
        (reason,) = reasons(await seen(service, module)).values()
        assert reason is not None
        assert reason.startswith("role: ")


@pytest.mark.req("RT-38")
async def test_at_the_hub_agreements_and_roles_hide_too(service: Service) -> None:
    driver, other = Party("FR", "EMS"), Party("FR", "CPX")
    for name, party, role in (("driver", driver, "EMSP"), ("other", other, "CPO")):
        await add_partner(
            service.database, name, f"in-{name}", party, role=role, platform=PlatformID.HUB
        )
    await put(service, OURS, "A")
    await put(service, CPO, "X")
    await put(service, Party("SE", "OLD"), "Y")
    async with service.database.write() as db:
        db.add(
            Agreement(
                from_party=CPO.key,
                to_party=driver.key,
                module="locations",
                allowed=False,
                created_at=0,
            )
        )
    assert reasons(await seen(service, "locations", name="driver")) == {
        "nl*tnm*a": None,
        "de*cpo*x": "agreement: DE*CPO and FR*EMS may not exchange locations",
        "se*old*y": "SE*OLD has left the hub",
    }
    assert reasons(await seen(service, "locations", name="other"))["nl*tnm*a"] == (
        "role: none of its roles hears it"
    )
    own = reasons(await seen(service, "locations", name="cpo"))
    assert own["de*cpo*x"] == "its own"
    async with service.database.write() as db:
        await db.exec(update(Partner).where(col(Partner.name) == "cpo").values(suspended=True))
    gone = reasons(await seen(service, "locations", name="driver"))
    assert gone["de*cpo*x"] == "standing: DE*CPO is PLANNED or SUSPENDED"


async def test_what_holds_for_all_is_said_first(service: Service) -> None:
    found = await seen(service, "locations", name="newcomer")
    assert found["remarks"] == ["It is not registered yet: this is what it will see."]
    found = await seen(service, "locations")
    assert found["remarks"] == [
        "It offers no locations RECEIVER: it can GET them, but is told nothing."
    ]


async def test_rules_and_tags_that_cannot_be_are_refused(service: Service) -> None:
    place = "/admin/partners/emsp/rules"
    answer = await service.admin.post(place, json={"module": "locations", "country": "XX"})
    assert "no country of ISO 3166" in answer.json()["error"]
    answer = await service.admin.delete(f"{place}/9")
    assert (answer.status_code, "has no rule 9" in answer.text) == (404, True)
    await put(service, OURS, "A")
    answer = await service.admin.put("/admin/location-tags/NL/TNM/A", json={"tags": ["a b"]})
    assert "without blanks" in answer.json()["error"]
    answer = await service.admin.put("/admin/location-tags/NL/TNM/A", json={"tags": ["B", "a"]})
    assert answer.json() == {"tags": ["a", "b"]}
    assert (await service.admin.get("/admin/location-tags/NL/TNM/A")).json() == answer.json()
    answer = await service.admin.get("/admin/location-tags/NL/TNM/NONE")
    assert answer.status_code == 404
    assert await locations.text_of(service.database, "nl*tnm*a")
