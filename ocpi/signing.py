"""Signatures of the requests to the operator's own systems, as Standard Webhooks has them."""

import base64
import hashlib
import hmac
import time

_PREFIX = "whsec_"


def key_of(secret: str) -> bytes:
    """The key that a secret stands for.

    It is the Base64 behind `whsec_`, as libraries of Standard Webhooks take it, or any text as it
    is. Raises ValueError for what is no Base64.
    """
    if secret.startswith(_PREFIX):
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    return secret.encode()


def sign(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """The signature of a request, in the form of the Standard Webhooks specification."""
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def signed_headers(key: bytes, message_id: str, body: bytes) -> dict[str, str]:
    """The three headers of a request that is sent now."""
    now = int(time.time())
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(now),
        "webhook-signature": sign(key, message_id, now, body),
    }
