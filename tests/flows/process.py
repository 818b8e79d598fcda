"""The service as its users run it: the command `ocpi` in processes of its own."""

import asyncio
import os
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
import msgspec

ADMIN_TOKEN = "an-admin-token-for-tests"
SECRET = "a-secret-key-for-tests-of-enough-characters"


def free_port() -> int:
    """A port that nobody listens at, outside the range that connections and others' tests use."""
    while True:
        port = random.randint(20_000, 32_000)  # noqa: S311 - no secret
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@dataclass
class Installation:
    """One database with its settings; any number of processes may run on it."""

    database_url: str
    folder: Path
    party: str = "DE*CPO"
    port: int = field(default_factory=free_port)
    settings: Mapping[str, str] = field(default_factory=dict)
    """Further settings, by their names in the environment."""
    log: Path | None = None
    """A file for the log of its processes, where that is too long to be kept in memory."""
    program: str = "from ocpi.start import main; main()"
    """What a process runs."""

    @property
    def base_url(self) -> str:
        """Where `serving` answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> Mapping[str, str]:
        """What the commands are told."""
        country_code, _, party_id = self.party.partition("*")
        return {
            **os.environ,
            "OCPI_BASE_URL": self.base_url,
            "OCPI_DATABASE_URL": self.database_url,
            "OCPI_SECRET_KEY": SECRET,
            "OCPI_ADMIN_TOKEN": ADMIN_TOKEN,
            "OCPI_COUNTRY_CODE": country_code,
            "OCPI_PARTY_ID": party_id,
            "OCPI_NAME": "Test CPO",
            "OCPI_ALLOW_PRIVATE_NETWORKS": "true",
            **self.settings,
        }

    async def run(self, *words: str, code: int = 0) -> str:
        """Run `ocpi WORDS` to its end; gives what it printed, AssertionError if it failed.

        `code` is what it ends with, too, where it does not fail.
        """
        process = await self.start(*words)
        out, errors = await process.communicate()
        assert process.returncode in {0, code}, (
            f"ocpi {' '.join(words)}: {errors.decode()}{out.decode()}"
        )
        return out.decode()

    async def run_json(self, *words: str, code: int = 0) -> Any:
        """Run `ocpi WORDS --json`; gives the value it printed."""
        return msgspec.json.decode(await self.run(*words, "--json", code=code))

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        """Start `ocpi WORDS`."""
        with self.log.open("ab") if self.log else nullcontext(asyncio.subprocess.PIPE) as log:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                self.program,
                *words,
                env=self.environment,
                cwd=self.folder,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )

    @asynccontextmanager
    async def serving(self, *words: str) -> AsyncIterator["Serving"]:
        """Serve while the context is open."""
        process = await self.start("serve", "--port", str(self.port), *words)
        served = Serving(self, process)
        try:
            await served.wait_until_ready()
            yield served
        finally:
            await served.stop()

    def admin(self, path: str = "/admin") -> httpx.AsyncClient:
        """A client for the admin API, whose URLs begin behind the path."""
        return httpx.AsyncClient(
            base_url=f"{self.base_url}{path}",
            headers={"Authorization": f"Bearer {ADMIN_TOKEN}"},
            timeout=30,
        )


@dataclass
class Serving:
    """A running `ocpi serve`."""

    installation: Installation
    process: asyncio.subprocess.Process

    def __post_init__(self) -> None:
        # Unread pipes fill up and stop the process.
        self._log = asyncio.create_task(self.process.communicate())

    async def wait_until_ready(self) -> Self:
        """Wait until it answers."""
        async with httpx.AsyncClient() as client:
            while self.process.returncode is None:
                try:
                    answer = await client.get(f"{self.installation.base_url}/health/ready")
                    if answer.status_code == 200:
                        return self
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
        _, log = await self._log
        raise AssertionError(f"ocpi serve ended: {log.decode()}")

    async def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        await self._log

    async def stop(self) -> str:
        """End it as an operator does; gives its log."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        _, log = await self._log
        return (log or b"").decode()


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until something is so; fails when it is not so in time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.02)


async def offer(admin: httpx.AsyncClient, name: str = "msp", party: str = "MSP") -> dict[str, str]:
    """Open a registration; gives the versions URL and the token."""
    role = {"role": "EMSP", "country_code": "DE", "party_id": party}
    answer = await admin.post("/partners", json={"name": name, "roles": [role]})
    assert answer.is_success, answer.text
    offered: dict[str, str] = answer.json()
    return offered
