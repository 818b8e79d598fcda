"""The parties of the hub in the admin API."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from modules.hubclientinfo.members import HubParty, list_members
from ocpi.request import Here

router = APIRouter(prefix="/hub", tags=["hub"])


class HubPartyView(BaseModel):
    """A party in a role, and how it stands."""

    party: str = Field(examples=["DE*ABC"])
    role: str = Field(examples=["EMSP"])
    status: str = Field(
        description="CONNECTED, OFFLINE, PLANNED or SUSPENDED", examples=["CONNECTED"]
    )
    since: str | None = Field(description="When others were told; null: they will be in a moment.")
    partner: str | None = Field(
        description="The connection it is reached by; null: our own, or none."
    )
    behind: bool = Field(description="The partner is a hub that announces it.")
    gone: bool = Field(description="It has left the hub.")


def party_view(member: HubParty) -> HubPartyView:
    """A party as it is shown."""
    return HubPartyView(**{**vars(member), "party": str(member.party)})


@router.get("/parties", summary="Who is at the hub")
async def get_parties(here: Here) -> list[HubPartyView]:
    """Everybody who is or was, by party and role."""
    return [party_view(each) for each in await list_members(here)]
