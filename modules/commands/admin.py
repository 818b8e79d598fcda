"""Staff and backend send commands to partners' stations, and see what came of them."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, Field
from sqlmodel import select
from starlette.responses import Response

from modules.commands.asking import Pairing, Question, Road, SentCommand, ask, find_road
from modules.commands.receiver import BODIES, MODELS, Word, command_type
from ocpi.admin import document_answer
from ocpi.dating import refuse_defects
from ocpi.editing import Document
from ocpi.errors import InvalidParameters, UnknownObject
from ocpi.headers import Party
from ocpi.parties import Partner
from ocpi.request import Body, Here, Segment
from ocpi.spec.commands import CommandResponse
from ocpi.spec.document import decode
from ocpi.spec.moments import format_moment, moment_of
from ocpi.spec.reading import dump, read

router = APIRouter(tags=["commands"])

UID = Annotated[Segment, Path(description="The id that sending it gave.")]
Name = Annotated[Segment, Path(description="Your name for the partner.", examples=["acme"])]


async def _pairing(
    to: Annotated[
        str | None, Query(description="The partner's party, where it has several: `NL*TNM`.")
    ] = None,
    sender: Annotated[
        str | None, Query(alias="from", description="Our party, where there are several.")
    ] = None,
) -> Pairing:
    return Pairing(to, sender)


PairingOf = Annotated[Pairing, Depends(_pairing)]


class Sent(BaseModel):
    """A request of ours, and the partner's immediate answer."""

    id: str = Field(description="See `GET /admin/commands/{id}` for the result.")
    response: dict[str, Any] = Field(
        description="The CommandResponse or ChargingProfileResponse.",
        examples=[{"result": "ACCEPTED", "timeout": 30}],
    )


class SentView(BaseModel):
    """A request of ours, and everything the partner told of it."""

    id: str
    partner: str
    module: str
    command: str
    request: dict[str, Any]
    sent_at: str
    response: dict[str, Any] | None = Field(description="The immediate answer.")
    problem: str | None = Field(description="Why there is no such answer.")
    result: dict[str, Any] | None = Field(description="What came of it, once that is known.")
    result_at: str | None
    news: dict[str, Any] | None = Field(
        description="What was told later: a reservation dropped, the newest active profile."
    )
    news_at: str | None


@router.post(
    "/partners/{name}/commands/{command}",
    response_model=Sent,
    summary="Send a command",
    openapi_extra=BODIES,
)
async def send_command(
    here: Here, name: Name, command: Word, pairing: PairingOf, body: Body
) -> Response:
    """The body is OCPI's, without `response_url`; UNLOCK_CONNECTOR is for a help desk only."""
    kind = command_type(command)
    road = await find_road(here, name, "commands", pairing)
    model = MODELS[kind]
    whole = dump(read(model, {**body, "response_url": road.results}))
    refuse_defects(model, whole)
    _refuse_foreign_token(whole, road)
    request = {field: value for field, value in whole.items() if field != "response_url"}
    question = Question("commands", kind.value, "POST", kind.value, request, CommandResponse)
    return sent_answer(await ask(here, road, question))


def _refuse_foreign_token(request: Document, road: Road) -> None:
    """Only tokens of the party in whose name we ask may be used (CM-13)."""
    token = request.get("token")
    if token is None:
        return
    party = Party(token["country_code"], token["party_id"])
    if party.key != road.sender.key:
        raise InvalidParameters(f"token: is of {party}, and {road.sender} may use only its own")


def sent_answer(sent: SentCommand) -> Response:
    """A request that the partner has answered."""
    return document_answer({"id": sent.id, "response": _document(sent.response)})


@router.get(
    "/commands/{uid}", response_model=SentView, summary="A command that was sent, and its result"
)
async def show_command(here: Here, uid: UID) -> Response:
    """Requests about charging profiles are here too."""
    async with here.database.read() as db:
        found = await db.exec(
            select(SentCommand, Partner.name).join(Partner).where(SentCommand.id == uid)
        )
        row = found.one_or_none()
    if row is None:
        raise UnknownObject(f"No command {uid} was sent.")
    return document_answer(_view(*row))


def _view(sent: SentCommand, partner: str) -> Document:
    view = {**sent.model_dump(exclude={"partner_id", "session_key"}), "partner": partner}
    for name in ("request", "response", "result", "news"):
        view[name] = _document(view[name])
    for name in ("sent_at", "result_at", "news_at"):
        view[name] = view[name] and format_moment(moment_of(view[name]))
    return view


def _document(text: str | None) -> Document | None:
    return None if text is None else decode(text)
