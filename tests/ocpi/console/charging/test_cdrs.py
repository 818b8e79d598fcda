"""The pages of CDRs: the search, and one of them whole."""

from __future__ import annotations

import pytest
from sqlmodel import select

from modules.cdrs.own import credit_own
from ocpi.database import clock
from ocpi.parties import Partner
from ocpi.push.lanes import Receipt, open_lane
from ocpi.spec.document import encode
from ocpi.testing import samples
from tests.house import OURS, RECEIVER
from tests.ocpi.console.charging.browsing import Console
from tests.ocpi.console.charging.objects import MARKUP, store_cdr

ONE = "/console/cdrs/NL/TNM/CDR-1"
UID = samples.token()["uid"]


async def receive(console: Console, name: str, **over: object) -> int:
    """Have a partner of the hub post a CDR; gives the HTTP status."""
    body = samples.cdr(**{"id": name, **over})
    answer = await console.service.cpo.post(f"{RECEIVER}/cdrs", content=encode(body))
    return answer.status_code


async def receive_doubtful(console: Console) -> None:
    assert await receive(console, "RIGHT") == 201
    assert await receive(console, "WRONG", total_cost={"excl_vat": 99}) == 201
    assert await receive(console, "TWICE") == 201
    await receive(console, "TWICE", total_cost={"excl_vat": 1})


async def test_without_cdrs_the_list_says_so(console: Console) -> None:
    assert "There are no CDRs here." in await console.viewer.text("/console/cdrs")
    words = await console.viewer.text("/console/cdrs?problem=no+receipt")
    assert "There is none: every eMSP has accepted what is its to pay." in words


async def test_cdrs_are_found_by_each_field(console: Console) -> None:
    await store_cdr(console.database)
    await receive_doubtful(console)
    known = ("NL/TNM/CDR-1", "DE/CPO/RIGHT", "DE/CPO/WRONG", "DE/CPO/TWICE")
    ours, right, wrong, twice = known
    for query, found in (
        ("", [*known]),
        ("cdr=cdr-1", [ours]),
        ("session=session-1&party=NL*TNM", [ours]),
        ("session=SESSION", []),
        ("party=DE*CPO", [right, wrong, twice]),
        ("party=de-msp", [*known]),
        ("party=Example+CPO", [right, wrong, twice]),
        ("problem=conflict", [twice]),
        ("problem=failed+check", [wrong]),
        ("since=2026-01-15&until=2026-01-15", [*known]),
        ("since=2026-01-16", []),
        ("until=2026-01-14", []),
    ):
        page = await console.viewer.page(f"/console/cdrs?{query}")
        assert [each for each in known if f"/console/cdrs/{each}" in page] == found, query


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("party=nobody", "party: there is no partner named &#39;nobody&#39;, and it is no party"),
        ("problem=x", "problem: &#39;x&#39; is none of conflict, failed check, no receipt."),
        ("since=yesterday", "since: &#39;yesterday&#39; is no day such as 2026-01-31."),
    ],
)
async def test_what_cannot_be_looked_for_is_said_and_kept(
    console: Console, query: str, sentence: str
) -> None:
    page = await console.viewer.page(f"/console/cdrs?cdr=kept&{query}", 400)
    assert sentence in page
    assert 'value="kept"' in page


async def test_a_cdr_explains_its_price_line_by_line_and_is_checked(console: Console) -> None:
    await store_cdr(console.database)
    words = await console.viewer.text(ONE)
    assert "Energy: 10.5 kWh at EUR 0.50 per kWh is EUR 5.25, with 19 % VAT EUR 6.2475." in words
    assert "In all: EUR 5.25 without VAT, EUR 6.25 with VAT." in words
    assert "Check: agrees All figures agree." in words
    assert "/total_cost/excl_vat: 5.25 is claimed, 5.25 was computed, which agrees." in words
    assert "Nobody has accepted it yet." in words


async def test_a_cdr_without_a_price_is_shown_with_the_reason(console: Console) -> None:
    assert await receive(console, "BARE", tariffs=[]) == 201
    words = await console.viewer.text("/console/cdrs/DE/CPO/BARE")
    assert "It cannot be reckoned." in words
    assert "When it came: unpriceable" in words


async def test_a_disputed_cdr_of_a_partner_tells_claim_and_reckoning(console: Console) -> None:
    await receive_doubtful(console)
    words = await console.viewer.text("/console/cdrs/DE/CPO/WRONG")
    assert "DE*CPO (received)" in words
    assert "Check: disputed" in words
    assert "/total_cost/excl_vat: 99 is claimed, 5.25 was computed, which differs" in words
    words = await console.viewer.text("/console/cdrs/DE/CPO/TWICE")
    assert "Example CPO sent another CDR under this id" in words
    assert '"excl_vat": 1' in words


async def test_a_cdr_and_what_takes_it_back_lead_to_each_other(console: Console) -> None:
    await store_cdr(console.database)
    async with console.database.write() as db:
        await credit_own(db, OURS, "CDR-1")
    page = await console.viewer.page(ONE)
    assert f'It is taken back by <a class="id" href="{ONE}-C">CDR-1-C</a>: EUR -5.25' in page
    assert f'href="{ONE}">CDR-1</a> back.' in await console.viewer.page(f"{ONE}-C")


async def test_receipts_show_who_accepted_it_and_where_its_copy_lies(console: Console) -> None:
    await store_cdr(console.database)
    async with console.database.write() as db:
        partner = (await db.exec(select(Partner).where(Partner.name == "Example eMSP"))).one()
        await open_lane(db, partner.key)
        db.add(
            Receipt(
                partner=partner.name,
                object_key=f"cdrs/{OURS.key}*cdr-1",
                accepted_at=await clock(db),
                http_status=201,
                url="https://emsp.example/cdrs/1",
                request_id="request-1",
            )
        )
    words = await console.viewer.text(ONE)
    assert "https://emsp.example/cdrs/1 request-1" in words
    assert "Example eMSP told" in words
    assert "NL*TNM DE*MSP Example eMSP" in await console.viewer.text("/console/cdrs")


async def test_cdrs_without_a_receipt_are_listed_with_the_reason(console: Console) -> None:
    await store_cdr(console.database)
    page = await console.viewer.page("/console/cdrs?problem=no+receipt")
    assert f'href="{ONE}"' in page
    words = await console.viewer.text("/console/cdrs?problem=no+receipt")
    assert "0 should have been accepted and are not; 1 wait for a partner" in words


async def test_a_viewer_sees_the_end_of_a_token_also_in_what_was_refused(
    console: Console,
) -> None:
    await receive_doubtful(console)
    path = "/console/cdrs/DE/CPO/TWICE"
    hidden = await console.viewer.page(path)
    assert f"••••{UID[-4:]}" in hidden
    assert UID not in hidden
    assert UID in await console.operator.page(path)


async def test_an_unknown_cdr_is_named(console: Console) -> None:
    words = await console.viewer.text("/console/cdrs/NL/TNM/NONE", 404)
    assert "There is no CDR NONE of NL*TNM." in words


async def test_what_a_partner_writes_is_never_markup(console: Console) -> None:
    assert await receive(console, "EVIL", remark=MARKUP, tariffs=[samples.tariff(id=MARKUP)]) == 201
    page = await console.viewer.page("/console/cdrs/DE/CPO/EVIL")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


async def test_strangers_are_led_to_the_sign_in(console: Console) -> None:
    for path in ("/console/stations", "/console/stations/points", "/console/sessions", ONE):
        answer = await console.service.stranger.get(path)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/console/sign-in?next=")
