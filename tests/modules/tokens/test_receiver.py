"""What eMSPs push: Tokens are kept by owner, uid and type, and bad ones change nothing."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from credentials.partners import set_options
from ocpi.testing import samples
from tests.house import OCPI, Service, codes_of, data_of, envelope_of, open_service

UID = "04A1B2C3D4E5F6"
URL = f"{OCPI}/receiver/tokens/DE/MSP/{UID}"
T1 = "2026-02-01T00:00:00Z"


@pytest.fixture
async def service(sqlite_url: str) -> AsyncIterator[Service]:
    async with open_service(sqlite_url) as opened:
        yield opened


@pytest.fixture
async def each_service(database_url: str) -> AsyncIterator[Service]:
    async with open_service(database_url) as opened:
        yield opened


async def read(service: Service, url: str = URL) -> Any:
    return data_of(await service.partner.get(url))


@pytest.mark.req("TK-10", "CO-01", "PP-02", "PP-03")
async def test_a_token_is_put_replaced_and_read(each_service: Service) -> None:
    first = samples.token(x_unknown={"a": 1})
    assert codes_of(await each_service.partner.put(URL, json=first)) == (201, 1000)
    assert await read(each_service) == first
    second = samples.token(visual_number=None, last_updated=T1)
    del second["visual_number"]
    assert codes_of(await each_service.partner.put(URL, json=second)) == (200, 1000)
    assert await read(each_service) == second


@pytest.mark.req("TK-11", "CO-02")
@pytest.mark.pitfall("IP-39")
async def test_a_uid_is_one_token_for_each_type(each_service: Service) -> None:
    app = samples.token(type="APP_USER", whitelist="NEVER")
    await each_service.partner.put(URL, json=samples.token())
    answer = await each_service.partner.put(f"{URL}?type=APP_USER", json=app)
    assert codes_of(answer) == (201, 1000)
    assert await read(each_service, f"{URL}?type=APP_USER") == app
    for url in (URL, f"{URL}?type=RFID", f"{URL}?type="):
        assert await read(each_service, url) == samples.token()
    gone = {"valid": False, "last_updated": T1}
    await each_service.partner.patch(f"{URL}?type=APP_USER", json=gone)
    assert (await read(each_service))["valid"] is True


@pytest.mark.req("TK-12", "PP-04")
async def test_a_token_is_withdrawn_and_stays_retrievable(service: Service) -> None:
    await service.partner.put(URL, json=samples.token())
    gone = {"valid": False, "last_updated": T1}
    assert codes_of(await service.partner.patch(URL, json=gone)) == (200, 1000)
    assert await read(service) == samples.token(**gone)


@pytest.mark.req("TK-11")
@pytest.mark.pitfall("IP-39")
async def test_the_type_in_the_body_must_be_that_of_the_url(service: Service) -> None:
    """AT-64: an APP_USER that is filed as RFID would be found by nobody who looks for it."""
    app = samples.token(type="APP_USER")
    answer = await service.partner.put(URL, json=app)
    assert codes_of(answer) == (200, 2001)
    assert "type: the URL says 'RFID'" in envelope_of(answer)["status_message"]
    answer = await service.partner.put(f"{URL}?type=APP_USER", json=samples.token())
    assert codes_of(answer) == (200, 2001)
    await service.partner.put(URL, json=samples.token())
    changes = {"type": "APP_USER", "last_updated": T1}
    assert codes_of(await service.partner.patch(URL, json=changes)) == (200, 2001)


@pytest.mark.pitfall("IP-39")
async def test_a_partner_may_be_trusted_with_the_type(service: Service) -> None:
    await set_options(service.context, "Example eMSP", {"token_type_from_body": "true"})
    app = samples.token(type="APP_USER")
    assert codes_of(await service.partner.put(URL, json=app)) == (201, 1000)
    assert await read(service, f"{URL}?type=APP_USER") == app


@pytest.mark.req("TK-12")
@pytest.mark.pitfall("IP-39")
@pytest.mark.parametrize("told", [{}, {"type": "APP_USER"}])
async def test_who_is_trusted_with_the_type_withdraws_a_token_without_it(
    each_service: Service, told: dict[str, str]
) -> None:
    """An app's token stayed valid: what its PUT was forgiven, its PATCH was not."""
    await set_options(each_service.context, "Example eMSP", {"token_type_from_body": "true"})
    await each_service.partner.put(URL, json=samples.token(type="APP_USER"))
    # Another uid begins so.
    longer = samples.token(uid=f"{UID}*X", type="OTHER")
    await each_service.partner.put(f"{URL}*X", json=longer)
    gone = {"valid": False, "last_updated": T1, **told}
    assert codes_of(await each_service.partner.patch(URL, json=gone)) == (200, 1000)
    assert await read(each_service) == samples.token(**{**gone, "type": "APP_USER"})


@pytest.mark.pitfall("IP-39")
async def test_who_is_trusted_with_the_type_means_rfid_where_there_are_two(
    service: Service,
) -> None:
    await set_options(service.context, "Example eMSP", {"token_type_from_body": "true"})
    for kind in ("RFID", "APP_USER"):
        await service.partner.put(URL, json=samples.token(type=kind))
    await service.partner.patch(URL, json={"valid": False, "last_updated": T1})
    assert (await read(service))["valid"] is False
    assert (await read(service, f"{URL}?type=APP_USER"))["valid"] is True


@pytest.mark.req("ST-09", "PP-08")
async def test_an_unknown_token_is_404_with_2004(service: Service) -> None:
    await service.partner.put(URL, json=samples.token())
    changes = {"valid": False, "last_updated": T1}
    for url in (f"{URL}?type=OTHER", f"{URL}0"):
        for answer in (
            await service.partner.get(url),
            await service.partner.patch(url, json=changes),
        ):
            assert codes_of(answer) == (404, 2004)
            assert "data" not in envelope_of(answer)


@pytest.mark.req("PP-09")
async def test_an_older_push_is_not_applied_and_no_error(each_service: Service) -> None:
    newer = samples.token(last_updated=T1)
    await each_service.partner.put(URL, json=newer)
    old = samples.token(valid=False)
    patch = {"valid": False, "last_updated": old["last_updated"]}
    for answer in (
        await each_service.partner.put(URL, json=old),
        await each_service.partner.patch(URL, json=patch),
    ):
        assert codes_of(answer) == (200, 1000)
        assert "Not applied" in envelope_of(answer)["status_message"]
    assert await read(each_service) == newer


@pytest.mark.req("CO-06")
@pytest.mark.threat("TA-05")
async def test_only_tokens_of_the_callers_parties_are_taken_or_told(service: Service) -> None:
    """TA-02: a Token of another eMSP, pushed by this one, would bill the wrong one."""
    url = f"{OCPI}/receiver/tokens/FR/NEW/{UID}"
    foreign = samples.token(country_code="FR", party_id="NEW")
    for answer in (
        await service.partner.put(url, json=foreign),
        await service.partner.patch(url, json={"valid": True, "last_updated": T1}),
        await service.partner.get(url),
    ):
        assert answer.status_code == 404
    assert codes_of(await service.partner.put(URL, json=foreign)) == (200, 2001)
    assert codes_of(await service.partner.get(URL)) == (404, 2004)


BAD: list[tuple[str, Any]] = [
    ("whitelist", None),
    ("valid", "true"),
    ("valid", None),
    ("uid", "OTHER"),
    ("uid", ""),
    ("contract_id", None),
    ("issuer", None),
    ("last_updated", None),
    ("last_updated", "yesterday"),
    ("party_id", "XXX"),
]


@pytest.mark.req("PP-01", "CO-04", "CO-05")
@pytest.mark.parametrize(("field", "value"), BAD)
async def test_a_bad_token_is_2001_and_nothing_changes(
    service: Service, field: str, value: Any
) -> None:
    await service.partner.put(URL, json=samples.token())
    bad = {**samples.token(last_updated=T1), field: value}
    assert codes_of(await service.partner.put(URL, json=bad)) == (200, 2001)
    assert await read(service) == samples.token()


@pytest.mark.req("PP-06", "PP-07")
async def test_a_patch_has_a_date_and_removes_nothing(service: Service) -> None:
    await service.partner.put(URL, json=samples.token())
    for changes in (
        {"valid": False},
        {"visual_number": None, "last_updated": T1},
        {"uid": "OTHER", "last_updated": T1},
        {"country_code": "FR", "last_updated": T1},
        {"valid": "no", "last_updated": T1},
    ):
        assert codes_of(await service.partner.patch(URL, json=changes)) == (200, 2001)
    assert await read(service) == samples.token()


@pytest.mark.req("TK-10", "CO-03")
async def test_tokens_are_neither_posted_nor_deleted_nor_listed(service: Service) -> None:
    await service.partner.put(URL, json=samples.token())
    for method in ("POST", "DELETE"):
        answer = await service.partner.request(method, URL)
        assert codes_of(answer) == (405, 2000)
    assert (await service.partner.get(f"{OCPI}/receiver/tokens")).status_code == 404
    assert await read(service) == samples.token()


@pytest.mark.req("CO-08")
async def test_owner_uid_and_type_are_compared_without_regard_to_case(service: Service) -> None:
    await service.partner.put(URL.replace("DE/MSP", "de/msp"), json=samples.token())
    assert await read(service, f"{URL.lower()}?type=rfid") == samples.token()
    answer = await service.partner.put(f"{URL}?type=rfid", json=samples.token(last_updated=T1))
    assert codes_of(answer) == (200, 1000)


async def test_any_uid_is_kept_apart_from_its_type(service: Service) -> None:
    for uid, path in {"A*B": "A*B", "A/B": "A%2FB", "A B?": "A%20B%3F", "*": "*"}.items():
        url = f"{OCPI}/receiver/tokens/DE/MSP/{path}"
        assert codes_of(await service.partner.put(url, json=samples.token(uid=uid))) == (201, 1000)
        assert (await read(service, url))["uid"] == uid
    url = f"{OCPI}/receiver/tokens/DE/MSP/A?type=B*RFID"
    for answer in (
        await service.partner.get(url),
        await service.partner.put(url, json=samples.token(uid="A*B")),
    ):
        assert codes_of(answer) == (200, 2001)


@pytest.mark.pitfall("IP-09")
async def test_a_word_that_ocpi_does_not_know_yet_costs_nobody_the_token(service: Service) -> None:
    newer = samples.token(type="EMAID", whitelist="SOMETIMES")
    assert codes_of(await service.partner.put(f"{URL}?type=EMAID", json=newer)) == (201, 1000)
    assert await read(service, f"{URL}?type=EMAID") == newer


@pytest.mark.req("TK-11")
async def test_pushes_of_one_token_at_once_make_one(each_service: Service) -> None:
    answers = await asyncio.gather(
        *(each_service.partner.put(URL, json=samples.token()) for _ in range(8))
    )
    assert sorted(codes_of(answer) for answer in answers) == [(200, 1000)] * 7 + [(201, 1000)]
    listed = await each_service.admin.get("/admin/tokens")
    assert listed.json() == [samples.token()]
