"""The operator's way to CDRs: made once, taken back once, and followed to their eMSP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from sqlmodel import col, select
from typer.testing import CliRunner

from modules.cdrs.cli import cdr_app
from modules.cdrs.own import credit_of, post_own
from modules.cdrs.received import keep
from ocpi.cli import app
from ocpi.database import Database
from ocpi.errors import InvalidParameters
from ocpi.opening import open_context
from ocpi.push.feed import SyncObject
from ocpi.push.lanes import Receipt, put_receipts
from ocpi.spec.document import decode, encode
from ocpi.testing import samples
from tests.house import (
    CPO,
    OURS,
    OWNER,
    TOKEN,
    Service,
    add_partner,
    add_party,
    open_service,
)
from tests.plainlog import log_plainly

LIST = "/admin/cdrs"
URL = f"{LIST}/NL/TNM/CDR-1"
Document = dict[str, Any]


@pytest.fixture
async def service(sqlite_url: str) -> AsyncIterator[Service]:
    async with open_service(sqlite_url) as opened:
        yield opened


@pytest.fixture
async def each_service(database_url: str) -> AsyncIterator[Service]:
    async with open_service(database_url) as opened:
        yield opened


def cdr(**over: Any) -> Document:
    return samples.cdr(**{**OWNER, **over})


def without(document: Document, *names: str) -> Document:
    return {name: value for name, value in document.items() if name not in names}


def plain(document: Any) -> Any:
    return decode(encode(document))


async def post(service: Service, body: Document) -> httpx.Response:
    return await service.admin.post(LIST, content=encode(body))


async def feed(service: Service) -> list[SyncObject]:
    async with service.database.read() as db:
        return list((await db.exec(select(SyncObject).order_by(col(SyncObject.seq)))).all())


@pytest.mark.req("CD-06", "CD-08")
async def test_a_cdr_is_made_once_and_told_to_its_emsp(service: Service) -> None:
    first = await post(service, cdr())
    assert (first.status_code, decode(first.content)) == (201, plain(cdr()))
    again = await post(service, without(cdr(), "last_updated"))
    assert (again.status_code, again.content) == (200, first.content)
    other = await post(service, cdr(remark="Another"))
    assert other.status_code == 409
    assert other.json()["error"] == "id: there is another CDR CDR-1, and CDRs never change"
    read = await service.admin.get(URL)
    assert read.content == first.content
    (row,) = await feed(service)
    assert (row.key, row.audience, row.stream, row.order_key) == (
        "cdrs/nl*tnm*cdr-1",
        "de*msp",
        "money",
        "sessions/nl*tnm*session-1",
    )


@pytest.mark.req("CD-09", "CD-10", "CD-12")
async def test_a_credit_cdr_repeats_the_original_but_for_its_own_fields(
    each_service: Service,
) -> None:
    await post(each_service, cdr(remark="Thank you"))
    answer = await each_service.admin.post(f"{URL}/credit")
    assert answer.status_code == 201
    credit = decode(answer.content)
    assert credit["last_updated"] > cdr()["last_updated"]
    assert without(credit, "last_updated") == plain(
        {
            **without(cdr(remark="Thank you"), "last_updated"),
            "id": "CDR-1-C",
            "credit": True,
            "credit_reference_id": "CDR-1",
            "total_cost": {"excl_vat": -5.25, "incl_vat": -6.25},
        }
    )
    again = await each_service.admin.post(f"{URL}/credit")
    assert (again.status_code, again.content) == (200, answer.content)
    assert [row.key for row in await feed(each_service)] == [
        "cdrs/nl*tnm*cdr-1",
        "cdrs/nl*tnm*cdr-1-c",
    ]


@pytest.mark.req("CD-09", "CD-12")
async def test_a_credit_cdr_may_be_given_its_id(service: Service) -> None:
    await post(service, cdr())
    answer = await service.admin.post(f"{URL}/credit", params={"credit_id": "X" * 39})
    assert (answer.status_code, answer.json()["id"]) == (201, "X" * 39)


async def test_a_cdr_is_taken_back_once(each_service: Service) -> None:
    await post(each_service, cdr())
    urls = [f"{URL}/credit?credit_id=C{number}" for number in range(4)]
    answers = await asyncio.gather(*(each_service.admin.post(url) for url in urls))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    refused = await each_service.admin.post(f"{URL}/credit?credit_id=C9")
    assert "has taken CDR-1 back" in refused.json()["error"]
    assert len(await feed(each_service)) == 2


@pytest.mark.req("CD-11")
async def test_a_corrected_cdr_has_a_new_id_and_no_reference(service: Service) -> None:
    await post(service, cdr())
    await service.admin.post(f"{URL}/credit")
    corrected = cdr(id="CDR-2", total_cost={"excl_vat": 4})
    assert (await post(service, corrected)).status_code == 201
    wrong = await post(service, {**corrected, "id": "CDR-3", "credit_reference_id": "CDR-1"})
    assert wrong.status_code == 400
    assert "CD-11" in wrong.json()["error"]


def credit(**over: Any) -> Document:
    return {**plain(credit_of(plain(cdr()), "CDR-1-C")), **over}


def with_dimension(kind: str) -> list[Document]:
    period = samples.charging_period()
    return [{**period, "dimensions": [{"type": kind, "volume": 1}]}]


BAD: list[tuple[str, str, Any, int, str]] = [
    ("POST", LIST, {}, 400, "country_code, party_id: are required"),
    ("POST", LIST, {**OWNER}, 400, "is required"),
    ("POST", LIST, cdr(party_id="XXX"), 404, "NL*XXX is no party of ours"),
    ("POST", LIST, cdr(id="X" * 37), 400, "id is longer than 36"),
    ("POST", LIST, cdr(id="P", currency="EURO"), 400, "currency: "),
    ("POST", LIST, cdr(charging_periods=[]), 400, "charging_periods: "),
    *(
        ("POST", LIST, cdr(id="P", charging_periods=with_dimension(kind)), 400, "CD-19")
        for kind in ("CURRENT", "ENERGY_EXPORT", "ENERGY_IMPORT", "POWER", "STATE_OF_CHARGE")
    ),
    ("POST", LIST, credit(credit_reference_id="NO"), 400, "no CDR NO to take back"),
    ("POST", LIST, credit(credit_reference_id=None), 400, "credit_reference_id is missing"),
    ("POST", LIST, credit(total_cost={"excl_vat": 5.25}), 400, "the negative of the original's"),
    ("POST", LIST, credit(total_energy=1), 400, "total_energy: a credit CDR repeats"),
    ("POST", LIST, credit(x_new=1), 400, "x_new: a credit CDR repeats"),
    ("GET", f"{LIST}/NL/TNM/NO", None, 404, "There is no such object"),
    ("POST", f"{LIST}/NL/TNM/NO/credit", None, 404, "There is no CDR NO"),
    ("POST", f"{URL}/credit?credit_id={'X' * 40}", None, 400, "credit_id: "),
    ("PUT", URL, cdr(), 405, "Method Not Allowed"),
    ("DELETE", URL, None, 405, "Method Not Allowed"),
]


@pytest.mark.req("CD-08", "CD-09", "CD-10", "CD-12", "CD-17", "CD-19")
async def test_bad_requests_say_why_and_change_nothing(service: Service) -> None:
    await post(service, cdr())
    for method, url, body, status, sentence in BAD:
        content = None if body is None else encode(body)
        answer = await service.admin.request(method, url, content=content)
        assert (method, url, answer.status_code) == (method, url, status), answer.text
        assert sentence in answer.json()["error"]
    assert len(await feed(service)) == 1


@pytest.mark.req("CD-09")
async def test_a_credit_cdr_is_not_taken_back(service: Service) -> None:
    await post(service, cdr())
    await service.admin.post(f"{URL}/credit")
    answer = await service.admin.post(f"{LIST}/NL/TNM/CDR-1-C/credit")
    assert answer.status_code == 400
    assert answer.json()["error"] == (
        "CDR-1-C is a credit CDR, by which CDR-1 was taken back: it can't be taken back itself; "
        "send a corrected CDR under a new id"
    )
    # The id of its credit would be too long besides, which is not the reason.
    await post(service, cdr(id="CDR-2"))
    await service.admin.post(f"{LIST}/NL/TNM/CDR-2/credit", params={"credit_id": "X" * 38})
    answer = await service.admin.post(f"{LIST}/NL/TNM/{'X' * 38}/credit")
    assert "is a credit CDR, by which CDR-2" in answer.json()["error"]


async def test_what_is_too_long_is_refused_in_words(service: Service) -> None:
    answer = await post(service, cdr(session_id="X" * 37))
    assert (answer.status_code, answer.json()["error"]) == (
        400,
        "session_id: is longer than OCPI 2.2.1 allows",
    )


@pytest.mark.req("CD-08")
async def test_of_different_cdrs_made_at_once_one_counts(each_service: Service) -> None:
    bodies = [cdr(total_energy=number) for number in range(1, 7)]
    answers = await asyncio.gather(*(post(each_service, body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
    made = next(answer for answer in answers if answer.status_code == 201)
    assert (await each_service.admin.get(URL)).content == made.content
    assert len(await feed(each_service)) == 1


async def accept(database: Database, name: str, at: int = 0) -> None:
    """Have the eMSP accept a CDR."""
    async with database.write() as db:
        receipt = Receipt(
            partner="Example eMSP",
            object_key=f"cdrs/nl*tnm*{name.lower()}",
            accepted_at=at,
            http_status=201,
            url=f"https://emsp.example/{name}",
            request_id="R-1",
        )
        await put_receipts(db, [receipt])


RECEIPT = {
    "partner": "Example eMSP",
    "accepted_at": "1970-01-01T00:00:01Z",
    "url": "https://emsp.example/CDR-1",
    "request_id": "R-1",
}


@pytest.mark.req("CD-04")
async def test_cdrs_are_listed_newest_first_with_their_receipts(each_service: Service) -> None:
    admin = each_service.admin
    assert (await admin.get(LIST)).json() == {"total": 0, "cdrs": []}
    await post(each_service, cdr())
    await post(each_service, cdr(id="A b"))
    await accept(each_service.database, "CDR-1", 1_000_000)
    assert decode((await admin.get(LIST)).content) == plain(
        {
            "total": 2,
            "cdrs": [
                {"cdr": cdr(id="A b"), "receipts": []},
                {"cdr": cdr(), "receipts": [RECEIPT]},
            ],
        }
    )
    page = (await admin.get(f"{LIST}?limit=1&offset=1")).json()
    assert [each["cdr"]["id"] for each in page["cdrs"]] == ["CDR-1"]


async def contradict(database: Database) -> tuple[Document, Document]:
    """Have a partner post two CDRs under one id; gives both."""
    stored, refused = plain(samples.cdr()), plain(samples.cdr(total_energy=99))
    await keep(database, "Example CPO", CPO, stored)
    with pytest.raises(InvalidParameters):
        await keep(database, "Example CPO", CPO, refused)
    return stored, refused


async def test_contradicting_cdrs_are_shown_side_by_side(each_service: Service) -> None:
    url = f"{LIST}/conflicts"
    assert (await each_service.admin.get(url)).json() == []
    stored, refused = await contradict(each_service.database)
    (conflict,) = decode((await each_service.admin.get(url)).content)
    assert conflict.pop("at").endswith("Z")
    assert conflict == {"partner": "Example CPO", "stored": stored, "refused": refused}
    assert (await each_service.admin.get(f"{url}?offset=1")).json() == []


async def prepare() -> None:
    async with open_context() as context:
        await add_party(context.database, OURS)
        await add_partner(context.database, "Example eMSP", TOKEN)
        await post_own(context.database, OURS, cdr())
        await post_own(context.database, OURS, cdr(id="B"))
        await accept(context.database, "CDR-1", 1_000_000)
        await contradict(context.database)


@pytest.fixture
def installation(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set the environment of an installation that holds two CDRs of ours and a contradiction."""
    monkeypatch.setenv("OCPI_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("OCPI_SECRET_KEY", "k" * 32)
    monkeypatch.setenv("COLUMNS", "200")
    asyncio.run(prepare())
    yield
    # Commands log to the standard error that a test's runner gave them and has closed by now.
    log_plainly()


def run(*words: str) -> Any:
    result = CliRunner().invoke(cdr_app, words, catch_exceptions=False)
    assert (result.exit_code, result.stderr) == (0, "")
    return json.loads(result.stdout) if "--json" in words else result.stdout


@pytest.mark.usefixtures("installation")
def test_the_commands_list_show_and_take_back_cdrs() -> None:
    accepted = {"cdr": cdr(), "receipts": [RECEIPT]}
    waiting = {"cdr": cdr(id="B"), "receipts": []}
    assert run("list", "--json") == {"total": 2, "cdrs": [waiting, accepted]}
    assert run("show", "cdr-1", "--json") == accepted
    assert "https://emsp.example/CDR-1" in run("show", "CDR-1")
    assert run("credit", "CDR-1") == "CDR-1-C takes CDR-1 back: -5.25 EUR\n"
    assert run("credit", "B", "--id", "B-99", "--json")["credit_reference_id"] == "B"
    assert "takes back CDR-1" in run("list")
    assert "not yet" in run("list", "--limit", "1")
    for words in (["show", "NO"], ["credit", "NO"]):
        missing = CliRunner().invoke(cdr_app, words)
        assert (missing.exit_code, missing.stderr) == (1, "error: There is no CDR NO of NL*TNM.\n")


@pytest.mark.usefixtures("installation")
def test_the_command_audits_cdrs() -> None:
    result = CliRunner().invoke(app, ["push", "audit", "--json"], catch_exceptions=False)
    found = json.loads(result.stdout)
    assert [(each["id"], each["overdue"]) for each in found["cdrs"]] == [("B", False)]
    result = CliRunner().invoke(app, ["push", "audit"], catch_exceptions=False)
    assert "0 should have a receipt, 1 wait for their partner." in result.stdout


@pytest.mark.usefixtures("installation")
def test_the_commands_show_contradicting_cdrs() -> None:
    (conflict,) = run("conflicts", "--json")
    assert (conflict["partner"], conflict["refused"]["total_energy"]) == ("Example CPO", 99)
    assert "Example CPO" in run("conflicts")


@pytest.mark.req("CD-08", "CD-11")
async def test_a_session_is_billed_once_until_its_cdr_is_taken_back(each_service: Service) -> None:
    others = [cdr(id=f"CDR-{n}", session_id="session-1") for n in range(1, 5)]
    answers = await asyncio.gather(*(post(each_service, each) for each in others))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    [made] = [n for n, answer in enumerate(answers) if answer.status_code == 201]
    refused = await post(each_service, cdr(id="AGAIN", session_id="SESSION-1"))
    assert refused.json()["error"] == (
        f"session_id: CDR CDR-{made + 1} bills the Session SESSION-1; another one can only follow "
        "a credit CDR"
    )
    assert (await post(each_service, others[made])).status_code == 200
    url = f"{LIST}/NL/TNM/CDR-{made + 1}/credit"
    assert (await each_service.admin.post(url)).status_code == 201
    assert (await post(each_service, cdr(id="AGAIN", session_id="SESSION-1"))).status_code == 201
    assert (await post(each_service, cdr(id="THIRD", session_id="SESSION-1"))).status_code == 409
    unnamed = without(cdr(id="UNNAMED"), "session_id")
    assert (await post(each_service, unnamed)).status_code == 201
