"""Carrying a message to the party it is for, and its answer back (RT-09 to RT-23)."""

from urllib.parse import unquote, urljoin

from starlette.responses import Response

from ocpi.client import ExchangeFailed
from ocpi.context import Context, Interface
from ocpi.database import DATABASE_ERRORS
from ocpi.egress import same_origin
from ocpi.errors import OCPIError, Overloaded, ReceiverAway, ReceiverTooSlow, RoutingFailure
from ocpi.headers import routing_headers
from ocpi.hub import links
from ocpi.hub.answering import answer_to, not_ocpi
from ocpi.hub.message import Message
from ocpi.hub.rewriting import with_response_url
from ocpi.hub.targets import Destination
from ocpi.links import next_link
from ocpi.messages import log
from ocpi.reply import RawReply, redact, redact_body, tells

AUTHORIZE = 2.5
"""Seconds for real-time authorization: the driver stands in front of the station (IP-12, AT-45)."""
LARGEST_ANSWER = 16 * 1024 * 1024
_PASSED_ON = ("x-total-count", "x-limit", "retry-after")
# What tells that a partner is away; a bad answer, or a URL that we do not call, does not (HC-15).
_UNREACHED = frozenset({"dns", "connect", "tls", "timeout"})


async def carry(context: Context, message: Message, destination: Destination) -> Response:
    """Send a message on, and give the answer that its sender gets, errors of the receiver included.

    Body and `last_updated` stay as they are, but for URLs at which a party is to be called back
    (RT-16, RT-17). Raises ``RoutingFailure`` or one below it where there is no answer,
    ``Overloaded`` where nobody can be asked, ``NotJSON`` and ``InvalidParameters`` for a body that
    not everybody may read alike.
    """
    message.require_one_owner()
    outgoing = await with_response_url(context, message, destination)
    reply = await _exchange(context, outgoing, destination)
    headers = {name: reply.headers[name] for name in _PASSED_ON if name in reply.headers}
    headers |= await _addresses(context, message, destination, reply)
    assert destination.target is not None
    body = redact_body(reply.body, destination.target.token)
    return Response(body, reply.http_status, headers, "application/json")


async def _exchange(context: Context, message: Message, destination: Destination) -> RawReply:
    assert destination.target is not None
    try:
        reply = await context.client.exchange(
            destination.target,
            message.method,
            url_of(message, destination),
            body=message.body or None,
            headers=routing_headers(message.to or destination.party, message.sender),
            correlation_id=message.ids.correlation_id,
            timeout=_deadline(context, message),
            limit=LARGEST_ANSWER,
        )
    except ExchangeFailed as failure:
        if failure.kind in _UNREACHED:
            context.pulse.failed(destination.partner_id)
        log.info("relay failed", partner=destination.target.name, error=failure.sentence)
        raise _failure(failure, destination) from None
    context.pulse.heard(destination.partner_id)
    if reply.http_status in (401, 403):
        # To the sender it would say that its own token is bad.
        raise RoutingFailure(f"{destination.party} does not let this hub in.")
    with context.hearing(destination.target.name):
        return answer_to(message, destination.party, reply)


def url_of(message: Message, destination: Destination) -> str:
    """The same path and query below the receiver's endpoint (RT-11)."""
    tail = message.tail
    return destination.endpoint.rstrip("/") + tail if tail else destination.endpoint


def _deadline(context: Context, message: Message) -> float:
    authorizes = message.module == "tokens" and message.path.endswith("/authorize")
    return AUTHORIZE if authorizes else context.settings.hub_timeout


def _failure(failure: ExchangeFailed, destination: Destination) -> OCPIError:
    party = destination.party
    match failure.kind:
        case "timeout":
            return ReceiverTooSlow(f"{party} did not answer in time.")
        case "exhausted":
            return Overloaded()
        case "too_large" | "protocol":
            return not_ocpi(party)
        case _:
            return ReceiverAway(f"{party} cannot be reached now.")


async def _addresses(
    context: Context, message: Message, destination: Destination, reply: RawReply
) -> dict[str, str]:
    """The headers that say where to go on, by links of ours (RT-20, RT-21)."""
    headers: dict[str, str] = {}
    page = _next_page(message, destination, reply)
    if page is not None:
        url = await _link(context, message, destination, page, links.PAGE_LIFE)
        headers["Link"] = f'<{url}>; rel="next"'
    place = _place(message, destination, reply)
    if place is not None:
        try:
            headers["Location"] = await _link(context, message, destination, place, links.CDR_LIFE)
        except DATABASE_ERRORS as error:
            # It was delivered: an error would have it billed again (IP-05).
            log.warning("relay: a CDR without a link", party=str(message.sender), error=repr(error))
    return headers


def _next_page(message: Message, destination: Destination, reply: RawReply) -> str | None:
    """The next page's URL; raises ``RoutingFailure`` when it cannot be believed (IP-45)."""
    if message.method != "GET" or "link" not in reply.headers:
        return None
    try:
        link = next_link(reply.headers["link"])
        if link is None:
            return None
        page = urljoin(url_of(message, destination), link)
        if _may_be_kept(page, destination):
            return page
    except ValueError:
        log.warning("relay: unreadable link", partner_id=destination.partner_id)
    # Without the link, half a list would pass for the whole.
    raise RoutingFailure(f"The link to the next page of {destination.party} leads astray.")


def _place(message: Message, destination: Destination, reply: RawReply) -> str | None:
    """The URL of a CDR's copy, None where there is none at the receiver's (IP-35)."""
    if message.method != "POST" or message.module != "cdrs" or "location" not in reply.headers:
        return None
    try:
        place = urljoin(url_of(message, destination), reply.headers["location"])
        return place if _may_be_kept(place, destination) else None
    except ValueError:
        log.warning("relay: unreadable location", partner_id=destination.partner_id)
        return None


def _may_be_kept(url: str, destination: Destination) -> bool:
    """It lies where the receiver is reached, and does not hold our token there (TA-09)."""
    assert destination.target is not None
    token = destination.target.token
    if same_origin(url, destination.endpoint) and not tells(url, token):
        return True
    shown = redact(unquote(url), token)
    log.warning("relay: bad link", partner_id=destination.partner_id, url=shown)
    return False


async def _link(
    context: Context, message: Message, destination: Destination, url: str, life: int
) -> str:
    meaning = links.Meaning(
        interface=Interface(message.module, message.interface),
        method="GET",
        url=url,
        follower=links.End(message.sender, message.caller.partner_id),
        owner=links.End(destination.party, destination.partner_id),
        life=life,
    )
    return await links.make_link(context, meaning)
