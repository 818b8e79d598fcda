"""What eMSPs push: Tokens of their drivers (mod_tokens, Receiver interface)."""

from dataclasses import replace

from fastapi import APIRouter
from starlette.responses import Response

from modules.tokens.issuers import trusts_type
from modules.tokens.names import TokenKind, TokenUID, named_token
from modules.tokens.store import tokens
from ocpi.admin import takes
from ocpi.editing import object_key
from ocpi.envelope import Answer, ok
from ocpi.forgiving import Habit, forgive, read, read_patch
from ocpi.push.feed import Change
from ocpi.request import Body, Here, PatchBody, PushOf, TheirParty, answer_written
from ocpi.spec.reading import dump
from ocpi.spec.tokens import Token

router = APIRouter(prefix="/{country_code}/{party_id}")


@router.get("/{token_uid}", response_model=Answer[Token], summary="Get a pushed Token")
async def get_token(
    here: Here, owner: TheirParty, token_uid: TokenUID, kind: TokenKind = "RFID"
) -> Response:
    """The Token as it is stored here, for its owner to compare."""
    return ok(await tokens.text(here.database, (owner,), named_token(token_uid, kind)))


@router.put(
    "/{token_uid}",
    response_model=Answer[Token],
    summary="Push a Token",
    openapi_extra=takes(Token),
)
async def put_token(
    *,
    here: Here,
    push: PushOf,
    owner: TheirParty,
    token_uid: TokenUID,
    body: Body,
    kind: TokenKind = "RFID",
) -> Response:
    """Create or replace a Token (TK-11); its type must be the one in the URL (AT-64)."""
    document = dump(read(Token, body))
    if document["type"] != kind and await trusts_type(here.database, push.caller.partner_id):
        kind = document["type"]
        forgive(Habit.TYPE_IN_BODY)
    async with here.database.write() as db:
        name = named_token(token_uid, kind)
        written = await tokens.put(db, owner, name, document)
        if push.broadcast and await tokens.share(db, [object_key(owner, name)]):
            written = replace(written, changed=True)
        await push.spread(db, written, Change("tokens", object_key(owner, name)))
    return answer_written(push.caller, written)


@router.patch(
    "/{token_uid}",
    response_model=Answer[Token],
    summary="Push changes of a Token",
    openapi_extra=takes(Token, partial=True),
)
async def patch_token(
    *,
    here: Here,
    push: PushOf,
    owner: TheirParty,
    token_uid: TokenUID,
    body: PatchBody,
    kind: TokenKind = "RFID",
) -> Response:
    """Change the fields given, such as `valid` of a Token that is withdrawn (TK-12)."""
    changes = read_patch(Token, body)
    async with here.database.write() as db:
        name = named_token(token_uid, kind)
        written = await tokens.patch(db, owner, name, changes)
        change = Change("tokens", object_key(owner, name), patch=changes)
        if push.broadcast and await tokens.share(db, [change.object_key]):
            # The others have never heard of it, so that they need all of it.
            written, change = replace(written, changed=True), replace(change, patch=None)
        await push.spread(db, written, change)
    return answer_written(push.caller, written)
