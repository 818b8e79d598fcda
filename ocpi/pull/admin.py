"""The admin API of the pull: bring what a partner lists up to date now."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from ocpi.pull.asking import Asked, Pulled
from ocpi.pull.merging import Fate
from ocpi.pull.pullable import Pullables
from ocpi.pull.pulling import sync_partner
from ocpi.request import Here


class _Counted(BaseModel):
    """How much came, and what became of it."""

    full: bool = Field(description="Everything was asked for, not only what changed lately.")
    new: int
    changed: int
    unchanged: int
    refused: int


class AskedView(_Counted):
    """What a hub showed one of your parties."""

    party: str = Field(examples=["NL*TNM"])
    problem: str | None = Field(description="Why its list was not read whole; null when it was.")


class PulledView(_Counted):
    """What pulling one list came to."""

    module: str = Field(examples=["tokens"])
    gone: int = Field(description="Not in the list any more; kept, and marked as absent.")
    reasons: list[str] = Field(description="Why objects were passed over; the first 20.")
    parties: list[AskedView] = Field(
        description="A hub is asked in the name of each of your parties, since it may show each "
        "something else; what it lists twice is counted twice. Empty for a partner that is no hub."
    )


def pulled_view(pulled: Pulled) -> PulledView:
    """A pull as it is shown."""
    return PulledView(
        module=pulled.pullable.module,
        gone=pulled.gone,
        reasons=pulled.refused,
        parties=[
            AskedView(party=str(each.ours), problem=each.problem, **_counted(each))
            for each in pulled.asked
            if each.our_party_id is not None
        ],
        **_counted(pulled),
    )


def _counted(each: Pulled | Asked) -> dict[str, Any]:
    return {"full": each.full, **{str(fate): each.counts[fate] for fate in Fate}}


def pull_router(pullables: Pullables) -> APIRouter:
    """The endpoint that pulls what is pullable."""
    router = APIRouter(prefix="/partners", tags=["partners"])

    @router.post("/{name}/sync", summary="Pull a partner's lists")
    async def post_sync(
        here: Here,
        name: Annotated[str, Path(description="Your name for the partner.")],
        *,
        full: Annotated[bool, Query(description="All of them, not only recent changes.")] = False,
    ) -> list[PulledView]:
        """Locations, Tariffs or Tokens, whichever it issues; answered when all are done.

        That may take minutes.
        """
        return [pulled_view(each) for each in await sync_partner(here, pullables, name, full=full)]

    return router
