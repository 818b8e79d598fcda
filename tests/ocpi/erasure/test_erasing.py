"""A driver is erased from free text and from URLs, too, and nobody else is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlmodel import col, select
from typer.testing import CliRunner

from modules.cdrs.store import cdrs
from ocpi.cli import app
from ocpi.context import Interface
from ocpi.erasure.erasing import Erasure, erase
from ocpi.erasure.person import Person
from ocpi.hub.links import End, HubLink, Meaning, make_link
from ocpi.journal.searching import Wanted, find_messages
from ocpi.journal.writing import store_notes
from ocpi.parties import Partner
from ocpi.sealing import Seal
from ocpi.spec.document import decode
from ocpi.testing import samples
from tests.house import OCPI, open_service
from tests.ocpi.hub.town import CPO1, EMSP1, Town, open_town
from tests.plainlog import log_plainly

UID = "CANARY*77 X1"
CONTRACT = "DE-MSP-C1"
DRIVER = {"uid": UID, "contract_id": CONTRACT}
SAID = "Driver canary*77 x1 (de-msp-c1) called; CANARY*77 X10 and DE-MSP-C12 did not."
LEFT = "Driver (erased) ((erased)) called; CANARY*77 X10 and DE-MSP-C12 did not."
NAMING = ("https://emsp1.example/results/CANARY%2A77%20X1", "https://emsp1.example/r?of=de-msp-c1")
OTHER = "https://emsp1.example/results/DE-MSP-C12"


@pytest.mark.parametrize("words", [(), ("--yes",), ("--dry-run",)])
def test_where_nothing_is_held_it_is_said_and_nothing_is_asked(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("OCPI_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("OCPI_SECRET_KEY", "k" * 32)
    result = CliRunner().invoke(app, ["gdpr", "erase", "--token", "NOBODY", *words])
    log_plainly()
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "Nothing is held of this driver.\n"


async def erased(town: Town, *, dry_run: bool = False) -> Erasure:
    return await erase(town.context, Person.named(UID, CONTRACT), dry_run=dry_run)


async def test_a_remark_on_a_bill_does_not_tell_who_charged(database_url: str) -> None:
    async with open_town(database_url, (CPO1,)) as town:
        owner = {"country_code": "BE", "party_id": "BEC"}
        whose = {"cdr_token": samples.cdr_token(**DRIVER)}
        async with town.context.database.write() as db:
            for name, over in (("C1", whose), ("C2", {})):
                cdr = samples.cdr(**owner, id=name, remark=SAID, **over)
                await cdrs.put(db, CPO1.party, name, cdr)
        assert (await erased(town)).held == {"cdr": 1}
        texts = [
            await cdrs.text(town.context.database, (CPO1.party,), each) for each in ("C1", "C2")
        ]
        # The second is the bill of somebody else.
        assert [decode(text)["remark"] for text in texts] == [LEFT, SAID]


async def test_the_hub_forgets_links_whose_urls_name_the_driver(database_url: str) -> None:
    async with open_town(database_url, (CPO1, EMSP1)) as town:
        database = town.context.database
        async with database.read() as db:
            partners = {each.name: each.key for each in (await db.exec(select(Partner))).all()}
        for url in (*NAMING, OTHER):
            meaning = Meaning(
                interface=Interface("commands", "SENDER"),
                method="POST",
                url=url,
                follower=End(CPO1.party, partners["cpo1"]),
                owner=End(EMSP1.party, partners["emsp1"]),
                life=10**12,
            )
            await make_link(town.context, meaning)
        await town.set_partner("cpo1", note=f"It says {CONTRACT} and more.")
        await town.set_partner("emsp1", note="Fine.")
        found = await erased(town, dry_run=True)
        assert found.held == {"hub_link": 2, "partner": 1}
        assert (await erased(town)).held == found.held
        assert (await erased(town)).held == {}
        async with database.read() as db:
            assert (await db.exec(select(HubLink.url))).all() == [OTHER]
            notes = await db.exec(select(Partner.note).order_by(col(Partner.name)))
            assert notes.all() == ["(erased)", "Fine."]


async def test_what_was_said_a_moment_ago_and_is_not_stored_yet_is_erased_too(
    database_url: str,
) -> None:
    async with open_service(database_url, worker=True) as service:
        token = {**samples.token(), "country_code": "DE", "party_id": "MSP", "uid": "CARD-77"}
        answer = await service.partner.put(f"{OCPI}/receiver/tokens/DE/MSP/CARD-77", json=token)
        assert answer.status_code == 201
        card = Person.named("CARD-77", None)
        assert (await erase(service.context, card)).held["message"] == 1
        assert (await erase(service.context, card)).held == {}


async def test_a_driver_is_found_and_erased_in_messages_from_before_the_key_was_changed(
    database_url: str,
) -> None:
    async with open_service(database_url, worker=True) as service:
        context = service.context
        token = {**samples.token(), "country_code": "DE", "party_id": "MSP", "uid": "CARD-77"}
        await service.partner.put(f"{OCPI}/receiver/tokens/DE/MSP/CARD-77", json=token)
        await store_notes(context.database, context.seal, context.notes)
        old = context.seal.mark("CARD-77")
        changed = replace(context, seal=Seal("n" * 32, "k" * 32))

        async def found(**wanted: Any) -> list[str]:
            messages = await find_messages(context.database, changed.seal, Wanted(**wanted))
            return [each.url for each in messages]

        assert await found(token="card-77") == await found(object="tokens/DE/MSP/CARD-77")
        (url,) = await found(token="card-77")
        assert old in url
        card = Person.named("CARD-77", None)
        assert (await erase(changed, card)).held["message"] == 1
        (url,) = await found()
        assert old not in url
        assert (await erase(changed, card)).held == {}
