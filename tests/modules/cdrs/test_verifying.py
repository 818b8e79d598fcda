"""Whoever changes, removes or adds a sealed CDR behind our back is found."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import select

from modules.cdrs import sealing
from modules.cdrs.sealing import newest_seal, seal_stored
from modules.cdrs.seals import CDRErasure, digest
from modules.cdrs.store import CDRRow
from modules.cdrs.verifying import Verdict, verify
from ocpi.context import Context
from ocpi.erasure.erasing import erase
from ocpi.erasure.person import Person
from ocpi.sealing import Seal
from ocpi.testing import samples
from tests.modules.cdrs.sealed import (
    CHANGED,
    NEW,
    anchor,
    bill,
    do,
    found,
    open_sealing,
    tamper,
    two_seals,
)


@pytest.fixture
async def context(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Context]:
    async with open_sealing(database_url, monkeypatch) as made:
        yield made


@pytest.mark.threat("TA-31")
async def test_what_was_left_alone_is_found_to_hold(context: Context) -> None:
    assert await verify(context) == Verdict()
    await two_seals(context)
    assert await seal_stored(context) == []
    await bill(context, "G", "H")
    number, hashed = await anchor(context)
    verdict = await verify(context, [(number, hashed)])
    assert verdict == Verdict(seals=2, cdrs=6, unsealed=2, anchors=1, anchor=f"{number}:{hashed}")
    await seal_stored(context)
    assert (await verify(context, [(number, hashed)])).faults == []


# What stands where another bill shall be put in.
FORGED = (
    "INSERT INTO cdr (position, key, owner, last_updated, body, audience, currency, wh, cost, salt)"
    " SELECT {}, 'de*cpo*forged', owner, last_updated, body, audience, currency, wh, cost, salt"
    " FROM cdr WHERE key = 'de*cpo*b'"
)
TAMPERED: dict[str, tuple[list[str], list[tuple[int, str | None, str]]]] = {
    "one byte of a body": (
        ["UPDATE cdr SET body = replace(body, '\"EUR\"', '\"EUS\"') WHERE key = 'de*cpo*b'"],
        [(1, "de*cpo*b", CHANGED)],
    ),
    "whose it is": (
        ["UPDATE cdr SET owner = 'fr*new' WHERE key = 'de*cpo*e'"],
        [(2, "de*cpo*e", CHANGED)],
    ),
    "its id": (
        ["UPDATE cdr SET key = 'de*cpo*x' WHERE key = 'de*cpo*e'"],
        [(2, "de*cpo*x", CHANGED)],
    ),
    "its date": (
        ["UPDATE cdr SET last_updated = last_updated + 1 WHERE key = 'de*cpo*f'"],
        [(2, "de*cpo*f", CHANGED)],
    ),
    "its salt": (
        ["UPDATE cdr SET salt = '' WHERE key = 'de*cpo*f'"],
        [(2, "de*cpo*f", CHANGED)],
    ),
    "a removed one": (
        ["DELETE FROM cdr WHERE key = 'de*cpo*c'"],
        [(1, None, "CDRs behind this position are gone: 1.")],
    ),
    "the last one removed": (
        ["DELETE FROM cdr WHERE key = 'de*cpo*f'"],
        [(2, None, "CDRs behind this position are gone: 1.")],
    ),
    "all removed": (
        ["DELETE FROM cdr"],
        [
            (1, None, "CDRs behind this position are gone: 4."),
            (2, None, "CDRs behind this position are gone: 2."),
        ],
    ),
    "one put in between": (
        [FORGED.format("position + 1")],
        [(1, "de*cpo*forged", "It was put in after the others had been sealed.")],
    ),
    "one put in before all": (
        [FORGED.format("-5")],
        [(1, "de*cpo*forged", "It was put in after the others had been sealed.")],
    ),
    "the order of two": (
        [
            "UPDATE cdr SET position = -position WHERE key IN ('de*cpo*b', 'de*cpo*c')",
            "UPDATE cdr SET position = 2 - position WHERE key = 'de*cpo*b'",
            "UPDATE cdr SET position = -2 - position WHERE key = 'de*cpo*c'",
        ],
        [(1, "de*cpo*c", CHANGED), (1, "de*cpo*b", CHANGED)],
    ),
    "a number in a seal": (
        ["UPDATE cdr_seal SET cdrs = 3 WHERE number = 1"],
        [(1, None, "The seal itself was changed: it proves nothing of its CDRs.")],
    ),
    "the leaves of a seal": (
        ["UPDATE cdr_seal SET leaves = '' WHERE number = 2"],
        [(2, None, "The seal itself was changed: it proves nothing of its CDRs.")],
    ),
    "the voucher of a seal": (
        ["UPDATE cdr_seal SET voucher = 'x' WHERE number = 1"],
        [
            (
                1,
                None,
                (
                    "It was not made with the secret key given. Where the key was lost, an anchor "
                    "of this seal or a later one proves it."
                ),
            )
        ],
    ),
    "one changed and one put in behind it": (
        [
            "UPDATE cdr SET body = '{}' WHERE key = 'de*cpo*b'",
            FORGED.format("position + 1"),
        ],
        [
            (1, "de*cpo*b", "It was changed, or put in later."),
            (1, "de*cpo*forged", "It was changed, or put in later."),
        ],
    ),
    "a removed seal": (
        ["DELETE FROM cdr_seal WHERE number = 1"],
        [(1, None, "The seals from here to before 2 are gone.")],
    ),
}


@pytest.mark.threat("TA-31")
@pytest.mark.parametrize("way", TAMPERED)
async def test_each_way_of_tampering_is_found_and_said_where(context: Context, way: str) -> None:
    await two_seals(context)
    statements, expected = TAMPERED[way]
    await tamper(context, *statements)
    assert await found(context) == expected


@pytest.mark.threat("TA-31")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_in_sqlite_what_is_no_text_any_more_is_found_too(context: Context) -> None:
    await two_seals(context)
    await tamper(context, "UPDATE cdr SET body = CAST(x'ff' AS TEXT) WHERE key = 'de*cpo*b'")
    assert await found(context) == [(1, "de*cpo*b", CHANGED)]


@pytest.mark.threat("TA-31")
async def test_a_seal_that_is_made_anew_without_the_key_is_found(context: Context) -> None:
    await two_seals(context)
    await tamper(context, "UPDATE cdr SET body = '{}' WHERE key = 'de*cpo*e'")
    mallory = replace(context, seal=Seal(NEW))
    await do(context, "DELETE FROM cdr_seal WHERE number = 2")
    await seal_stored(mallory)
    ((number, _, sentence),) = await found(context)
    assert (number, sentence[:46]) == (2, "It was not made with the secret key given. Whe")


@pytest.mark.threat("TA-31")
async def test_with_an_anchor_also_what_the_service_itself_sealed_anew_is_found(
    context: Context,
) -> None:
    await two_seals(context)
    kept = await anchor(context)
    await tamper(
        context,
        "UPDATE cdr SET body = '{}' WHERE key = 'de*cpo*e'",
        "DELETE FROM cdr_seal WHERE number = 2",
    )
    assert await found(context, kept) == [
        (
            2,
            None,
            (
                "There is an anchor of seal 2, and the newest one here is 1: what came after it "
                "was cut off, or this is an older backup."
            ),
        )
    ]
    await seal_stored(context)
    assert await found(context) == []
    assert await found(context, kept) == [(2, None, "Its anchor tells another hash.")]


@pytest.mark.threat("TA-31")
async def test_erasing_a_driver_is_no_tampering_whenever_it_happens(context: Context) -> None:
    await bill(context, "A", "B", uid="FIRST")
    await bill(context, "C", "D", uid="SECOND")
    assert (await erase(context, Person.named("FIRST", None))).held == {"cdr": 2}
    await seal_stored(context)
    assert await found(context) == []
    kept = await anchor(context)
    assert (await erase(context, Person.named("SECOND", None))).erased
    assert await found(context, kept) == []
    assert (await verify(context)).erasures == 4
    await seal_stored(context)
    assert await found(context, kept, await anchor(context)) == []
    # The contract is still named.
    await bill(context, "E", uid="THIRD")
    await seal_stored(context)
    assert (await erase(context, Person.named(None, samples.cdr_token()["contract_id"]))).erased
    await seal_stored(context)
    assert await found(context, kept) == []


@pytest.mark.threat("TA-31")
async def test_an_erasure_while_a_seal_is_made_counts_after_it(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bill(context, "A", "B", uid="FIRST")
    read = sealing.stored_between

    async def meanwhile(*given: Any) -> AsyncIterator[Any]:
        assert (await erase(context, Person.named("FIRST", None))).erased
        async for each in read(*given):
            yield each

    with monkeypatch.context() as patched:
        patched.setattr(sealing, "stored_between", meanwhile)
        (seal,) = await seal_stored(context)
    assert (seal.cdrs, seal.erasures) == (2, 0)
    assert await found(context) == []
    (seal,) = await seal_stored(context)
    assert (seal.cdrs, seal.erasures) == (0, 2)
    assert await found(context) == []


@pytest.mark.threat("TA-31")
async def test_a_change_that_passes_itself_off_as_an_erasure_is_found(context: Context) -> None:
    await two_seals(context)
    async with context.database.read() as db:
        row = (await db.exec(select(CDRRow).where(CDRRow.key == "de*cpo*b"))).one()
    forged = CDRErasure(
        position=10**9,
        cdr=row.position,
        at=1,
        before=digest(row.salt.encode(), row.body.encode()),
        after=digest(row.salt.encode(), b"{}"),
        voucher=Seal(NEW).vouch("whatever"),
    )
    await tamper(context, "UPDATE cdr SET body = '{}' WHERE key = 'de*cpo*b'")
    async with context.database.write() as db:
        db.add(forged)
    verdict = await verify(context)
    assert [(each.seal, each.position) for each in verdict.faults] == [(None, row.position)]
    assert "passes itself off as the erasure" in verdict.faults[0].sentence
    # Sealed with the others it is found no less.
    newest = await newest_seal(context.database)
    assert newest is not None
    async with context.database.write() as db:
        await db.exec(update(CDRErasure).values(position=newest.last + 1))
    await bill(context, "G")
    await seal_stored(context)
    assert [each.seal for each in (await verify(context)).faults] == [3]


@pytest.mark.threat("TA-31")
async def test_a_change_after_an_erasure_is_found(context: Context) -> None:
    await bill(context, "A", uid="FIRST")
    await seal_stored(context)
    assert (await erase(context, Person.named("FIRST", None))).erased
    await seal_stored(context)
    await tamper(context, "UPDATE cdr SET body = '{}'")
    assert await found(context) == [
        (1, "de*cpo*a", "It was changed after a driver was erased from it.")
    ]
    await do(context, "DELETE FROM cdr_erasure")
    assert await found(context) == [
        (1, "de*cpo*a", CHANGED),
        (2, None, "What it says of drivers that were erased was changed."),
    ]


@pytest.mark.threat("TA-31")
async def test_nobody_can_try_what_an_erased_body_was(context: Context) -> None:
    await bill(context, "A", uid="FIRST")
    async with context.database.read() as db:
        before = (await db.exec(select(CDRRow))).one()
    assert (await erase(context, Person.named("FIRST", None))).erased
    async with context.database.read() as db:
        after = (await db.exec(select(CDRRow))).one()
        erasure = (await db.exec(select(CDRErasure))).one()
    assert re.fullmatch("[0-9a-f]{32}", before.salt)
    assert after.salt != before.salt
    body = before.body.encode()
    assert erasure.before == digest(before.salt.encode(), body)
    assert erasure.before not in (digest(after.salt.encode(), body), digest(b"", body))
    # Who erases again finds nothing, and so changes nothing.
    assert (await erase(context, Person.named("FIRST", None))).held == {}
