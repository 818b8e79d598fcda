"""What CPOs read and ask: our drivers' Tokens, and whether one may charge (mod_tokens, Sender)."""

from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from modules.tokens.names import TokenKind, TokenUID, named_token
from modules.tokens.store import hub_tokens
from ocpi.editing import Document
from ocpi.envelope import Answer, ok
from ocpi.errors import NotJSON
from ocpi.forgiving import read
from ocpi.request import Here, List, Owners, pages
from ocpi.spec.document import decode, encode
from ocpi.spec.reading import dump
from ocpi.spec.tokens import AllowedType, AuthorizationInfo, LocationReferences, Token

router = APIRouter()


async def _references(request: Request) -> Document | None:
    """Where the driver is; an empty body and `null` both tell nothing, `{}` is 2001 (AT-65)."""
    raw = (await request.body()).strip()
    try:
        document = decode(raw) if raw else None
    except ValueError as error:
        raise NotJSON(f"The body is not JSON: {error}") from None
    return None if document is None else dump(read(LocationReferences, document))


@router.get("", response_model=Answer[list[Token]], summary="List Tokens", openapi_extra=pages())
async def list_tokens(here: Here, owners: Owners, listing: List) -> Response:
    """A page of the Tokens that are meant for everybody, oldest creation first (RT-38)."""
    page = await hub_tokens.page(here.database, listing.paging, owners)
    return listing.answer(page)


@router.post(
    "/{token_uid}/authorize",
    response_model=Answer[AuthorizationInfo],
    summary="Ask whether a driver may charge",
)
async def authorize_token(
    *,
    here: Here,
    owners: Owners,
    token_uid: TokenUID,
    references: Annotated[Document | None, Depends(_references)],
    kind: TokenKind = "RFID",
) -> Response:
    """Answered at once from the Token as it is stored, whatever its `whitelist` (TK-02, TK-09)."""
    text = await hub_tokens.text(here.database, owners, named_token(token_uid, kind))
    token = decode(text)
    return ok(encode(_information(token, references)))


def _information(token: Document, references: Document | None) -> Document:
    """The verdict with the whole Token (TK-03), and where it holds if it is ALLOWED (TK-06).

    Opening hours and states of EVSEs play no part, and no Location needs to be known (TK-07).
    """
    if not token["valid"]:
        return {"allowed": AllowedType.BLOCKED, "token": token}
    return {
        "allowed": AllowedType.ALLOWED,
        "token": token,
        **({"location": references} if references is not None else {}),
        "authorization_reference": str(uuid4()),
    }
