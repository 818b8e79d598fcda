"""May this driver charge here? Read what is known, ask who can tell, remember what was allowed."""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import monotonic

from modules.tokens.asking import DEADLINE, ask
from modules.tokens.authorizations import keep
from modules.tokens.covering import covering_command, issuer_key
from modules.tokens.deciding import (
    UNKNOWN,
    Decision,
    Heard,
    Outcome,
    decide,
    settled,
)
from modules.tokens.issuers import (
    allows_unasked,
    emsps_of,
    partners_concerned,
    read_issuers_for,
    read_some_issuers_for,
    url_of,
)
from modules.tokens.questions import Question
from modules.tokens.store import Stored, tokens_named
from ocpi.context import Context
from ocpi.editing import Document
from ocpi.errors import InvalidParameters
from ocpi.headers import Party
from ocpi.messages import log
from ocpi.pull.issuers import Issuer, parties_of
from ocpi.spec.document import decode, encode
from ocpi.spec.moments import format_moment
from ocpi.spec.tokens import WhitelistType


@dataclass(frozen=True)
class _Known:
    """What is known before anybody is asked."""

    tokens: Sequence[tuple[Document, Issuer]]
    """The Tokens stored of that uid and type whose owners are partners still, newest first."""
    command: Document | None


_Answer = tuple[Outcome, Decision]


async def authorize(context: Context, owner: Party, question: Question) -> Decision:
    """Decide whether a driver may charge at a station of ours, `owner`'s; takes 2.5 s at most.

    What is allowed is stored for the start of the session. No connection to the database is held
    while a partner is asked. Raises ``InvalidParameters`` for a uid that cannot stand in a URL.
    """
    if not question.uid.strip("."):
        raise InvalidParameters(f"uid: {question.uid!r} is no Token's")
    known = await _read(context, owner, question)
    decision = await _decide(context, owner, question, known)
    if decision.granted:
        await _remember(context, owner, question, decision)
    log.info("authorization", allowed=decision.allowed, reason=decision.reason)
    return decision


async def _read(context: Context, owner: Party, question: Question) -> _Known:
    named = await tokens_named(context.database, question.key)
    stored = [(row, _as_it_counts(row)) for row in named]
    commanding, speaking = await partners_concerned(context.database, question.key)
    # An eMSP that is asked may answer for any party that it speaks for.
    asking = any(settled(token, None) is None for _, token in stored)
    parties = None if asking else {row.owner for row, _ in stored}
    issuers = await read_some_issuers_for(context, owner, commanding | speaking, parties)
    homes = {key: issuer for issuer in issuers for key in parties_of(issuer, "tokens")}
    # Those of a partner that left, or is suspended, are as good as unknown.
    stored = [(row, token) for row, token in stored if row.owner in homes]
    command = None
    if commanding:
        believed = [homes[row.owner] for row, _ in stored] or issuers
        partners = {issuer.partner_id for issuer in believed}
        rows = [row for row, _ in stored]
        command = await covering_command(context.database, owner, question, partners, rows)
    return _Known([(token, homes[row.owner]) for row, token in stored], command)


def _as_it_counts(row: Stored) -> Document:
    """The Token, which is to be asked about where its eMSP lists it no more (PG-13)."""
    token: Document = decode(row.body)
    return token | {"whitelist": WhitelistType.NEVER.value} if row.absent else token


async def _decide(context: Context, owner: Party, question: Question, known: _Known) -> Decision:
    decision = settled(None, known.command)
    if decision is not None:
        return decision
    if not known.tokens:
        return await _ask_everybody(context, owner, question)
    began = monotonic()
    decisions = await asyncio.gather(
        *(_decide_stored(context, owner, question, *each) for each in known.tokens)
    )
    granted = next((each for each in decisions if each.granted), None)
    left = DEADLINE - (monotonic() - began)
    if granted is None and left > 0:
        granted = await _ask_others(context, owner, question, known, left)
    return granted or decisions[0]


async def _decide_stored(
    context: Context, owner: Party, question: Question, token: Document, issuer: Issuer
) -> Decision:
    decision = settled(token, None)
    if decision is not None:
        return decision
    to = Party(token["country_code"], token["party_id"])
    outcome = await ask(context, owner, issuer, to, question)
    return decide(token, outcome, allows_unasked=allows_unasked(issuer))


async def _ask_everybody(context: Context, owner: Party, question: Question) -> Decision:
    """Ask every eMSP about a Token unknown here (TK-19)."""
    answers = await _hear(context, owner, question)
    if not answers:
        return Decision(UNKNOWN, "The Token is not known here, and no partner can be asked.")
    return min(answers, key=_weight)[1]


async def _ask_others(
    context: Context, owner: Party, question: Question, known: _Known, seconds: float
) -> Decision | None:
    """A yes of another eMSP, which may have a Token of that uid and not push its Tokens (TK-19).

    Being away it lets nobody in, whatever the option says: whose Token it is, is known here.
    """
    owners = {issuer_key(token) for token, _ in known.tokens}
    answers = await _hear(context, owner, question, but=owners, seconds=seconds)
    return next((decision for outcome, decision in answers if _is_yes(outcome, decision)), None)


async def _hear(
    context: Context,
    owner: Party,
    question: Question,
    *,
    but: Collection[str] = (),
    seconds: float | None = None,
) -> list[_Answer]:
    """Ask every eMSP at once but some, given as keys: what came in time, up to the first yes."""
    asked = [
        asyncio.create_task(_ask_stranger(context, owner, question, issuer, party))
        for issuer in await read_issuers_for(context, owner)
        if url_of(issuer) is not None
        for party in emsps_of(issuer)
        if party.key in parties_of(issuer, "tokens") and party.key not in but
    ]
    answers: list[_Answer] = []
    try:
        # Who has not answered in time says nothing, and what the others said counts.
        with suppress(TimeoutError):
            for answered in asyncio.as_completed(asked, timeout=seconds):
                answers.append(await answered)
                if _is_yes(*answers[-1]):
                    break
    finally:
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
    return answers


def _is_yes(outcome: Outcome, decision: Decision) -> bool:
    return outcome.heard is Heard.VERDICT and decision.granted


def _weight(answer: _Answer) -> tuple[int, bool]:
    """Who knows the Token is believed before those who do not; see `Heard`."""
    outcome, decision = answer
    return list(Heard).index(outcome.heard), not decision.granted


async def _ask_stranger(
    context: Context, owner: Party, question: Question, issuer: Issuer, party: Party
) -> _Answer:
    outcome = await ask(context, owner, issuer, party, question)
    if outcome.heard is Heard.UNREACHABLE and allows_unasked(issuer):
        outcome = replace(outcome, token=_presumed(issuer, party, question))
    return outcome, decide(None, outcome, allows_unasked=allows_unasked(issuer))


def _presumed(issuer: Issuer, party: Party, question: Question) -> Document:
    """A Token for Session and CDR of a driver who is let in unasked; its contract is not known."""
    return {
        "country_code": party.country_code,
        "party_id": party.party_id,
        "uid": question.uid,
        "type": question.kind,
        "contract_id": question.uid,
        "issuer": issuer.target.name,
        "valid": True,
        "whitelist": WhitelistType.NEVER.value,
        "last_updated": format_moment(datetime.now(UTC)),
    }


async def _remember(context: Context, owner: Party, question: Question, decision: Decision) -> None:
    assert decision.method is not None
    place = decision.location or {"location_id": question.location_id}
    evses = place.get("evse_uids")
    permission = {
        "token_key": question.key,
        "owner": owner.key,
        "location_id": place["location_id"],
        "evse_uids": None if evses is None else encode(evses),
        "token": encode(decision.token),
        "method": decision.method.value,
        "reference": decision.reference,
    }
    await keep(context.database, permission)
