"""The versions endpoint and the version details of a platform of ours (VE-01 to VE-08)."""

from fastapi import APIRouter
from sqlalchemy import bindparam, select
from sqlmodel import col
from starlette.responses import Response

from credentials import examples
from ocpi.context import Context, Interface
from ocpi.envelope import Answer, ok
from ocpi.parties import VERSION, Partner, PartnerEndpoint, PlatformID
from ocpi.request import CallerOf, Here
from ocpi.spec.document import encode
from ocpi.spec.versions import InterfaceRole, ModuleID, Version, VersionDetails


def versions_router(platform: str) -> APIRouter:
    """Both endpoints, relative to `/ocpi/{platform}`; a registration token is enough (VE-12)."""
    router = APIRouter(tags=["versions"])
    base = f"https://ocpi.example/ocpi/{platform}/{VERSION}"
    router.add_api_route(
        "/versions",
        get_versions,
        methods=["GET"],
        response_model=Answer[list[Version]],
        summary="The OCPI versions offered here",
        responses={
            200: examples.success([{"version": VERSION, "url": base}]),
            401: examples.UNKNOWN_TOKEN,
        },
    )
    router.add_api_route(
        f"/{VERSION}",
        get_details,
        methods=["GET"],
        response_model=Answer[VersionDetails],
        summary="The endpoints of version 2.2.1",
        responses={
            200: examples.success(
                {"version": VERSION, "endpoints": [_endpoint(f"{base}/credentials")]}
            ),
            401: examples.UNKNOWN_TOKEN,
        },
    )
    return router


async def get_versions(here: Here, caller: CallerOf) -> Response:
    """One version: 2.2 and 2.1 are not offered in its place (VE-10)."""
    url = f"{here.platform_url(caller.platform)}/{VERSION}"
    return ok(encode([{"version": VERSION, "url": url}]))


async def get_details(here: Here, caller: CallerOf) -> Response:
    """Every module really served, once per interface, and credentials (VE-06 to VE-08)."""
    interfaces = list(here.interfaces.get(caller.platform, ()))
    if here.settings.is_hub and caller.platform == PlatformID.HUB:
        interfaces += await _carried(here, caller.partner_id)
    modules = [
        {
            "identifier": interface.module,
            "role": interface.role,
            "url": here.module_url(caller.platform, interface),
        }
        for interface in interfaces
    ]
    endpoints = [_endpoint(here.credentials_url(caller.platform)), *modules]
    return ok(encode({"version": VERSION, "endpoints": endpoints}))


_OFFERED = (
    select(col(PartnerEndpoint.identifier), col(PartnerEndpoint.role))
    .join(Partner, col(Partner.id) == col(PartnerEndpoint.partner_id))
    .where(
        col(Partner.platform) == PlatformID.HUB.value,
        col(PartnerEndpoint.partner_id) != bindparam("partner_id"),
    )
    .distinct()
    .order_by(col(PartnerEndpoint.identifier), col(PartnerEndpoint.role))
)


async def _carried(context: Context, partner_id: int) -> list[Interface]:
    """The modules of others' own making that other parties of the hub offer: they are carried."""
    rows = await context.database.fetch("versions.offered", _OFFERED, {"partner_id": partner_id})
    return [
        Interface(identifier, role)
        for identifier, role in rows
        if identifier not in set(ModuleID) and role in set(InterfaceRole)
    ]


def _endpoint(credentials_url: str) -> dict[str, str]:
    """The credentials endpoint: its role says nothing, and SENDER is advised (VE-07, AT-15)."""
    return {
        "identifier": ModuleID.CREDENTIALS.value,
        "role": InterfaceRole.SENDER.value,
        "url": credentials_url,
    }
