"""Real-time authorization: one eMSP is asked, and its answer is believed as far as it may be."""

from collections.abc import Sequence
from urllib.parse import quote

from pydantic import ValidationError

from modules.tokens.deciding import Heard, Outcome
from modules.tokens.issuers import own_meaning, url_of
from modules.tokens.questions import Question
from ocpi.client import ExchangeFailed
from ocpi.context import Context
from ocpi.forgiving import read
from ocpi.headers import Party, routing_headers
from ocpi.pull.issuers import Issuer, parties_of
from ocpi.push.outcome import Kind
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
        return judge(reply, issuer, question, addressed=to != issuer.hub)


def judge(reply: Reply, issuer: Issuer, question: Question, *, addressed: bool) -> Outcome:
    """What an answer comes to: success gives a verdict, and 404 and 2004 say the same.

    So does a hub's 4001 where the question was not `addressed` to a party, and it had to find whose
    the Token is. A party that it was told and does not know is one that it does not reach.
    """
    name, http, code = issuer.target.name, reply.http_status, reply.status_code
    if reply.success():
        return _read_verdict(reply, issuer, question)
    said = f"{name} answered HTTP {http} with status code {code}."
    own = own_meaning(issuer, code)
    if own == Kind.AUTH:  # As HTTP 401.
        return Outcome(Heard.UNUSABLE, said)
    if own is not None or http >= 500 or http in (408, 429):
        return Outcome(Heard.UNREACHABLE, said)
    by_hub = code is not None and 4000 <= code < 5000
    if code == 2004 or (code == 4001 and not addressed) or (http == 404 and not by_hub):
        return Outcome(Heard.UNKNOWN, f"{name} does not know the Token.")
    if code == 2002:
        return Outcome(Heard.NEEDS_MORE, f"{name} wants to know more, such as the Location.")
    judged = code is not None and 2000 <= code < 3000
    silent = by_hub or (http < 400 and not judged)
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
    # Some call their cards OTHER: they were asked for one by uid and type, and this is it.
    other = info.token.type != question.kind
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
    """Whether a verdict holds where it was asked for (TK-06); without EVSEs at all (TY-09)."""
    if location is None or question.location_id is None:
        return True
    evses: Sequence[str | None] = location.evse_uids or [None]
    return any(question.within(location.location_id, uid) for uid in evses)
