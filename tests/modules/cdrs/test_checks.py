"""The price of a CDR that comes is checked, stored with it, shown and counted; none is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from modules.cdrs.checks import explain_price
from ocpi.cli import app
from ocpi.headers import Party
from ocpi.spec.document import decode, encode
from ocpi.testing import samples
from tests.house import RECEIVER, RECEIVING, Service, codes_of, open_service
from tests.plainlog import log_plainly

Document = dict[str, Any]


@pytest.fixture
async def each_service(database_url: str) -> AsyncIterator[Service]:
    async with open_service(database_url, offers=RECEIVING) as opened:
        yield opened


def cdr(name: str, **over: Any) -> Document:
    """Ten and a half kWh at half a euro, in half an hour."""
    return samples.cdr(**{"id": name, "total_cost": {"excl_vat": 5.25, "incl_vat": 6.25}, **over})


async def post(service: Service, body: Document) -> tuple[int, int]:
    return codes_of(await service.cpo.post(f"{RECEIVER}/cdrs", content=encode(body)))


async def checks(service: Service, query: str = "") -> Document:
    answer = await service.admin.get(f"/admin/cdrs/checks{query}")
    assert answer.status_code == 200, answer.text
    return dict(decode(answer.content))


async def test_every_cdr_is_taken_whatever_its_price_and_each_verdict_is_counted(
    each_service: Service,
) -> None:
    wrong = {"excl_vat": 99, "incl_vat": 117.81}
    strange = {**samples.tariff(), "id": "OTHER"}
    assert await post(each_service, cdr("RIGHT")) == (201, 1000)
    assert await post(each_service, cdr("WRONG", total_cost=wrong)) == (201, 1000)
    assert await post(each_service, cdr("UNKNOWN", tariffs=[strange])) == (201, 1000)
    found = await checks(each_service)
    verdicts = {each["cdr"]["id"]: each["finding"]["verdict"] for each in found["cdrs"]}
    assert verdicts == {"RIGHT": "agrees", "WRONG": "disputed", "UNKNOWN": "unpriceable"}
    assert found["counts"] == [
        {"party": "de*cpo", "verdict": verdict, "count": 1}
        for verdict in ("agrees", "disputed", "unpriceable")
    ]
    disputed = await checks(each_service, "?verdict=disputed")
    assert [each["cdr"]["id"] for each in disputed["cdrs"]] == ["WRONG"]
    finding = disputed["cdrs"][0]["finding"]
    assert (finding["claimed"]["excl_vat"], finding["computed"]["excl_vat"]) == (99, decode("5.25"))


async def test_a_cdr_that_comes_again_keeps_its_verdict(each_service: Service) -> None:
    for expected in ((201, 1000), (200, 1000)):
        assert await post(each_service, cdr("RIGHT")) == expected
    assert [each["count"] for each in (await checks(each_service))["counts"]] == [1]


async def test_a_tariff_that_differs_from_the_one_told_before_is_remarked(
    each_service: Service,
) -> None:
    other = samples.tariff()
    other["elements"][0]["price_components"][0]["price"] = 0.6
    path = f"{RECEIVER}/tariffs/DE/CPO/TARIFF-1"
    assert codes_of(await each_service.cpo.put(path, content=encode(other))) == (201, 1000)
    await post(each_service, cdr("RIGHT"))
    (checked,) = (await checks(each_service))["cdrs"]
    assert "tariff_differs" in [note["code"] for note in checked["finding"]["notes"]]


def by_the_clock(**place: Any) -> Document:
    """A CDR whose kWh cost half a euro until half past nine local time, and one after it."""
    offer = samples.tariff()
    dear = {"price_components": [{"type": "ENERGY", "price": 1, "step_size": 1}]}
    cheap = {**offer["elements"][0], "restrictions": {"end_time": "09:30"}}
    body = cdr("CLOCK", tariffs=[{**offer, "elements": [cheap, dear]}])
    return {**body, "cdr_location": {**body["cdr_location"], **place}}


@pytest.mark.req("TA-19")
@pytest.mark.parametrize(
    ("location", "country", "verdict"),
    [
        ({"country": "ESP", "time_zone": "Atlantic/Canary"}, "ESP", "agrees"),
        ({"country": "ESP", "time_zone": "Europe/Madrid"}, "ESP", "disputed"),
        ({"time_zone": "Europe/London"}, "DEU", "agrees"),  # What was told before what is guessed.
        ({"time_zone": "Mars/Olympus"}, "PRT", "unpriceable"),
        (None, "ESP", "unpriceable"),
        (None, "GBR", "agrees"),
    ],
)
async def test_a_cdr_is_checked_by_the_clock_of_its_location(
    each_service: Service, location: Document | None, country: str, verdict: str
) -> None:
    """At nine by UTC it is nine in the Canaries and in London, and ten in Madrid."""
    if location is not None:
        path = f"{RECEIVER}/locations/DE/CPO/LOC-1"
        body = encode(samples.location(**location))
        assert codes_of(await each_service.cpo.put(path, content=body)) == (201, 1000)
    await post(each_service, by_the_clock(country=country))
    [checked] = (await checks(each_service))["cdrs"]
    assert checked["finding"]["verdict"] == verdict
    account = await explain_price(each_service.database, Party("DE", "CPO"), checked["cdr"])
    assert account.get("agrees") is {"agrees": True, "disputed": False}.get(verdict)


async def test_an_unknown_verdict_is_no_filter(each_service: Service) -> None:
    answer = await each_service.admin.get("/admin/cdrs/checks?verdict=odd")
    assert answer.status_code == 400
    assert "verdict" in answer.json()["error"]


def test_the_command_shows_the_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCPI_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/ocpi.sqlite")
    monkeypatch.setenv("OCPI_SECRET_KEY", "k" * 32)
    result = CliRunner().invoke(app, ["cdr", "checks", "--json"])
    unknown = CliRunner().invoke(app, ["cdr", "checks", "--verdict", "foo"])
    log_plainly()
    assert (result.exit_code, decode(result.stdout)) == (0, {"counts": [], "cdrs": []})
    sentence = "error: verdict: 'foo' is none of agrees, disputed, unpriceable.\n"
    assert (unknown.exit_code, unknown.stderr) == (1, sentence)
