"""The credentials endpoint: how a partner registers, changes its credentials, and leaves.

What a caller may do is told by its token alone: a registration token may POST, any other token PUT
and DELETE, since the first use of such a token retires the registration token (AT-09).
"""

from typing import Any

from fastapi import APIRouter
from pydantic import ValidationError
from starlette.responses import Response

from credentials import examples
from credentials.discovery import discover
from credentials.options import read_options
from credentials.parties import present
from credentials.registration import accept, check_roles, note, retire
from ocpi.client import Target
from ocpi.context import Context
from ocpi.envelope import Answer, ok
from ocpi.errors import (
    AlreadyRegistered,
    InvalidParameters,
    NotAuthenticated,
    NotRegistered,
    OCPIError,
)
from ocpi.forgiving import read
from ocpi.headers import MessageIDs
from ocpi.messages import log
from ocpi.parties import VERSION, Caller, Partner
from ocpi.request import Body, CallerOf, Here, IDs
from ocpi.spec.credentials import Credentials
from ocpi.spec.reading import problems


def credentials_router(platform: str) -> APIRouter:
    """The four methods, relative to `/ocpi/{platform}`."""
    router = APIRouter(prefix=f"/{VERSION}/credentials", tags=["credentials"])
    url = f"https://ocpi.example/ocpi/{platform}/versions"
    ours = examples.credentials_of("token-C", url, platform.upper(), "Example Charging")
    router.add_api_route(
        "",
        get_credentials,
        methods=["GET"],
        response_model=Answer[Credentials],
        summary="Our credentials, with the token that you present",
        responses={200: examples.success(ours), 401: examples.UNKNOWN_TOKEN},
    )
    for method, endpoint, summary, refusal in (
        ("POST", post_credentials, "Register with a registration token", AlreadyRegistered),
        ("PUT", put_credentials, "Change your credentials, and get a new token", NotRegistered),
    ):
        router.add_api_route(
            "",
            endpoint,
            methods=[method],
            response_model=Answer[Credentials],
            summary=summary,
            responses={
                200: examples.exchanged(ours),
                401: examples.UNKNOWN_TOKEN,
                405: examples.refused(refusal().message),
            },
            openapi_extra=examples.credentials_body(),
        )
    router.add_api_route(
        "",
        delete_credentials,
        methods=["DELETE"],
        response_model=Answer[None],
        summary="Unregister",
        responses={
            200: examples.success(),
            401: examples.UNKNOWN_TOKEN,
            405: examples.refused(NotRegistered().message),
        },
    )
    return router


async def get_credentials(here: Here, caller: CallerOf) -> Response:
    """The token is the caller's own, since we keep but its hash (CR-17, AT-07)."""
    return ok(await present(here, caller.platform, caller.token))


async def post_credentials(here: Here, caller: CallerOf, body: Body, ids: IDs) -> Response:
    """Register: we call back with the token in the body before this is answered (CR-05, CR-06).

    Until the token in the answer is used for the first time the POST may be repeated; each
    repetition replaces that token. After 3001, 3002 or 3003 nothing has changed (CR-23).
    """
    if not caller.registration:
        raise AlreadyRegistered
    return await _exchange(here, caller, body, ids)


async def put_credentials(here: Here, caller: CallerOf, body: Body, ids: IDs) -> Response:
    """Change token, URL, endpoints or details: we call back with the new token first (CR-10).

    The old token stays good until the new one is used (AT-08). New roles need the operator's
    consent, else the answer is 2001.
    """
    if caller.registration:
        raise NotRegistered
    return await _exchange(here, caller, body, ids)


async def delete_credentials(here: Here, caller: CallerOf) -> Response:
    """End the relation in both directions at once; your token gives 401 from now on (CR-15)."""
    if caller.registration:
        raise NotRegistered
    async with here.database.write() as db:
        partner = await db.get(Partner, caller.partner_id, with_for_update={"key_share": True})
        if partner is None:
            raise NotAuthenticated
        await retire(db, partner)
        partner.note = "The partner unregistered."
    log.info("partner unregistered", partner=caller.name)
    return ok()


async def _exchange(
    context: Context, caller: Caller, body: dict[str, Any], ids: MessageIDs
) -> Response:
    """POST and PUT differ only in who may send them (AT-12)."""
    try:
        credentials = _read(body)
        partner = await _partner_of(context, caller, credentials)
        options = read_options(partner.options)
        offer = await discover(
            context,
            # With the token of the body (AT-11).
            Target(caller.name, credentials.token, options.raw_token),
            credentials.url,
            platform=caller.platform,
            approved=options.hosts,
            known=None if caller.registration else partner.versions_url,
            correlation_id=ids.correlation_id,
        )
        token = await accept(context, caller, credentials, offer, partner.token_out)
    except OCPIError as error:
        log.warning("credentials refused", partner=caller.name, why=error.message)
        await note(context, caller.partner_id, f"Refused with {error.status_code}: {error.message}")
        raise
    log.info("credentials exchanged", partner=caller.name, first=caller.registration)
    return ok(await present(context, caller.platform, token))


def _read(body: dict[str, Any]) -> Credentials:
    try:
        return read(Credentials, body)
    except ValidationError as error:
        raise InvalidParameters(problems(error)) from None


async def _partner_of(context: Context, caller: Caller, credentials: Credentials) -> Partner:
    """The caller as it is before the exchange; it must present only roles of its own."""
    async with context.database.read() as db:
        await check_roles(db, caller.partner_id, credentials)
        partner = await db.get(Partner, caller.partner_id)
    if partner is None:
        raise NotAuthenticated
    return partner
