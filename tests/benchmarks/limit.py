"""What requests are measured against: constant bytes, by a FastAPI route with a token."""

import hashlib
import os
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request, Response

BODY = Path(os.environ["BENCH_BODY"]).read_bytes()
HASHES = {hashlib.sha256(os.environ["BENCH_TOKEN"].encode()).hexdigest()}


async def authenticate(request: Request) -> str:
    """Let in who presents the token."""
    token = request.headers.get("authorization", "").removeprefix("Token ")
    hashed = hashlib.sha256(token.encode()).hexdigest()
    if hashed not in HASHES:
        raise HTTPException(401)
    return hashed


app = FastAPI()


@app.get("/ready")
async def ready() -> None:
    """Whether it is there."""


@app.api_route("/page", methods=["GET", "POST", "PUT", "PATCH"])
async def page(_caller: Annotated[str, Depends(authenticate)]) -> Response:
    """The bytes."""
    return Response(BODY, media_type="application/json")
