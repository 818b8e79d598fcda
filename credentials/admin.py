"""Partners and parties in the admin API."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from credentials import handshake, partners
from credentials.forms import (
    Approval,
    NewConnection,
    NewPartner,
    NewParty,
    Offered,
    PartnerView,
    PartyAdded,
    PartyRoleForm,
    PartyView,
)
from credentials.introducing import add_and_introduce
from credentials.keys import Resealed, reseal
from credentials.options import PartnerOptions
from credentials.parties import list_parties
from ocpi.request import Here

router = APIRouter()

Name = Annotated[str, Path(description="Your name for the partner.", examples=["acme"])]


class Outcome(BaseModel):
    """What a handshake came to."""

    partner: PartnerView
    remarks: list[str] = Field(
        description="What staff should know, a sentence each.",
        examples=[["locations SENDER is listed twice; the first URL was taken."]],
    )


class Changes(BaseModel):
    """The options to change; those that are absent stay."""

    options: PartnerOptions = Field(description="Any of them.", examples=[{"put_only": True}])


class Removal(BaseModel):
    """Whether the partner was told that the relation has ended."""

    told: bool
    problem: str | None = Field(None, description="Why it could not be told.")


@router.post("/keys/rotate", tags=["partners"], summary="Seal tokens with the present key")
async def rotate_key(here: Here) -> Resealed:
    """Every token that OCPI_SECRET_KEY_PREVIOUS sealed is sealed with OCPI_SECRET_KEY."""
    return await reseal(here)


@router.get("/partners", tags=["partners"], summary="All partners")
async def list_all(here: Here) -> list[PartnerView]:
    """How things stand with each."""
    return await partners.list_partners(here)


@router.post("/partners", tags=["partners"], summary="Open a registration", status_code=201)
async def add(here: Here, wish: NewPartner) -> Offered:
    """The answer holds the partner's registration token, this once; it is good for seven days."""
    pairs = [role.pair() for role in wish.roles]
    return await partners.add_partner(here, wish.name, wish.platform, pairs)


@router.post(
    "/partners/connect", tags=["partners"], summary="Register with a partner", status_code=201
)
async def connect(here: Here, wish: NewConnection) -> Outcome:
    """The partner calls us back meanwhile. A failure leaves nothing behind."""
    remarks = await handshake.connect(here, wish)
    return Outcome(partner=await partners.show_partner(here, wish.name), remarks=remarks)


@router.get("/partners/{name}", tags=["partners"], summary="One partner")
async def show(here: Here, name: Name) -> PartnerView:
    """With its endpoints and options."""
    return await partners.show_partner(here, name)


@router.patch("/partners/{name}", tags=["partners"], summary="Change a partner's options")
async def change(here: Here, name: Name, changes: Changes) -> PartnerView:
    """What is done this partner's own way."""
    return await partners.set_options(
        here, name, changes.options.model_dump(mode="json", exclude_unset=True)
    )


@router.delete("/partners/{name}", tags=["partners"], summary="Unregister and forget a partner")
async def remove(
    here: Here,
    name: Name,
    *,
    force: Annotated[bool, Query(description="Also when the partner cannot be told.")] = False,
) -> Removal:
    """The partner is told first; when that fails nothing is removed, unless by force."""
    problem = await partners.remove(here, name, force=force)
    return Removal(told=problem is None, problem=problem)


@router.post("/partners/{name}/rotate", tags=["partners"], summary="Exchange new tokens")
async def rotate(here: Here, name: Name) -> Outcome:
    """On both sides the old token works until the new one is known to have arrived."""
    remarks = await handshake.rotate(here, name)
    return Outcome(partner=await partners.show_partner(here, name), remarks=remarks)


@router.post("/partners/{name}/reissue", tags=["partners"], summary="Open a registration again")
async def reissue(here: Here, name: Name) -> Offered:
    """For a partner that lost its token or its data; a token that works goes on working."""
    return await partners.reissue(here, name)


@router.post(
    "/partners/{name}/roles", tags=["partners"], summary="Agree to a further role", status_code=201
)
async def add_role(here: Here, name: Name, wish: PartyRoleForm) -> PartnerView:
    """The partner may claim it from now on; its PUT of credentials that names it is taken then."""
    return await partners.add_role(here, name, wish.pair())


@router.post("/partners/{name}/suspend", tags=["partners"], summary="Suspend a partner")
async def suspend(here: Here, name: Name) -> PartnerView:
    """Its requests are refused with 401 and nothing is sent to it."""
    return await partners.suspend(here, name, suspended=True)


@router.post("/partners/{name}/resume", tags=["partners"], summary="End a suspension")
async def resume(here: Here, name: Name) -> PartnerView:
    """As if it had not been suspended."""
    return await partners.suspend(here, name, suspended=False)


@router.post("/partners/{name}/approve", tags=["partners"], summary="Approve hosts of a partner")
async def approve(here: Here, name: Name, approval: Approval) -> PartnerView:
    """Its endpoints at these hosts are called from now on; `withheld` tells which they are."""
    return await partners.approve(here, name, approval.hosts)


@router.get("/parties", tags=["parties"], summary="The parties that we speak for")
async def list_own(here: Here) -> list[PartyView]:
    """By platform and age."""
    return await list_parties(here)


@router.post("/parties", tags=["parties"], summary="Add a party of ours", status_code=201)
async def add_own(here: Here, wish: NewParty) -> PartyAdded:
    """On the platform `cpo` it is a CPO, on `hub` the hub itself (CR-28).

    It is presented to every registered partner of the platform, which exchanges tokens with it:
    that may take a minute.
    """
    return await add_and_introduce(here, wish)
