"""A charging station backend as an operator might write it: it verifies, answers and reports."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Document = dict[str, Any]

SECRET = "the-secret-that-both-of-us-know"


def verify(secret: bytes, headers: Mapping[str, str], body: bytes) -> bool:
    """Tell whether a request is ours and new, as the README shows it."""
    message_id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
    if abs(time.time() - int(timestamp)) > 300:
        return False
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(secret, signed, hashlib.sha256).digest()
    expected = "v1," + base64.b64encode(digest).decode()
    found = headers["webhook-signature"].split()
    return any(hmac.compare_digest(expected, each) for each in found)


@dataclass
class Backend:
    """One operator's stations. It starts sessions by report, and does all else at once."""

    admin: httpx.AsyncClient
    demands: list[Document] = field(default_factory=list)
    answers: dict[str, Document | None] = field(default_factory=dict)
    """What was answered to each request, by its id: what comes twice is done once."""
    reporting: set[asyncio.Task[None]] = field(default_factory=set)
    profile: Document | None = None

    @property
    def app(self) -> Starlette:
        return Starlette(routes=[Route("/demands", self.take, methods=["POST"])])

    async def take(self, request: Request) -> Response:
        body = await request.body()
        if not verify(SECRET.encode(), request.headers, body):
            return Response(status_code=401)
        demand = await request.json()
        if demand["id"] not in self.answers:
            self.demands.append(demand)
            self.answers[demand["id"]] = self.answer(demand)
        answer = self.answers[demand["id"]]
        return Response(status_code=202) if answer is None else JSONResponse(answer)

    def answer(self, demand: Document) -> Document | None:
        match demand["type"]:
            case "START_SESSION":
                self.report(demand, *self.begin(demand))
                return None
            case "STOP_SESSION":
                stop = {"type": "stop", "transaction_id": demand["transaction_id"], "kwh": 12}
                self.report(demand, stop)
            case "RESERVE_NOW":
                return {"result": "ACCEPTED", "evse_uid": demand.get("evse_uid", "EVSE-1")}
            case "SET_CHARGING_PROFILE":
                self.profile = demand["charging_profile"]
            case "GET_CHARGING_PROFILE":
                profile = {"start_date_time": "2026-01-15T09:00:00Z"}
                return {
                    "result": "ACCEPTED",
                    "profile": {**profile, "charging_profile": self.profile},
                }
            case "UNLOCK_CONNECTOR":
                return {"result": "NOT_SUPPORTED", "message": "These stations cannot."}
        return {"result": "ACCEPTED"}

    def begin(self, demand: Document) -> list[Document]:
        """Report that the station has accepted, and that the driver charges."""
        start = {
            "type": "start",
            "transaction_id": f"T{len(self.demands)}",
            "evse_uid": demand["evse_uid"],
            "connector_id": demand.get("connector_id"),
            "token": {"uid": demand["token"]["uid"], "type": demand["token"]["type"]},
            "command_id": demand["id"],
            "kwh": 2,
        }
        status = {"type": "status", "evse_uid": demand["evse_uid"], "status": "CHARGING"}
        result = {"type": "result", "id": demand["id"], "result": "ACCEPTED"}
        return [result, {name: value for name, value in start.items() if value}, status]

    def report(self, demand: Document, *reports: Document) -> None:
        task = asyncio.create_task(self._report(demand["station_id"], reports))
        self.reporting.add(task)
        task.add_done_callback(self.reporting.discard)

    async def _report(self, station_id: str, reports: tuple[Document, ...]) -> None:
        url = f"/admin/stations/{station_id}/reports"
        answer = await self.admin.post(url, json=list(reports))
        assert [each["result"] for each in answer.json()["results"]] == ["taken"] * len(reports)
