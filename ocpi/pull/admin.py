"""The admin API of the pull: bring what a partner lists up to date now."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from ocpi.pull.merging import Fate
from ocpi.pull.pullable import Pullables
from ocpi.pull.pulling import Pulled, sync_partner
from ocpi.request import Here


class PulledView(BaseModel):
    """What pulling one list came to."""

    module: str = Field(examples=["tokens"])
    full: bool = Field(description="Everything was asked for, not only what changed lately.")
    new: int
    changed: int
    unchanged: int
    refused: int
    gone: int = Field(description="Not in the list any more; kept, and marked as absent.")
    reasons: list[str] = Field(description="Why objects were passed over; the first 20.")


def pulled_view(pulled: Pulled) -> PulledView:
    """A pull as it is shown."""
    return PulledView(
        module=pulled.pullable.module,
        full=pulled.full,
        gone=pulled.gone,
        reasons=pulled.refused,
        **{str(fate): pulled.counts[fate] for fate in Fate},
    )


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
