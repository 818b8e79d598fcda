"""What we want of partners' stations: sent, remembered, and answered once.

OCPI gives a request two answers: one at once, from the partner, and later a result, which the
partner POSTs to a URL that only this request has.
"""

import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from pydantic import ValidationError
from sqlalchemy import BigInteger, Column, ForeignKey, Index, Text, update
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.client import ExchangeFailed
from ocpi.context import Context, Interface
from ocpi.database import clock
from ocpi.editing import Document
from ocpi.errors import Conflict, InvalidParameters, PeerUnusable, UnknownObject
from ocpi.forgiving import Habit, forgive, read
from ocpi.headers import Party, routing_headers
from ocpi.parties import Partner, PartnerRole, our_parties
from ocpi.push.addressee import Addressee, read_addressee
from ocpi.reply import Reply
from ocpi.sealing import WrongKey
from ocpi.spec.document import decode, encode
from ocpi.spec.reading import dump, problems
from ocpi.spec.types import OCPIModel, Role


class SentCommand(SQLModel, table=True):
    """One command or charging profile request of ours."""

    __tablename__ = "sent_command"
    __table_args__ = (Index("ix_sent_command_session", "partner_id", "session_key", "sent_at"),)

    id: str = Field(primary_key=True)
    """Stands in its response_url, and cannot be guessed."""
    partner_id: int = Field(
        sa_column=Column(ForeignKey("partner.id", ondelete="CASCADE"), nullable=False)
    )
    module: str
    command: str
    """See ocpi.gateway.Wish."""
    session_key: str | None = None
    """The id of the session whose charging profile is meant, in lower case."""
    request: str = Field(sa_type=Text)
    """What was asked, as JSON text."""
    sent_at: int = Field(sa_type=BigInteger)
    response: str | None = Field(default=None, sa_type=Text)
    """The partner's immediate answer, as JSON text."""
    problem: str | None = None
    """Why there is no such answer, for staff."""
    result: str | None = Field(default=None, sa_type=Text)
    """What came of it, as JSON text."""
    result_at: int | None = Field(default=None, sa_type=BigInteger)
    news: str | None = Field(default=None, sa_type=Text)
    """What the partner told after the result, as JSON text: that it dropped the reservation, or
    the newest ActiveChargingProfile of the session."""
    news_at: int | None = Field(default=None, sa_type=BigInteger)


@dataclass(frozen=True)
class Pairing:
    """Whom a request of ours is for, and in whose name, as staff wish it: `NL*TNM` or None."""

    to: str | None = None
    sender: str | None = None


@dataclass(frozen=True)
class Question:
    """What a partner is asked."""

    module: str
    command: str
    method: str
    path: str
    """Behind the partner's endpoint of the module."""
    request: Document
    """Without `response_url`."""
    response: type[OCPIModel]
    """How the immediate answer is to be read."""
    session_id: str | None = None


@dataclass(frozen=True)
class Road:
    """The way to a partner's module."""

    addressee: Addressee
    to: Party
    sender: Party
    results: str
    """The address below which results are taken."""


async def find_road(here: Context, name: str, module: str, pairing: Pairing) -> Road:
    """How to ask a partner for something of a module.

    Raises ``UnknownObject`` for a partner that is not there, ``Conflict`` where it cannot be asked
    or no result could come, ``InvalidParameters`` where it is not clear whom to ask as whom.
    """
    partner, operators = await _find_partner(here, name)
    interface = Interface(module, "SENDER")
    if interface not in here.interfaces.get(partner.platform, ()):
        raise Conflict(
            f"The platform {partner.platform!r} does not offer {module} as SENDER, so there is "
            "nowhere for results to come."
        )
    try:
        addressee = await read_addressee(here, partner.key, {module})
    except WrongKey as error:
        raise Conflict(f"{name} cannot be called: {error}") from None
    if addressee is None:
        raise Conflict(f"{name} is not registered, or is suspended.")
    if module not in addressee.endpoints:
        raise Conflict(f"{name} does not offer {module} as RECEIVER.")
    to = _choose(operators, pairing.to, "to", name)
    candidates = await our_parties(here.database, partner.platform)
    ours = _choose(candidates, pairing.sender, "from", "the platform")
    return Road(addressee, to, ours, here.module_url(partner.platform, interface))


async def _find_partner(here: Context, name: str) -> tuple[Partner, list[Party]]:
    """A partner, and its parties that have stations, or all where none says so."""
    async with here.database.read() as db:
        partner = (await db.exec(select(Partner).where(Partner.name == name))).one_or_none()
        if partner is None:
            raise UnknownObject(f"There is no partner {name!r}.")
        query = select(PartnerRole).where(PartnerRole.partner_id == partner.key)
        roles = (await db.exec(query.order_by(col(PartnerRole.id)))).all()
    operators = [role for role in roles if role.role == Role.CPO] or roles
    return partner, [Party(role.country_code, role.party_id) for role in operators]


def _choose(parties: Sequence[Party], wanted: str | None, name: str, whose: str) -> Party:
    chosen = [party for party in parties if wanted is None or party.key == wanted.lower()]
    if len(chosen) == 1:
        return chosen[0]
    known = ", ".join(str(party) for party in parties)
    raise InvalidParameters(f"{name}: name one party of {whose}: {known}")


async def ask(here: Context, road: Road, question: Question) -> SentCommand:
    """Ask the partner; gives what was sent, with its immediate answer.

    Raises ``PeerUnusable`` with a sentence where there is none that can be read.
    """
    uid = secrets.token_urlsafe(24)
    url = f"{road.results}/{question.command}/{uid}"
    sent = await _remember(here, road, question, uid)
    try:
        reply = await _send(here, road, question, url)
        with here.hearing(road.addressee.target.name):
            response = _read_response(road, question, reply)
    except (ExchangeFailed, PeerUnusable) as error:
        await _keep(here, uid, problem=str(error))
        raise PeerUnusable(str(error)) from None
    await _keep(here, uid, response=encode(response))
    sent.response = encode(response)
    return sent


async def _remember(here: Context, road: Road, question: Question, uid: str) -> SentCommand:
    """Store the request before it is sent: its result may overtake the answer."""
    async with here.database.write() as db:
        sent = SentCommand(
            id=uid,
            partner_id=road.addressee.partner_id,
            module=question.module,
            command=question.command,
            session_key=question.session_id and question.session_id.lower(),
            request=encode(question.request),
            sent_at=await clock(db),
        )
        db.add(sent)
    return sent


async def _send(here: Context, road: Road, question: Question, url: str) -> Reply:
    target, endpoint = road.addressee.target, road.addressee.url(question.module, question.path)
    headers = routing_headers(road.to, road.sender)
    asked = {**question.request, "response_url": url}
    if question.method in ("GET", "DELETE"):
        query = urlencode(asked, quote_via=quote, safe="")
        return await here.client.request(
            target, question.method, f"{endpoint}?{query}", headers=headers
        )
    return await here.client.request(
        target, question.method, endpoint, body=encode(asked), headers=headers
    )


def _read_response(road: Road, question: Question, reply: Reply) -> Document:
    """The immediate answer, which an unknown Location has beside the code 2003 (CM-04)."""
    document = _answered(reply, question)
    # Some leave `timeout` out (IP-34).
    if document.get("timeout") in (None, ""):
        document = {**document, "timeout": 0}
        forgive(Habit.NO_TIMEOUT, question.command)
    try:
        return dump(read(question.response, document))
    except ValidationError as error:
        why = problems(error) if reply.success() else f"HTTP {reply.http_status}"
        if not reply.success() and reply.status_code is not None:
            why += f" with {reply.status_code}: {reply.status_message or 'no reason given'}"
        name, expected = road.addressee.target.name, question.response.__name__
        raise PeerUnusable(f"{name} gave no {expected}: {why}") from None


def _answered(reply: Reply, question: Question) -> Document:
    """The object in the data of an answer, or all of a success that has no envelope."""
    if isinstance(reply.data, dict):
        return reply.data
    if reply.status_code is None and 200 <= reply.http_status < 300:
        with suppress(ValueError):
            bare = decode(reply.body)
            if isinstance(bare, dict) and "result" in bare:
                forgive(Habit.EMPTY_ANSWER, question.command)
                return bare
    return {}


async def _keep(here: Context, uid: str, **values: Any) -> None:
    async with here.database.write() as db:
        await db.exec(update(SentCommand).where(col(SentCommand.id) == uid).values(**values))


async def sent_command(
    db: AsyncSession, partner_id: int, module: str, command: str, uid: str
) -> SentCommand:
    """A request of ours, locked, for the result that the partner has; raises ``UnknownObject``."""
    sent = await db.get(SentCommand, uid, with_for_update=True)
    if sent is None or (sent.partner_id, sent.module, sent.command) != (
        partner_id,
        module,
        command,
    ):
        raise UnknownObject("Nothing was asked of you with this response_url.")
    return sent


def read_result(model: type[OCPIModel], body: Document) -> Document:
    """A result, bare as it should be or in an envelope (AT-67)."""
    inner = body.get("data")
    bare = inner if "result" not in body and isinstance(inner, dict) else body
    if bare is not body:
        forgive(Habit.WRAPPED_RESULT, model.__name__)
    return dump(read(model, bare))


async def take_result(db: AsyncSession, sent: SentCommand, result: Document) -> None:
    """Keep the one result of a request; raises ``InvalidParameters`` for another one.

    A partner that lost our answer tells again what it has told, which changes nothing.
    """
    if sent.result is None:
        sent.result, sent.result_at = encode(result), await clock(db)
    elif result not in [decode(each) for each in (sent.result, sent.news) if each is not None]:
        raise InvalidParameters("Another result was told before.")


async def take_news(db: AsyncSession, sent: SentCommand, news: Document) -> None:
    """Keep what a partner tells after the result."""
    sent.news, sent.news_at = encode(news), await clock(db)
