"""The gateway to a charging station backend: each demand is a signed request to its webhook."""

import math
from typing import Any

from ocpi.client import Client, ExchangeFailed, Target
from ocpi.editing import Document
from ocpi.gateway import Demand, GatewayFailed, Wish
from ocpi.messages import log
from ocpi.reply import Reply
from ocpi.signing import signed_headers
from ocpi.spec.document import decode, encode

# An answer that takes longer is to be a report: the backend says HTTP 202 then.
LONGEST = 20.0
# Failures after which the backend may have got the request and done it.
_MAY_HAVE_COME = ("timeout", "protocol", "too_large")


def demand_document(demand: Demand) -> Document:
    """What the backend is sent."""
    members = {
        **demand.details,
        "id": demand.id,
        "type": demand.wish.value,
        "country_code": demand.owner.country_code,
        "party_id": demand.owner.party_id,
        "station_id": demand.location_id,
        "evse_uid": demand.evse_uid,
        "connector_id": demand.connector_id,
        "transaction_id": demand.transaction_id,
        "session_id": demand.session_id,
        "timeout": math.ceil(demand.timeout),
    }
    return {name: value for name, value in members.items() if value is not None}


class WebhookGateway:
    """Asks the operator's backend, which knows how to reach its stations."""

    def __init__(self, client: Client, url: str, key: bytes) -> None:
        """`client` may go to private addresses: the URL is the operator's own."""
        self._client = client
        self._url = url
        self._key = key

    def supports(self, wish: Wish) -> bool:
        """Everything: the backend answers NOT_SUPPORTED for what its station cannot do."""
        del wish
        return True

    async def ask(self, demand: Demand) -> Document | None:
        """HTTP 200 with a `result` is the answer, 202 says that it comes as a report."""
        body = encode(demand_document(demand)).encode()
        try:
            reply = await self._client.request(
                Target("station backend", token=""),
                "POST",
                self._url,
                body=body,
                headers=signed_headers(self._key, demand.id, body),
                timeout=min(demand.timeout, LONGEST),
            )
        except ExchangeFailed as failure:
            if failure.kind in _MAY_HAVE_COME:
                log.warning("station backend", demand=demand.id, reason=failure.sentence)
                return None  # It may still report what came of it.
            raise GatewayFailed(failure.sentence) from None
        return _read(demand, reply)

    async def close(self) -> None:
        """Close the connections to the backend."""
        await self._client.close()


def _read(demand: Demand, reply: Reply) -> Document | None:
    """The answer, or None: a backend that fails, or answers nothing legible, may have acted."""
    status = reply.http_status
    if status == 202:
        return None
    if 300 <= status < 500:
        raise GatewayFailed(f"The station backend answered HTTP {status}.")
    try:
        answer: Any = decode(reply.body) if status == 200 else None
    except ValueError:
        answer = None
    if isinstance(answer, dict) and isinstance(answer.get("result"), str):
        return answer
    log.warning("station backend", demand=demand.id, reason=f"HTTP {status} without a `result`")
    return None
