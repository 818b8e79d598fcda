"""Programs of the benchmarks in processes of their own, and a plain installation imitated."""

import os
import sys
from asyncio.subprocess import Process, create_subprocess_exec
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

import httpx

from tests.flows.process import free_port


@asynccontextmanager
async def serving(name: str, environment: dict[str, str]) -> AsyncIterator[tuple[str, Process]]:
    """Serve one of the programs beside this one; gives where, and its process."""
    words = (sys.executable, "-m", "uvicorn", f"tests.benchmarks.{name}:app")
    async with serving_by(words, {**os.environ, **environment}) as served:
        yield served


@asynccontextmanager
async def serving_by(
    words: Sequence[str], environment: Mapping[str, str], folder: Path | None = None
) -> AsyncIterator[tuple[str, Process]]:
    """Serve what a command of uvicorn names; gives where, and its process."""
    port = free_port()
    process = await create_subprocess_exec(
        *words, "--port", str(port), "--no-access-log", "--log-level", "warning",
        env=environment, cwd=folder,
    )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}"
        await answering(process, f"{url}/ready")
        yield url, process
    finally:
        process.terminate()
        await process.wait()


async def answering(process: Process, url: str) -> str:
    """Wait until a server answers; gives the URL."""
    answered: list[int] = []

    async with httpx.AsyncClient(headers={"Authorization": "Token bench"}) as client:

        async def ask() -> None:
            try:
                answered.append((await client.get(url)).status_code)
            except httpx.TransportError:
                assert process.returncode is None

        while 200 not in answered:
            await ask()
    return url


class _Plain(PathFinder):
    """Finds what `pip install fastapi httpx uvicorn` brings, which is no sniffio.

    httpcore looks for it at each call; our own installation has it, since httpx is faster then.
    """

    @classmethod
    def find_spec(cls, fullname: str, *place: Any) -> ModuleSpec | None:
        return PathFinder.find_spec("absent" if fullname == "sniffio" else fullname, *place)


def forget_sniffio() -> None:
    """Have this process as httpx is without it."""
    sys.meta_path[sys.meta_path.index(PathFinder)] = _Plain
    sys.modules.pop("sniffio", None)
