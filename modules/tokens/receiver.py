"""What eMSPs push: Tokens of their drivers (mod_tokens, Receiver interface)."""

from fastapi import APIRouter
from starlette.responses import Response

from modules.tokens.issuers import trusts_type
from modules.tokens.names import TokenKind, TokenUID, named_token
from modules.tokens.store import hub_tokens, known_token, tokens, types_of
from ocpi.admin import takes
from ocpi.context import Context
from ocpi.editing import Edit, Written
from ocpi.envelope import Answer, ok
from ocpi.forgiving import Habit, forgive, read, read_patch
from ocpi.headers import Party
from ocpi.parties import Caller
from ocpi.push.feed import Change
from ocpi.request import Body, CallerOf, Here, PatchBody, Push, PushOf, TheirParty, answer_written
from ocpi.spec.reading import dump
from ocpi.spec.tokens import Token

router = APIRouter(prefix="/{country_code}/{party_id}")


@router.get("/{token_uid}", response_model=Answer[Token], summary="Get a pushed Token")
async def get_token(
    here: Here,
    caller: CallerOf,
    owner: TheirParty,
    token_uid: TokenUID,
    kind: TokenKind = "RFID",
) -> Response:
    """The Token as it is known here, for its owner to compare."""
    kind = await _kind_meant(here, caller, owner, token_uid, kind)
    return ok(await known_token(here.database, owner, named_token(token_uid, kind)))


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
    kind = await _kind_meant(here, push.caller, owner, token_uid, kind, document["type"])
    edit = tokens.putting(owner, named_token(token_uid, kind), document)
    return await _write(here, push, edit)


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
    kind = await _kind_meant(here, push.caller, owner, token_uid, kind, changes.get("type"))
    edit = tokens.patching(owner, named_token(token_uid, kind), changes)
    return await _write(here, push, edit)


async def _kind_meant(
    here: Context, caller: Caller, owner: Party, uid: str, kind: str, told: str | None = None
) -> str:
    """The type of the Token that is meant: the URL's `kind`, or of some partners the body's.

    Where the body of such a partner has none, its only Token of this uid is meant (AT-64).
    """
    kind = kind or "RFID"
    if told == kind or not await trusts_type(here.database, caller.partner_id):
        return kind
    if told is None:
        types = await types_of(here.database, owner, uid)
        if kind in types or len(types) != 1:
            return kind
        told = types.pop()
    forgive(Habit.TYPE_IN_BODY)
    return told


async def _write(here: Context, push: Push, edit: Edit) -> Response:
    def tell(written: Written) -> Change:
        return Change("tokens", edit.key, patch=written.patch)

    book = hub_tokens if push.broadcast else tokens
    written = await push.write(here.database, book, edit, tell)
    return answer_written(push.caller, written)
