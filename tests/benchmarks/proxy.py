"""What the relay is measured against: a FastAPI route that sends a request on with httpx."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, HTTPException, Request, Response

from tests.benchmarks.programs import forget_sniffio

TARGET = os.environ["BENCH_TARGET"]


forget_sniffio()


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with httpx.AsyncClient() as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=_lifespan)


@app.api_route("/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
async def carry(path: str, request: Request) -> Response:
    """Send it on, with the token that the other side wants."""
    if request.headers.get("authorization") != "Token bench":
        raise HTTPException(401)
    answer = await request.app.state.client.request(
        request.method,
        f"{TARGET}/{path}",
        content=await request.body(),
        headers={"Authorization": "Token other", "Content-Type": "application/json"},
    )
    return Response(answer.content, answer.status_code, media_type="application/json")
