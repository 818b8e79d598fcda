"""What the relay is measured against: a FastAPI route that sends a request on with httpx."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

import httpx
from fastapi import FastAPI, HTTPException, Request, Response

TARGET = os.environ["BENCH_TARGET"]


class _Plain(PathFinder):
    """Finds what `pip install fastapi httpx uvicorn` brings, which is no sniffio.

    httpcore looks for it at each call; our own installation has it, since httpx is faster then.
    """

    @classmethod
    def find_spec(cls, fullname: str, *place: Any) -> ModuleSpec | None:
        return PathFinder.find_spec("absent" if fullname == "sniffio" else fullname, *place)


sys.meta_path[sys.meta_path.index(PathFinder)] = _Plain
sys.modules.pop("sniffio", None)


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
