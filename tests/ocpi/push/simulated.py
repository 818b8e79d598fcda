"""A partner that keeps what it is told, and answers as it is told to."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

Document = dict[str, Any]
Answerer = Callable[[httpx.Request], Awaitable[httpx.Response | None]]


def envelope(code: int = 1000, http: int = 200, message: str = "As asked") -> httpx.Response:
    """Give an answer with an OCPI envelope."""
    document = {"status_code": code, "status_message": message, "timestamp": "2026-01-02T03:04:05Z"}
    return httpx.Response(http, json=document)


@dataclass
class Request:
    """A request as a simulated partner saw it, refused ones too."""

    method: str
    path: str
    body: Any
    headers: httpx.Headers


@dataclass
class Simulated:
    """A partner that keeps what it is told, or misbehaves."""

    name: str
    token: str
    misbehave: Answerer | None = None
    """Answers in the partner's place; None: it behaves."""
    requests: list[Request] = field(default_factory=list)
    locations: dict[str, Document] = field(default_factory=dict)
    cdrs: list[Document] = field(default_factory=list)
    versions: dict[str, list[int]] = field(default_factory=dict)
    """The versions of each object that were stored, in the order of their arrival."""

    def of(self, method: str) -> list[Request]:
        return [request for request in self.requests if request.method == method]

    @property
    def pushes(self) -> list[Request]:
        """All but the probes."""
        return [request for request in self.requests if request.method != "GET"]

    async def answer(self, request: httpx.Request) -> httpx.Response:
        _, module, *parts = request.url.path.strip("/").split("/")
        body = json.loads(request.content) if request.content else None
        self.requests.append(Request(request.method, "/".join(parts), body, request.headers))
        if self.misbehave is not None:
            given = await self.misbehave(request)
            if given is not None:
                return given
        if request.headers["authorization"] != f"Token {b64encode(self.token.encode()).decode()}":
            return envelope(2000, 401)
        return self.behave(request.method, module, parts, body)

    def behave(self, method: str, module: str, parts: list[str], body: Any) -> httpx.Response:
        if method == "GET":
            return envelope()
        if module == "cdrs":
            return self._take_cdr(body)
        name = parts[2]
        if len(parts) == 4:
            return self._take_evse(method, name, parts[3], body)
        if method == "DELETE":
            return envelope() if self.locations.pop(name, None) else envelope(2003, 404)
        self.locations[name] = body
        self._seen(name, body)
        return envelope()

    def _take_evse(self, method: str, name: str, uid: str, body: Document) -> httpx.Response:
        location = self.locations.get(name)
        if location is None or (method == "PATCH" and uid not in location["evses"]):
            return envelope(2003, 404)
        evses = location["evses"]
        evses[uid] = {**evses[uid], **body} if method == "PATCH" else body
        self._seen(f"{name}/{uid}", body)
        return envelope()

    def _take_cdr(self, body: Document) -> httpx.Response:
        if body in self.cdrs:
            return envelope(2001, 409, "The CDR already exists")
        self.cdrs.append(body)
        answer = envelope(1000, 201)
        answer.headers["Location"] = f"/2.2.1/cdrs/{body['id']}"
        return answer

    def _seen(self, name: str, body: Document) -> None:
        self.versions.setdefault(name, []).append(body["version"])
        for uid, evse in body.get("evses", {}).items():
            self.versions.setdefault(f"{name}/{uid}", []).append(evse["version"])
