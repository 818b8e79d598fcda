"""The versions endpoint and the version details of a platform of ours (VE-01 to VE-08)."""

from fastapi import APIRouter
from starlette.responses import Response

from credentials import examples
from ocpi.context import Context
from ocpi.envelope import Answer, ok
from ocpi.parties import VERSION
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
    return ok(encode({"version": VERSION, "endpoints": _endpoints(here, caller.platform)}))


def _endpoints(context: Context, platform: str) -> list[dict[str, str]]:
    modules = [
        {
            "identifier": interface.module,
            "role": interface.role,
            "url": context.module_url(platform, interface),
        }
        for interface in context.interfaces.get(platform, ())
    ]
    return [_endpoint(context.credentials_url(platform)), *modules]


def _endpoint(credentials_url: str) -> dict[str, str]:
    """The credentials endpoint: its role says nothing, and SENDER is advised (VE-07, AT-15)."""
    return {
        "identifier": ModuleID.CREDENTIALS.value,
        "role": InterfaceRole.SENDER.value,
        "url": credentials_url,
    }
