"""What a partner may see, sees and pays, and its check, in the admin API."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import HTMLResponse, Response

from ocpi.admin import OwnParty
from ocpi.golive.asking import Writes
from ocpi.golive.checking import check_partner, last_report
from ocpi.golive.mapping import (
    list_mappings,
    mapped_view,
    mapping_view,
    remove_mapping,
    set_mapping,
)
from ocpi.golive.preview import preview, preview_view
from ocpi.golive.ruling import Stores, add_rules, list_rules, remove_rule
from ocpi.golive.showing import html_of
from ocpi.request import Here, Segment
from ocpi.sight import SightRule

Name = Annotated[str, Path(description="Your name for the partner.", examples=["acme"])]
TariffID = Annotated[Segment, Path(description="The id of the Tariff that others get.")]
ModuleName = Literal["locations", "tariffs", "tokens", "sessions", "cdrs", "hubclientinfo"]


class RuledView(BaseModel):
    """The rules of a partner after a change, and what it changed."""

    rules: list[SightRule]
    shown: int = Field(description="How many objects it made visible.", examples=[3])
    hidden: int = Field(description="How many objects it hid.", examples=[0])


class MappingView(BaseModel):
    """A Tariff that a partner gets instead of another one of the same party of ours."""

    country_code: str = Field(examples=["NL"])
    party_id: str = Field(examples=["TNM"])
    tariff_id: str = Field(description="The Tariff that others get.", examples=["REGULAR"])
    instead: str = Field(description="The Tariff that the partner gets.", examples=["SHINY"])
    since: str = Field(description="When it was set.", examples=["2026-01-31T12:00:00Z"])


class Instead(BaseModel):
    """Which Tariff a partner gets instead."""

    model_config = ConfigDict(extra="forbid")

    instead: str = Field(min_length=1, max_length=36, examples=["SHINY"])


class MappedView(BaseModel):
    """The mappings of a partner after a change, and what it changed."""

    mappings: list[MappingView]
    shown: int = Field(description="How many Tariffs it made visible.", examples=[1])
    hidden: int = Field(description="How many Tariffs it hid.", examples=[1])
    told: int = Field(
        description="How many Locations and Tariffs read differently now, and are told anew.",
        examples=[12],
    )


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


class ResultView(BaseModel):
    """What came of one check."""

    id: str = Field(examples=["list.limit"])
    requirements: list[str] = Field(examples=[["PG-04"]])
    what: str = Field(description="What must be so.", examples=["A limit is kept to"])
    severity: str = Field(description="must or should; only a failed `must` fails all.")
    outcome: str = Field(description="passed, failed or skipped")
    count: int = Field(description="How many problems there are.")
    problems: list[str] = Field(description="The first of them.")


class ProposalView(BaseModel):
    """A setting that suits the partner."""

    option: str = Field(examples=["put_only=true"])
    why: str
    command: str


class ReportView(BaseModel):
    """What a check came to."""

    partner: str
    at: str
    passed: bool
    versions_url: str
    requests: int
    wrote: bool = Field(description="The partner agreed to a round of writes.")
    median_seconds: float | None
    worst_seconds: float | None
    slowest: str | None
    checks: list[ResultView]
    proposals: list[ProposalView]


def golive_router(stores: Stores) -> APIRouter:
    """The endpoints of rules, previews and checks."""
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

    _add_mappings(router, stores)

    @router.get("/preview/{module}", summary="What a partner sees of a module")
    async def get_preview(
        *,
        here: Here,
        name: Name,
        module: ModuleName,
        visible: Annotated[
            bool | None, Query(description="Only the visible objects, or the hidden ones.")
        ] = None,
        offset: Annotated[int, Query(ge=0, lt=2**63)] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> PreviewView:
        """Each object with the reason why it is visible or hidden; the counts are of all."""
        found = await preview(here, stores, name, module, offset=offset, limit=limit, only=visible)
        return PreviewView.model_validate(preview_view(found))

    @router.post("/check", summary="Check whether a partner is ready to go live")
    async def post_check(
        *,
        here: Here,
        name: Name,
        write: Annotated[
            bool, Query(description="Also tell it test objects: the partner has agreed.")
        ] = False,
        write_cdr: Annotated[
            bool, Query(description="With `write`: also a CDR of no cost, which stays.")
        ] = False,
    ) -> ReportView:
        """Answered when all is asked, which may take minutes; the report is kept."""
        report = await check_partner(here, name, Writes(write, write_cdr))
        return ReportView.model_validate(report)

    @router.get("/check", summary="The last report of a partner")
    async def get_check(here: Here, name: Name) -> ReportView:
        """As it was when the partner was checked."""
        return ReportView.model_validate(await last_report(here, name))

    # By HTMLResponse as the class, refusals would be told to be pages, too.
    @router.get(
        "/check.html",
        summary="The last report as a page",
        response_class=Response,
        responses={
            200: {
                "description": "The page.",
                "content": {"text/html": {"schema": {"type": "string"}}},
            }
        },
    )
    async def get_page(here: Here, name: Name) -> Response:
        """To be sent to the partner: one file without scripts."""
        return HTMLResponse(html_of(await last_report(here, name)))

    return router


def _add_mappings(router: APIRouter, stores: Stores) -> None:
    @router.get("/tariffs", summary="Which Tariffs a partner gets instead of others")
    async def get_mappings(here: Here, name: Name) -> list[MappingView]:
        """Its mappings; without any it gets the Tariffs that all others get."""
        found = await list_mappings(here, name)
        return [MappingView(**mapping_view(each)) for each in found.live]

    of_party = APIRouter(prefix="/tariffs/{country_code}/{party_id}")

    @of_party.put("/{tariff_id}", summary="Give a partner a Tariff instead of another")
    async def put_mapping(
        here: Here, name: Name, owner: OwnParty, tariff_id: TariffID, body: Instead
    ) -> MappedView:
        """In Locations, Tariffs, Sessions and CDRs; sessions that have begun keep their price."""
        done = await set_mapping(here, stores, name, owner, tariff_id, body.instead)
        return MappedView.model_validate(mapped_view(done))

    @of_party.delete("/{tariff_id}", summary="Give a partner the Tariff that others get")
    async def delete_mapping(
        here: Here, name: Name, owner: OwnParty, tariff_id: TariffID
    ) -> MappedView:
        """It is told so; sessions that have begun keep their price."""
        done = await remove_mapping(here, stores, name, owner, tariff_id)
        return MappedView.model_validate(mapped_view(done))

    router.include_router(of_party)
