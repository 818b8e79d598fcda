"""The operator's way to Tokens: may this driver charge, and what is stored."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from modules.tokens.authorizing import authorize
from modules.tokens.deciding import Decision
from modules.tokens.names import TokenKind, TokenUID, named_token
from modules.tokens.questions import Question
from modules.tokens.store import find_tokens, known_token
from ocpi.admin import document_answer
from ocpi.context import Context
from ocpi.editing import Document
from ocpi.errors import InvalidParameters, ServerFailure, UnknownObject
from ocpi.headers import Party
from ocpi.parties import PlatformID, our_parties
from ocpi.request import Here, Owner
from ocpi.spec.document import decode
from ocpi.spec.tokens import LocationReferences, Token
from ocpi.spec.types import DisplayText

router = APIRouter()
one_token = APIRouter(prefix="/tokens/{country_code}/{party_id}", tags=["tokens"])


class Presented(BaseModel):
    """A token that a driver presents at a station."""

    uid: str = Field(pattern=r"^[ -~]{1,36}$", examples=["04A1B2C3D4E5F6"])
    type: str = Field("RFID", pattern=r"^[A-Z_]{1,36}$", description="Token.type")
    location_id: str | None = Field(None, pattern=r"^[ -~]{1,36}$", description="Where, if known.")
    evse_uid: str | None = Field(None, pattern=r"^[ -~]{1,36}$")
    country_code: str | None = Field(None, description="Our party, where there are several.")
    party_id: str | None = None

    def question(self) -> Question:
        """What is to be decided."""
        return Question(self.uid, self.type, self.location_id, self.evse_uid)


class Permission(BaseModel):
    """Whether the driver may charge."""

    allowed: str = Field(
        description="ALLOWED, or why not: BLOCKED, EXPIRED, NO_CREDIT, NOT_ALLOWED, UNKNOWN, or a "
        "word of the eMSP's own.",
        examples=["ALLOWED"],
    )
    reason: str = Field(description="A sentence for staff.", examples=["acme says ALLOWED."])
    token: Token | None = Field(None, description="As the eMSP told it last.")
    method: str | None = Field(None, description="AuthMethod of Session and CDR.")
    authorization_reference: str | None = Field(None, description="Of the eMSP, for them too.")
    location: LocationReferences | None = Field(None, description="Where, if the eMSP told.")
    info: DisplayText | None = Field(None, description="What the driver is to read.")


def permission(decision: Decision) -> Document:
    """A decision as a document; what is not known is left out."""
    members: dict[str, Any] = {
        "allowed": decision.allowed,
        "reason": decision.reason,
        "token": decision.token,
        "method": decision.method,
        "authorization_reference": decision.reference,
        "location": decision.location,
        "info": decision.info,
    }
    return {name: value for name, value in members.items() if value is not None}


async def our_station(context: Context, presented: Presented) -> Party:
    """Whose station asks; raises ``UnknownObject`` and ``InvalidParameters``."""
    ours = await our_parties(context.database, PlatformID.CPO)
    if not ours:
        raise ServerFailure("We have no party yet: see `ocpi party add`.")
    if presented.country_code is None and presented.party_id is None:
        if len(ours) == 1:
            return ours[0]
        raise InvalidParameters("country_code and party_id are needed: we are several parties.")
    named = Party(presented.country_code or "", presented.party_id or "")
    for party in ours:
        if party.key == named.key:
            return party
    raise UnknownObject(f"{named} is no party of ours: see `ocpi party list`.")


@router.post(
    "/authorize", tags=["tokens"], response_model=Permission, summary="May this driver charge?"
)
async def post_authorize(here: Here, presented: Presented) -> Response:
    """Decided from what is stored, and by asking the eMSP where that is needed; takes 3 s at most.

    What is allowed is remembered for the Session that the station starts then.
    """
    owner = await our_station(here, presented)
    return document_answer(permission(await authorize(here, owner, presented.question())))


@router.get("/tokens", tags=["tokens"], response_model=list[Token], summary="List Tokens")
async def list_tokens(
    here: Here,
    uid: Annotated[str, Query(description="Only those whose uid begins so.")] = "",
    offset: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """What partners pushed, and what was pulled; the newest first.

    A Token that was told to all parties of the hub, and otherwise to our CPO alone, is there twice.
    """
    return document_answer(await find_tokens(here.database, uid, offset, limit))


@one_token.get("/{token_uid}", response_model=Token, summary="Get a Token")
async def get_token(
    here: Here, owner: Owner, token_uid: TokenUID, kind: TokenKind = "RFID"
) -> Response:
    """The Token as our CPO knows it, as it was told last."""
    text = await known_token(here.database, owner, named_token(token_uid, kind))
    return document_answer(decode(text))


router.include_router(one_token)
