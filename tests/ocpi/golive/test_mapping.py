"""Negotiated prices: setting and removing mappings, what they change, and what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlmodel import select

from modules.locations.own import put_own
from modules.locations.parts import Place
from modules.tariffs.own import put_own as put_tariff
from ocpi.directory import AnnouncedParty
from ocpi.golive.mapping import mappings_for
from ocpi.headers import Party
from ocpi.parties import Partner, PlatformID
from ocpi.testing import samples
from tests.house import OURS, OWNER, SENDER, THEIRS, Service, add_partner, data_of, open_service

PARTNER = "/admin/partners/emsp"
TARIFFS = f"{PARTNER}/tariffs"
OLD = "2026-01-01T00:00:00Z"
AT = {"last_updated": OLD}
BOTH = (
    "instead: both must be of one type, "
    "but A is of the type REGULAR and ADHOC is of the type AD_HOC_PAYMENT"
)


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Service]:
    async with open_service(database_url) as opened:
        async with opened.database.write() as db:
            for partner in (await db.exec(select(Partner))).all():
                # Names that staff give have no blanks.
                partner.name = partner.name.split()[-1].lower()
            for name in ("A", "B", "C"):
                await put_tariff(db, OURS, name, samples.tariff(**OWNER, id=name, **AT))
            ad_hoc = samples.tariff(**OWNER, id="ADHOC", type="AD_HOC_PAYMENT", **AT)
            await put_tariff(db, OURS, "ADHOC", ad_hoc)
            for name, ids in (("L1", ["C", "A"]), ("L2", ["C"])):
                connector = samples.connector(1, tariff_ids=ids, **AT)
                evse = samples.evse(1, connectors=[connector], **AT)
                location = samples.location(**OWNER, id=name, evses=[evse], **AT)
                await put_own(db, OURS, Place(name), location)
        yield opened


async def mapped(service: Service, tariff_id: str = "A", instead: str = "B") -> dict[str, Any]:
    answer = await service.admin.put(f"{TARIFFS}/NL/TNM/{tariff_id}", json={"instead": instead})
    assert answer.status_code == 200, answer.text
    done: dict[str, Any] = answer.json()
    return done


async def listed(service: Service, module: str, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = data_of(await service.partner.get(f"{SENDER}/{module}{query}"))
    return found


def ids(location: dict[str, Any]) -> Any:
    return location["evses"][0]["connectors"][0]["tariff_ids"]


@pytest.mark.req("PG-02", "LO-03")
async def test_the_partner_reads_the_tariff_that_it_was_promised_at_every_depth(
    service: Service,
) -> None:
    done = await mapped(service)
    (mapping,) = done["mappings"]
    since = mapping["since"]
    assert mapping == {**OWNER, "tariff_id": "A", "instead": "B", "since": since}
    assert {name: done[name] for name in ("shown", "hidden", "told")} == {
        "shown": 0,
        "hidden": 1,
        "told": 2,
    }
    first, second = await listed(service, "locations")
    assert (ids(first), ids(second)) == (["C", "B"], ["C"])
    evse = first["evses"][0]
    dates = [each["last_updated"] for each in (first, evse, evse["connectors"][0], second)]
    assert dates == [since, since, since, OLD]
    place = f"{SENDER}/locations/L1"
    assert data_of(await service.partner.get(place)) == first
    assert data_of(await service.partner.get(f"{place}/EVSE-1")) == evse
    connector = data_of(await service.partner.get(f"{place}/EVSE-1/1"))
    assert connector == evse["connectors"][0]
    tariffs = await listed(service, "tariffs")
    told = {each["id"]: each["last_updated"] for each in tariffs}
    assert told == {"B": since, "C": OLD, "ADHOC": OLD}
    # Who asks for what is new gets what is new for it.
    for module, name in (("locations", "L1"), ("tariffs", "B")):
        news = await listed(service, module, f"?date_from={since}")
        assert [each["id"] for each in news] == [name]
        known = await listed(service, module, f"?date_to={since}")
        assert name not in [each["id"] for each in known]
    assert (await service.admin.get(TARIFFS)).json() == done["mappings"]
    stored = (await service.admin.get("/admin/locations/NL/TNM/L1")).json()
    assert (ids(stored), stored["last_updated"]) == (["C", "A"], OLD)


async def test_what_is_mapped_is_seen_whatever_rules_say(service: Service) -> None:
    for rule in ({"id": "C"}, {"id": "B", "hide": True}, {"id": "A"}):
        await service.admin.post(f"{PARTNER}/rules", json={"module": "tariffs", **rule})
    assert [each["id"] for each in await listed(service, "tariffs")] == ["A", "C"]
    assert (await mapped(service))["shown"] == 1
    assert [each["id"] for each in await listed(service, "tariffs")] == ["B", "C"]


async def test_a_mapping_that_is_removed_leaves_its_date_behind(service: Service) -> None:
    since = (await mapped(service))["mappings"][0]["since"]
    removed = await service.admin.delete(f"{TARIFFS}/NL/TNM/A")
    assert removed.json() == {"mappings": [], "shown": 1, "hidden": 0, "told": 3}
    first, _ = await listed(service, "locations")
    assert ids(first) == ["C", "A"]
    assert first["last_updated"] > since
    dates = {each["id"]: each["last_updated"] for each in await listed(service, "tariffs")}
    assert dates["A"] == dates["B"] == first["last_updated"]
    again = await service.admin.delete(f"{TARIFFS}/NL/TNM/A")
    assert again.status_code == 404
    assert again.json()["error"].startswith("emsp gets no other Tariff instead of A of NL*TNM")


async def test_the_same_mapping_again_changes_nothing(service: Service) -> None:
    first = await mapped(service)
    again = await mapped(service, "a", "b")
    assert again == {**first, "shown": 0, "hidden": 0, "told": 0}
    other = await mapped(service, "A", "C")
    assert [each["instead"] for each in other["mappings"]] == ["C"]
    location, _ = await listed(service, "locations")
    assert ids(location) == ["C"]


@pytest.mark.parametrize(
    ("place", "instead", "status", "sentence"),
    [
        ("NL/TNM/A", "a", 400, "instead: A cannot stand in for itself"),
        ("NL/TNM/A", "NONE", 404, "There is no Tariff NONE of NL*TNM."),
        ("NL/TNM/NONE", "B", 404, "There is no Tariff NONE of NL*TNM."),
        ("FR/ABC/A", "B", 404, "FR*ABC is no party of ours: see `ocpi party list`."),
        (
            "NL/TNM/A",
            "ADHOC",
            400,
            BOTH,
        ),
        (
            "NL/TNM/C",
            "A",
            400,
            "instead: emsp does not get A, but B instead: name that one",
        ),
        (
            "NL/TNM/B",
            "C",
            400,
            "tariff_id: emsp gets B instead of A: map that one onto C first",
        ),
    ],
)
async def test_what_would_be_disputed_is_refused_in_a_sentence(
    service: Service, place: str, instead: str, status: int, sentence: str
) -> None:
    before = await mapped(service)
    answer = await service.admin.put(f"{TARIFFS}/{place}", json={"instead": instead})
    assert (answer.status_code, answer.json()) == (status, {"error": sentence})
    assert (await service.admin.get(TARIFFS)).json() == before["mappings"]


async def test_a_tariff_that_a_partner_was_promised_cannot_be_deleted(service: Service) -> None:
    await mapped(service)
    answer = await service.admin.delete("/admin/tariffs/NL/TNM/B")
    sentence = "gets B instead of A: end that by `ocpi partner tariff remove emsp A`."
    assert answer.status_code == 409
    assert answer.json()["error"] == f"emsp {sentence}"
    await service.admin.delete(f"{TARIFFS}/NL/TNM/A")
    assert (await service.admin.delete("/admin/tariffs/NL/TNM/B")).status_code == 204


async def test_a_preview_says_which_tariff_it_gets_and_why(service: Service) -> None:
    await mapped(service)
    why = "its mapping gives it B instead of A"
    for module, due in (
        ("locations", {"l1": (True, f"open to it; {why}"), "l2": (True, "open to it")}),
        (
            "tariffs",
            {
                "a": (False, why),
                "b": (True, f"open to it; {why}"),
                "c": (True, "open to it"),
                "adhoc": (True, "open to it"),
            },
        ),
    ):
        found = (await service.admin.get(f"{PARTNER}/preview/{module}")).json()
        told = {
            each["object"].rpartition("*")[2]: (each["visible"], each["reason"])
            for each in found["objects"]
        }
        assert told == due


async def test_a_driver_pays_by_the_mappings_of_whoever_gets_the_bill(service: Service) -> None:
    behind, both = Party("SE", "BEH"), Party("SE", "TWO")
    hub = await add_partner(service.database, "far", "token-1", Party("SE", "HUB"), role="HUB")
    await add_partner(service.database, "near", "token-2", both)
    await add_partner(service.database, "ours", "token-3", THEIRS, platform=PlatformID.HUB)
    await add_partner(service.database, "theirs", "token-4", THEIRS, role="CPO")
    async with service.database.write() as db:
        for party in (behind, both):
            announced = {"country_code": party.country_code, "party_id": party.party_id}
            codes = {**announced, "party": party.key, "role": "EMSP", "status": "CONNECTED"}
            db.add(AnnouncedParty(partner_id=hub, last_updated=0, **codes))
    await mapped(service)
    far = await service.admin.put("/admin/partners/far/tariffs/NL/TNM/A", json={"instead": "C"})
    assert far.status_code == 200
    due = {THEIRS: ["B"], behind: ["C"], both: ["A"], Party("XX", "XXX"): ["A"]}
    async with service.database.read() as db:
        paid = {party: (await mappings_for(db, party)).ids("nl*tnm", ["A"]) for party in due}
    assert paid == due
