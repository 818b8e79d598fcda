"""CDRs: a search, and one of them whole with its price explained, its receipts, its doubts."""

import asyncio
from collections.abc import Sequence

from fastapi import APIRouter, Request
from starlette.responses import Response

from modules.cdrs.audit import Audit, audit
from modules.cdrs.checks import explain_price
from modules.cdrs.conflicts import conflicts_of
from modules.cdrs.finding import Problem, Wanted, parties_named, search_cdrs
from modules.cdrs.receipts import with_receipts
from modules.cdrs.store import CDRRow, cdrs
from ocpi.console.access import Viewer
from ocpi.console.frame import page
from ocpi.console.searching import Before, Typed, address, day, one_of, typed
from ocpi.console.shown import raw, shown, told
from ocpi.console.staff import Person
from ocpi.context import Context
from ocpi.editing import Document, object_key
from ocpi.errors import InvalidParameters, UnknownObject
from ocpi.headers import Party
from ocpi.parties import PlatformID, our_parties
from ocpi.push.feed import feed_key
from ocpi.push.hearing import hearings
from ocpi.recent import Found
from ocpi.request import Here
from ocpi.spec.document import decode

router = APIRouter(prefix="/cdrs")

UNPROVEN = "no receipt"
PROBLEMS: dict[str, Problem | None] = {**{each.value: each for each in Problem}, UNPROVEN: None}
SHOWN = 100


@router.get("")
async def show_cdrs(  # noqa: PLR0913 - A field of the form each.
    request: Request,
    context: Here,
    _person: Viewer,
    *,
    cdr: Typed = "",
    session: Typed = "",
    party: Typed = "",
    problem: Typed = "",
    since: Typed = "",
    until: Typed = "",
    before: Before = None,
) -> Response:
    """The newest first: ours, and those that we received."""
    form = {"cdr": cdr, "session": session, "party": party, "problem": problem}
    form |= {"since": since, "until": until}
    found: Found[CDRRow] = Found((), None)
    unproven: Audit | None = None
    complaint = None
    try:
        if problem == UNPROVEN:
            unproven = await audit(context, limit=SHOWN)
        else:
            wanted = await _wanted(context, form)
            found = await search_cdrs(context.database, wanted, before=before)
    except InvalidParameters as error:
        complaint = error.message
    return page(
        request,
        "cdrs.html",
        400 if complaint else 200,
        form=form,
        problem=complaint,
        problems=list(PROBLEMS),
        bills=await _summaries(context, found.rows),
        unproven=unproven,
        older=address("/console/cdrs", form, found.older),
        first=before is None,
    )


async def _wanted(context: Context, form: dict[str, str]) -> Wanted:
    party = typed(form["party"])
    return Wanted(
        cdr_id=typed(form["cdr"]),
        session_id=typed(form["session"]),
        parties=None if party is None else await parties_named(context.database, party),
        problem=one_of("problem", form["problem"], PROBLEMS),
        since=day("since", form["since"]),
        until=day("until", form["until"], after=1),
    )


async def _summaries(context: Context, rows: Sequence[CDRRow]) -> list[Document]:
    """Each CDR with its receipts and what came of its check."""
    ours = {each.key for each in await our_parties(context.database, PlatformID.CPO)}
    entries = await with_receipts(context.database, [decode(row.body) for row in rows])
    return [
        {**told(entry), "verdict": row.verdict, "own": row.owner in ours}
        for entry, row in zip(entries, rows, strict=True)
    ]


@router.get("/{country_code}/{party_id}/{cdr_id:path}")
async def show_cdr(
    request: Request,
    context: Here,
    person: Viewer,
    country_code: str,
    party_id: str,
    cdr_id: str,
) -> Response:
    """One CDR as it is stored, its price line by line, and all that belongs to it."""
    owner = Party(country_code, party_id)
    key = object_key(owner, cdr_id)
    text = await cdrs.text_of(context.database, key)
    if text is None:
        raise UnknownObject(f"There is no CDR {cdr_id} of {owner}.")
    cdr = decode(text)
    async with context.database.read() as db:
        credit = await cdrs.credit_of(db, owner, cdr_id)
        finding = await cdrs.finding_of(db, key)
        heard = await hearings(db, feed_key("cdrs", key))
    (entry,) = await with_receipts(context.database, [cdr])
    ours = await our_parties(context.database, PlatformID.CPO)
    return page(
        request,
        "cdr.html",
        cdr=told(shown(person, cdr)),
        own=owner.key in {each.key for each in ours},
        receipts=entry["receipts"],
        heard=heard,
        credit=told(credit),
        finding=finding,
        account=await explain_price(context.database, owner, cdr),
        conflicts=await _conflicts(context, person, key),
        raw=await asyncio.to_thread(raw, shown(person, cdr)),
    )


async def _conflicts(context: Context, person: Person, key: str) -> list[Document]:
    """What else came under its id, as JSON text for people."""
    found = await conflicts_of(context.database, key)
    return [{**each, "refused": raw(shown(person, each["refused"]))} for each in found]
