"""The envelope around every answer."""

from typing import Any

from ocpi.spec.types import DateTime, Integer, OCPIModel, String


class Envelope(OCPIModel):
    data: Any = None
    status_code: Integer
    status_message: String | None = None
    timestamp: DateTime
