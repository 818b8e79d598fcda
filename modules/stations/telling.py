"""Tells a partner what came of its errand: one message, to the address that it gave (CM-07)."""

from tenacity import retry, retry_if_exception, stop_after_attempt, wait_exponential

from ocpi.callbacks import lies_with
from ocpi.client import ExchangeFailed
from ocpi.context import Context
from ocpi.database import DATABASE_ERRORS
from ocpi.errands import Errand
from ocpi.headers import routing_headers
from ocpi.messages import log
from ocpi.push.addressee import read_addressee
from ocpi.reply import Reply

# A result is of use for seconds only: the partner takes it for lost after the timeout (CM-11).
_TRIES = 3
_TIMEOUT = 5.0
# Failures in which nothing was sent, so that trying again cannot tell it twice.
_NOT_SENT = ("dns", "connect", "tls", "exhausted")


def _not_sent(error: BaseException) -> bool:
    if isinstance(error, ExchangeFailed):
        return error.kind in _NOT_SENT
    return isinstance(error, DATABASE_ERRORS)


async def tell_result(context: Context, errand: Errand) -> None:
    """Send a result; when that fails for good it is logged, and the partner's timeout ends it."""
    about = {"partner": errand.partner_id, "errand": errand.id, "wish": errand.wish}
    try:
        reply = await _send(context, errand)
    except ExchangeFailed as failure:
        log.warning("result not told", **about, reason=failure.sentence)
        return
    if reply is None:
        log.info("result not told: the partner is gone or suspended", **about)
    elif reply.success():
        log.info("result told", **about)
    else:
        log.warning("result refused", **about, http=reply.http_status, code=reply.status_code)


@retry(
    retry=retry_if_exception(_not_sent),
    stop=stop_after_attempt(_TRIES),
    wait=wait_exponential(0.5),
    reraise=True,
)
async def _send(context: Context, errand: Errand) -> Reply | None:
    """One message to the partner as it is now; None where it is to be told nothing."""
    addressee = await read_addressee(context, errand.partner_id, ())
    if addressee is None:
        return None
    # The partner may have moved since it asked: its new token may not go to its old address. The
    # token was read before, so that it is no newer than the addresses.
    if not await lies_with(context.database, errand.partner_id, errand.response_url):
        raise ExchangeFailed("refused", "the response_url lies where the partner is no more")
    return await context.client.request(
        addressee.target,
        errand.method,
        errand.response_url,
        body=errand.result,
        headers=routing_headers(errand.asker, errand.owner),
        correlation_id=errand.correlation_id,
        timeout=_TIMEOUT,
    )
