"""Real-time authorization: one eMSP is asked, and its answer is believed as far as it may be."""

from urllib.parse import quote

from pydantic import ValidationError

from modules.tokens.deciding import Heard, Outcome
from modules.tokens.issuers import url_of
from modules.tokens.questions import Question
from ocpi.client import ExchangeFailed
from ocpi.context import Context
from ocpi.forgiving import read
from ocpi.headers import Party, routing_headers
from ocpi.pull.issuers import Issuer, parties_of
from ocpi.reply import Reply
from ocpi.spec.document import encode
from ocpi.spec.reading import dump, problems
from ocpi.spec.tokens import AllowedType, AuthorizationInfo, LocationReferences

# Seconds: the driver stands in front of the station (IP-12).
DEADLINE = 2.5


async def ask(
    context: Context, owner: Party, issuer: Issuer, to: Party, question: Question
) -> Outcome:
    """Ask one party of a partner whether a driver may charge at a station of ours."""
    url = url_of(issuer)
    if url is None:
        name = issuer.target.name
        return Outcome(Heard.UNREACHABLE, f"{name} offers no real-time authorization.")
    uid, kind = quote(question.uid, safe=""), quote(question.kind, safe="")
    references = question.references
    try:
        reply = await context.client.request(
            issuer.target,
            "POST",
            f"{url.rstrip('/')}/{uid}/authorize?type={kind}",
            body=None if references is None else encode(references),
            # A hub that is not told whom to ask finds out by the Token.
            headers=routing_headers(None if to == issuer.hub else to, owner),
            timeout=DEADLINE,
        )
    except ExchangeFailed as error:
        return Outcome(Heard.UNREACHABLE, f"{error.sentence}.")
    with context.hearing(issuer.target.name):
        return judge(reply, issuer, question)


def judge(reply: Reply, issuer: Issuer, question: Question) -> Outcome:
    """What an answer comes to: 404, 2004 and a hub's 4001 are the same; success gives a verdict."""
    name, http, code = issuer.target.name, reply.http_status, reply.status_code
    if reply.success():
        return _read_verdict(reply, issuer, question)
    if http == 404 or code in (2004, 4001):
        return Outcome(Heard.UNKNOWN, f"{name} does not know the Token.")
    if code == 2002:
        return Outcome(Heard.NEEDS_MORE, f"{name} wants to know more, such as the Location.")
    said = f"{name} answered HTTP {http} with status code {code}."
    judged = code is not None and 2000 <= code < 3000
    silent = http >= 500 or http in (408, 429) or (http < 400 and not judged)
    return Outcome(Heard.UNREACHABLE if silent else Heard.UNUSABLE, said)


def _read_verdict(reply: Reply, issuer: Issuer, question: Question) -> Outcome:
    name = issuer.target.name
    try:
        info = read(AuthorizationInfo, reply.data)
    except ValidationError as error:
        return Outcome(Heard.UNUSABLE, f"{name} answered badly: {problems(error)}.")
    owner = Party(info.token.country_code, info.token.party_id)
    theirs = owner.key in parties_of(issuer, "tokens")
    if not theirs or info.token.uid.lower() != question.uid.lower():
        told = f"{info.token.uid} of {owner}"
        return Outcome(Heard.UNUSABLE, f"{name} answered with another Token, {told}.")
    elsewhere = info.allowed == AllowedType.ALLOWED and not _here(info.location, question)
    allowed = AllowedType.NOT_ALLOWED if elsewhere else info.allowed
    return Outcome(
        Heard.VERDICT,
        f"{name} says {info.allowed}{', but not here' if elsewhere else ''}"
        f"{f', and calls the Token {info.token.type}' if other else ''}.",
        str(allowed),
        dump(info.token) | {"type": question.kind},
        info.authorization_reference,
        dump(info.location) if info.location else None,
        dump(info.info) if info.info else None,
    )


def _here(location: LocationReferences | None, question: Question) -> bool:
    # Some call their cards OTHER: they were asked for one by uid and type, and this is it.
    other = info.token.type != question.kind
    """Whether a verdict holds where it was asked for (TK-06); without EVSEs at all (TY-09)."""
    if location is None or question.location_id is None:
        return True
    return any(question.within(location.location_id, uid) for uid in location.evse_uids or [None])
