"""What a partner may see and sees, in the admin API."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from ocpi.golive.preview import preview, preview_view
from ocpi.golive.ruling import Stores, add_rules, list_rules, remove_rule
from ocpi.request import Here
from ocpi.sight import SightRule

Name = Annotated[str, Path(description="Your name for the partner.", examples=["acme"])]
ModuleName = Literal["locations", "tariffs", "tokens", "sessions", "cdrs", "hubclientinfo"]


class RuledView(BaseModel):
    """The rules of a partner after a change, and what it changed."""

    rules: list[SightRule]
    shown: int = Field(description="How many objects it made visible.", examples=[3])
    hidden: int = Field(description="How many objects it hid.", examples=[0])


class TotalView(BaseModel):
    """How many objects there are of one reason."""

    visible: bool
    reason: str = Field(examples=["rule 1 hides locations with tag private"])
    count: int


class SeenView(BaseModel):
    """One object, and whether the partner sees it."""

    object: str = Field(description="Owner and id.", examples=["de*abc*loc1"])
    visible: bool
    reason: str


class PreviewView(BaseModel):
    """A page of a module's objects as a partner sees them, and the counts of all."""

    partner: str
    module: str
    remarks: list[str] = Field(description="What holds for all of them.")
    total: int
    totals: list[TotalView]
    objects: list[SeenView]


def rules_router(stores: Stores) -> APIRouter:
    """The endpoints of rules and previews."""
    router = APIRouter(prefix="/partners/{name}", tags=["partners"])

    @router.get("/rules", summary="What a partner may see")
    async def get_rules(here: Here, name: Name) -> list[SightRule]:
        """Its rules; without any it may see all Locations and Tariffs."""
        return list(await list_rules(here, name))

    @router.post("/rules", summary="Show only some objects, or hide some", status_code=201)
    async def post_rule(here: Here, name: Name, rule: SightRule) -> RuledView:
        """The `number` is given out. The partner is told what it sees now, and not any more."""
        wish = rule.model_dump(mode="json", exclude={"number"})
        return RuledView(**vars(await add_rules(here, stores, name, [wish])))

    @router.delete("/rules/{number}", summary="Remove a rule")
    async def delete_rule(here: Here, name: Name, number: int) -> RuledView:
        """By its number."""
        return RuledView(**vars(await remove_rule(here, stores, name, number)))

    @router.get("/preview/{module}", summary="What a partner sees of a module")
    async def get_preview(
        *,
        here: Here,
        name: Name,
        module: ModuleName,
        visible: Annotated[
            bool | None, Query(description="Only the visible objects, or the hidden ones.")
        ] = None,
        offset: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> PreviewView:
        """Each object with the reason why it is visible or hidden; the counts are of all."""
        found = await preview(here, stores, name, module, offset=offset, limit=limit, only=visible)
        return PreviewView.model_validate(preview_view(found))

    return router
