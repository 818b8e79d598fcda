"""What endpoints ask of a request: who calls, whose object, which page, what body."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, Path, Request
from pydantic import AfterValidator
from starlette.datastructures import QueryParams
from starlette.responses import Response

from ocpi.context import Context
from ocpi.database import Database
from ocpi.editing import Edit, Written
from ocpi.envelope import ok, ok_page
from ocpi.errors import InvalidParameters, NotJSON
from ocpi.forgiving import Habit, forgive
from ocpi.headers import MessageIDs, Party
from ocpi.messages import log
from ocpi.owning import require_owner
from ocpi.pagination import Page, Paging, page_headers, read_paging
from ocpi.parties import Caller, options_of
from ocpi.paths import decode_segment
from ocpi.push.feed import Change
from ocpi.push.writing import Tell, write
from ocpi.sight import ALL, Sight
from ocpi.spec.document import decode
from ocpi.spec.moments import format_moment
from ocpi.store import Store


@dataclass(frozen=True)
class Listing:
    """A request for a page of a list, and how to answer it."""

    paging: Paging
    url: str
    filters: dict[str, str]
    """The date filters as they were given; the next page's link repeats them (PG-06)."""
    cap: int
    parties: tuple[Party, ...]
    """The parties of the partner that asks."""
    sight: Sight = ALL
    """What it may see."""

    def answer(self, page: Page) -> Response:
        """The page in its envelope, with the headers that lead to the next one."""
        headers = page_headers(self.url, self.filters, self.paging, page, cap=self.cap)
        return ok_page(page.bodies, headers)


async def _context(request: Request) -> Context:
    context: Context = request.state.context
    return context


async def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


async def _addressed(request: Request) -> Party:
    party: Party = request.state.addressed
    return party


async def _owners(request: Request) -> tuple[Party, ...]:
    owners: tuple[Party, ...] = request.state.owners
    return owners


async def _ids(request: Request) -> MessageIDs:
    ids: MessageIDs = request.state.ids
    return ids


async def _body(request: Request) -> dict[str, Any]:
    """The body as one JSON object, whatever its Content-Type says (PD-09)."""
    raw = await request.body()
    try:
        document = decode(raw)
    except ValueError as error:
        raise NotJSON(f"The body is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise InvalidParameters("The body must be one JSON object.")
    return document


async def _listing(request: Request) -> Listing:
    context: Context = request.state.context
    caller: Caller = request.state.caller
    return read_listing(context, caller, request.scope["path"], request.query_params)


def read_listing(context: Context, caller: Caller, path: str, query: QueryParams) -> Listing:
    """What a list is asked for, and by whom; raises ``InvalidParameters``."""
    cap = context.settings.page_limit
    dates = {name: query[name] for name in ("date_from", "date_to") if query.get(name)}
    paging = read_paging(query, cap=cap)
    url = f"{context.settings.base_url}{path}"
    return Listing(paging, url, dates, cap, caller.parties, caller.sight)


def pages(*, required: Collection[str] = ()) -> dict[str, Any]:
    """The query parameters of a list, for the OpenAPI document.

    They are read by `List` and not declared to FastAPI, which would spend as long on them as the
    database spends on the page.
    """
    explained = {
        "date_from": "Only objects with `last_updated` from this moment on, it included.",
        "date_to": "Only objects with `last_updated` before this moment.",
        "offset": "How many objects to pass over.",
        "limit": "Most objects wanted; cut to the X-Limit of the answer.",
    }
    moment, count = {"type": "string", "format": "date-time"}, {"type": "integer", "minimum": 0}
    return {
        "parameters": [
            {
                "name": name,
                "in": "query",
                "required": name in required,
                "description": text,
                "schema": moment if name.startswith("date") else count,
            }
            for name, text in explained.items()
        ]
    }


# Path segments reach the routes still percent-encoded, so that an id may hold a slash (AT-26);
# they are decoded here, once.
Segment = Annotated[str, AfterValidator(decode_segment)]


async def _owner(
    country_code: Annotated[Segment, Path(description="Country code of the object's owner.")],
    party_id: Annotated[Segment, Path(description="Party id of the object's owner.")],
) -> Party:
    return Party(country_code, party_id)


Here = Annotated[Context, Depends(_context)]
CallerOf = Annotated[Caller, Depends(_caller)]
# The one party of ours that the request is meant for, the hub's own among them.
Addressed = Annotated[Party, Depends(_addressed)]
# The parties whose objects are asked for: one of ours, or all that a party may see of the hub's.
Owners = Annotated[tuple[Party, ...], Depends(_owners)]
IDs = Annotated[MessageIDs, Depends(_ids)]
Body = Annotated[dict[str, Any], Depends(_body)]
List = Annotated[Listing, Depends(_listing)]


async def _patch_body(here: Here, caller: CallerOf, body: Body) -> dict[str, Any]:
    """The body of a PATCH; one without a date has that of its arrival where an option says so."""
    dated = body.get("last_updated") not in (None, "")
    if dated or not (await options_of(here.database, caller.partner_id)).get("patch_without_date"):
        return body
    forgive(Habit.NO_DATE)
    return {**body, "last_updated": format_moment(datetime.now(UTC))}


PatchBody = Annotated[dict[str, Any], Depends(_patch_body)]
Owner = Annotated[Party, Depends(_owner)]


async def _their_party(request: Request, here: Here, caller: CallerOf, owner: Owner) -> Party:
    return await require_owner(here.database, caller, request.state.module, owner)


# The owner in the path of an object that the caller pushes: one of its own parties, in its own
# spelling. Another one's objects are unknown to it, and it cannot make any (CO-06, PD-05).
TheirParty = Annotated[Party, Depends(_their_party)]


@dataclass(frozen=True)
class Push:
    """A change that a partner pushes."""

    caller: Caller
    broadcast: bool
    """It came to the hub, for every party whom it may concern."""
    correlation_id: str

    async def write(self, database: Database, store: Store[Any], edit: Edit, tell: Tell) -> Written:
        """Make a change, and have the others told (RT-27, RT-32)."""

        def carry_on(written: Written) -> Change:
            return replace(tell(written), correlation_id=self.correlation_id)

        return await write(database, store, edit, carry_on if self.broadcast else None)


async def _push(request: Request) -> Push:
    state = request.state
    return Push(state.caller, state.broadcast, state.ids.correlation_id)


PushOf = Annotated[Push, Depends(_push)]


def answer_written(caller: Caller, written: Written, note: str | None = None) -> Response:
    """The answer to a push: HTTP 201 where it made the object, and a note where it did not count.

    What is older than the stored object is not applied but for what that lacks, and that is no
    error (PP-09, AT-75).
    """
    if not written.stale:
        return ok(created=written.created, message=note)
    forgive(Habit.STALE)
    newer = written.document["last_updated"]
    log.info("stale push", partner=caller.name, id=written.document.get("id"), stored=newer)
    applied = "Applied as far as nothing newer is known" if written.changed else "Not applied"
    return ok(message=f"{applied}: what is stored here was last updated at {newer}.")
