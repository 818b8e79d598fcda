"""What the OpenAPI document says about the answers of versions and credentials."""

from typing import Any

from ocpi.envelope import Failure

_MOMENT = {"timestamp": "2026-01-01T12:00:00Z"}

UNKNOWN_TOKEN = {
    "model": Failure,
    "description": "The token is missing, malformed or not valid here.",
}
CALL_BACK_FAILED = {
    3001: "GET https://emsp.example/ocpi/versions answers HTTP 401.",
    3002: "GET https://emsp.example/ocpi/versions does not list version 2.2.1; it lists 2.1.1.",
    3003: "The version details list no credentials endpoint.",
}


def refused(sentence: str) -> dict[str, Any]:
    """An error answer with what it means."""
    return {"model": Failure, "description": sentence}


def success(data: object = None) -> dict[str, Any]:
    """An answer that carries this data."""
    content = {} if data is None else {"data": data}
    return _described("Done.", {"1000": {**content, "status_code": 1000, **_MOMENT}})


def exchanged(data: object) -> dict[str, Any]:
    """The answer to POST and PUT: our credentials, or why the caller's platform is no use."""
    failures = {
        str(code): {"status_code": code, "status_message": sentence, **_MOMENT}
        for code, sentence in CALL_BACK_FAILED.items()
    }
    done = {"data": data, "status_code": 1000, **_MOMENT}
    return _described("Done, or why not: `status_code` tells.", {"1000": done, **failures})


def credentials_of(token: str, url: str, role: str, name: str) -> dict[str, Any]:
    """A Credentials object with one role."""
    party = {"party_id": "ABC", "country_code": "DE"}
    return {
        "token": token,
        "url": url,
        "roles": [{"role": role, "business_details": {"name": name}, **party}],
    }


def credentials_body() -> dict[str, Any]:
    """The request body of POST and PUT, which the endpoints read themselves."""
    example = credentials_of("token-B", "https://emsp.example/ocpi/versions", "EMSP", "Example")
    # The answer's declared model puts the type into the document under this name.
    schema = {"$ref": "#/components/schemas/Credentials"}
    content = {"application/json": {"schema": schema, "example": example}}
    return {"requestBody": {"required": True, "content": content}}


def _described(description: str, examples: dict[str, Any]) -> dict[str, Any]:
    shown = {name: {"value": value} for name, value in examples.items()}
    return {"description": description, "content": {"application/json": {"examples": shown}}}
