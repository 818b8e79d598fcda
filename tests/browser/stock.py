"""Objects of every kind, whose every text that people are shown is one of some given texts."""

from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Any

from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from modules.cdrs.store import CDRConflict, cdrs
from modules.hubclientinfo.store import client_infos
from modules.locations.store import locations
from modules.sessions.store import sessions
from modules.tariffs.store import tariffs
from modules.tokens.store import tokens
from ocpi.alarms.alarm import Alarm
from ocpi.context import Context
from ocpi.editing import Document, object_key
from ocpi.golive.checking import PartnerCheck, report_of
from ocpi.golive.recording import Recording
from ocpi.headers import Party
from ocpi.journal.table import MessageRow
from ocpi.parties import Partner, PartnerEndpoint, PartnerRole, PlatformID, State
from ocpi.push.feed import Change, Stream, changed
from ocpi.push.lanes import ParkedObject, PartnerLane
from ocpi.push.parking import Why
from ocpi.spec.document import decode, encode
from ocpi.spec.moments import microseconds, parse_moment
from ocpi.store import Store
from ocpi.testing import samples
from ocpi.tolerances import PartnerTolerance
from tests.house import OURS, OWNER

AT = "2026-01-15T09:00:00Z"
MOMENT = microseconds(parse_moment(AT))
KINDS = list(Why)


async def stock(context: Context, texts: Sequence[str], count: int = 2) -> None:
    """So many of each kind; what rules out a text in OCPI, such as its length, is not looked at.

    Partners tolerate more than they ought to, and what is stored is shown.
    """
    words = cycle(texts)
    async with context.database.write() as db:
        for number in range(count):
            partner = await _partner(db, number, words)
            token = _token(number, words)
            await _put(db, tokens, _party(token), token)
            await _put(db, locations, OURS, _location(number, words))
            await _put(db, tariffs, OURS, _tariff(number, words))
            await _put(db, sessions, OURS, _session(number, token, words))
            cdr = _cdr(number, token, words)
            await _put(db, cdrs, OURS, cdr)
            await _contradict(db, cdr, partner, words)
            await _park(db, partner, cdr, words)
            db.add_all(_watched(partner, words))
            db.add_all(_exchanged(partner, words))
            info = _client_info(number)
            await _put(db, client_infos, _party(info), info)


async def _put(db: AsyncSession, store: Store[Any], owner: Party, document: Document) -> None:
    exact = decode(encode(document))
    await store.put(db, owner, store.identify(exact), exact)
    module = str(store.table.__tablename__)
    key = object_key(owner, store.identify(exact))
    if store in (locations, tariffs):
        await changed(db, Change(f"{module}s", key))


def _party(document: Document) -> Party:
    return Party(document["country_code"], document["party_id"])


def _business(words: Iterator[str]) -> Document:
    picture = {"url": "https://x.example/x.png", "category": "OPERATOR", "type": "png"}
    return {"name": next(words), "website": f"javascript:{next(words)}", "logo": picture}


def _location(number: int, words: Iterator[str]) -> Document:
    def text() -> list[Document]:
        return [{"language": "en", "text": next(words)}]

    evse = samples.evse(1) | {
        "uid": f"E{number}",
        "evse_id": next(words),
        "physical_reference": next(words),
        "floor_level": next(words),
        "directions": text(),
    }
    names = ("name", "address", "city", "postal_code", "state")
    return samples.location(
        **OWNER,
        id=f"STOCK{number}",
        evses=[evse, samples.evse(2)],
        directions=text(),
        operator=_business(words),
        suboperator=_business(words),
        owner=_business(words),
        related_locations=[
            {"latitude": "1.0", "longitude": "1.0", "name": {"language": "en", "text": next(words)}}
        ],
        last_updated=AT,
        **{name: next(words) for name in names},
    )


def _tariff(number: int, words: Iterator[str]) -> Document:
    text = [{"language": "en", "text": next(words)}, {"language": "de", "text": next(words)}]
    url = f"javascript:{next(words)}"
    return samples.tariff(
        **OWNER, id=f"STOCK{number}", tariff_alt_text=text, tariff_alt_url=url, last_updated=AT
    )


def _token(number: int, words: Iterator[str]) -> Document:
    names = ("visual_number", "issuer", "contract_id", "group_id")
    shown = {name: next(words) for name in names}
    contract = {"supplier_name": next(words), "contract_id": next(words)}
    return samples.token(uid=f"STOCK{number}", energy_contract=contract, last_updated=AT, **shown)


def _session(number: int, token: Document, words: Iterator[str]) -> Document:
    return samples.session(
        **OWNER,
        id=f"STOCK{number}",
        cdr_token={**samples.cdr_token(uid=token["uid"]), "contract_id": next(words)},
        location_id="STOCK0",
        evse_uid="E0",
        meter_id=next(words),
        authorization_reference=next(words),
        last_updated=AT,
    )


def _cdr(number: int, token: Document, words: Iterator[str]) -> Document:
    place = samples.cdr()["cdr_location"]
    shown = {name: next(words) for name in ("name", "address", "city", "evse_id")}
    signed = {"nature": next(words), "plain_data": next(words), "signed_data": next(words)}
    return samples.cdr(
        **OWNER,
        id=f"STOCK{number}",
        session_id=f"STOCK{number}",
        cdr_token={**samples.cdr_token(uid=token["uid"]), "contract_id": next(words)},
        cdr_location={**place, **shown},
        meter_id=next(words),
        remark=next(words),
        invoice_reference_id=next(words),
        authorization_reference=next(words),
        signed_data={"encoding_method": next(words), "signed_values": [signed]},
        tariffs=[_tariff(number, words)],
        last_updated=AT,
    )


def _client_info(number: int) -> Document:
    return {
        "country_code": "BE",
        "party_id": f"X{number:02}",
        "role": "CPO",
        "status": "CONNECTED",
        "last_updated": AT,
    }


async def _partner(db: AsyncSession, number: int, words: Iterator[str]) -> Partner:
    """A partner that is stopped, with all that it has told of itself and of our messages."""
    platform = (PlatformID.CPO, PlatformID.HUB)[number % 2]
    partner = Partner(
        name=f"partner-{number}",
        platform=platform.value,
        state=State.CONFIRMED,
        versions_url=f"https://x.example/{next(words)}",
        token_out="sealed",
        note=next(words),
        created_at=MOMENT,
        registered_at=MOMENT,
    )
    db.add(partner)
    await db.flush()
    party = Party("FR", f"P{number:02}")
    db.add(
        PartnerRole(
            partner_id=partner.key,
            platform=platform.value,
            role="EMSP",
            party=party.key,
            business_details=_business(words),
            country_code=party.country_code,
            party_id=party.party_id,
        )
    )
    url = f"https://x.example/{next(words)}"
    for module in ("cdrs", "locations"):
        receiver = {"identifier": module, "role": "RECEIVER", "url": url}
        db.add(PartnerEndpoint(partner_id=partner.key, **receiver))
    breaker = {
        "reason": "rejecting",
        "sentence": next(words),
        "opened_at": MOMENT,
        "next_probe_at": MOMENT,
    }
    lane = PartnerLane(partner_id=partner.key, breaker=breaker, last_error=next(words))
    lane.last_success_at = MOMENT
    db.add(lane)
    return partner


async def _contradict(
    db: AsyncSession, cdr: Document, partner: Partner, words: Iterator[str]
) -> None:
    """Another body that came under the CDR's id, and what was found of its price."""
    key = object_key(OURS, cdr["id"])
    other = encode({**cdr, "remark": next(words)})
    db.add(CDRConflict(key=key, partner=partner.name, body=other, at=MOMENT))
    await db.flush()


async def _park(db: AsyncSession, partner: Partner, cdr: Document, words: Iterator[str]) -> None:
    """Objects that the partner did not take, for each reason, with what it said."""
    money = Change("cdrs", object_key(OURS, cdr["id"]), stream=Stream.MONEY, audience="fr*p00")
    seq = await changed(db, money)
    keys = [money.key, *(f"locations/nl*tnm*other{n}" for n in range(len(KINDS) - 1))]
    for kind, key in zip(KINDS, keys, strict=True):
        db.add(
            ParkedObject(
                partner_id=partner.key,
                object_key=key,
                seq=seq,
                kind=kind.value,
                attempts=3,
                http_status=200,
                status_code=2001,
                error=next(words),
                first_failed_at=MOMENT,
            )
        )


def _watched(partner: Partner, words: Iterator[str]) -> Iterator[SQLModel]:
    """What is to be seen to: alarms, raised and past, mistakes of the partner, and its check."""
    moments = {"raised_at": MOMENT, "seen_at": MOMENT}
    yield Alarm(kind="partner_down", subject=partner.name, sentence=next(words), **moments)
    past = Alarm(kind="test", subject=next(words), sentence=next(words), **moments)
    past.cleared_at = MOMENT
    yield past
    seen = {"count": 3, "first_at": MOMENT, "last_at": MOMENT}
    yield PartnerTolerance(partner_id=partner.key, rule="IP-08 moment", sample=next(words), **seen)
    record = Recording(f"https://x.example/{next(words)}")
    report = report_of(partner.name, AT, record, "a-token")
    problems = {"outcome": "failed", "count": 9, "problems": [next(words), next(words)]}
    report["checks"][0] |= problems
    report["proposals"] = [{"option": "raw_token=true", "why": next(words), "command": next(words)}]
    yield PartnerCheck(partner_id=partner.key, at=MOMENT, passed=False, report=encode(report))
    partner.rules = [{"number": 1, "module": "locations", "id": next(words)[:36] or "x"}]
    ids = {"tariff_id": next(words), "instead": next(words)}
    partner.mappings = [{"country_code": "NL", "party_id": "TNM", **ids, "since": MOMENT}]


def _exchanged(partner: Partner, words: Iterator[str]) -> Iterator[MessageRow]:
    """Both legs of a message through the hub, and one that nobody answered."""
    for direction, status in (("IN", 200), ("OUT", 200), ("OUT", None)):
        text = next(words)
        yield MessageRow(
            at=MOMENT,
            direction=direction,
            partner=partner.name,
            from_party=text[:6],
            to_party="DE*MSP",
            module="locations",
            interface="RECEIVER",
            method="PUT",
            url=f"/ocpi/{next(words)}",
            object_key=f"locations/{next(words)}",
            object_id="x",
            request_id=next(words),
            correlation_id=f"{partner.name} {status} {text}",
            http_status=status,
            failed=status is None,
            failure=next(words) if status is None else None,
            request=next(words),
            response=next(words),
            ms=1.5,
            request_bytes=9,
            response_bytes=9,
            request_cut=True,
            response_cut=False,
        )
