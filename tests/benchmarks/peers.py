"""Other Python libraries of OCPI, each in an environment of its own, which is made once."""

import os
import shutil
import subprocess
import venv
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks.processor import Contender
from tests.benchmarks.programs import serving_by

TOKEN = "bench"
FOLDER = Path("build/peers")
PROGRAM = Path(__file__).with_name("peer")
LOCATIONS = "/ocpi/cpo/2.2.1/locations/"
# They take up to a second for a page: what is under way at the end of a turn must not count much.
CONNECTIONS, SECONDS = 2, 6
_SERVER = [f"{name}=={version(name)}" for name in ("uvicorn", "uvloop", "httptools")]


@dataclass(frozen=True)
class Peer:
    """One of them."""

    name: str
    package: str
    """What is imported."""
    requirement: str


PEERS = (
    Peer("extrawest-ocpi", "py_ocpi", "extrawest-ocpi==2025.7.16"),
    Peer(
        "elumobility",
        "ocpi",
        "ocpi-python @ git+https://github.com/elumobility/ocpi-python"
        "@9e0b141a37ca633dfbf9acda7c76da909a162ad7",
    ),
)


@asynccontextmanager
async def serving_peers(page: Path, asked: str) -> AsyncIterator[Sequence[Contender]]:
    """Have those that can be had serve the objects of a page, and be asked for some of them."""
    authorization = f"Token {b64encode(TOKEN.encode()).decode()}"
    served = []
    async with AsyncExitStack() as stack:
        for peer in PEERS:
            if not (folder := _installed(peer)):
                print(f"{peer.name} could not be installed, and is left out", flush=True)
                continue
            words = (str(folder / "bin/uvicorn"), "program:app", "--app-dir", str(PROGRAM))
            environment = {
                # Without ours: the `ocpi` of one of them is another one.
                **{name: word for name, word in os.environ.items() if name != "PYTHONPATH"},
                "BENCH_PEER": peer.package,
                "BENCH_PAGE": str(page),
                "BENCH_TOKEN": TOKEN,
            }
            url, process = await stack.enter_async_context(serving_by(words, environment, folder))
            each = Contender(peer.name, process.pid, f"{url}{LOCATIONS}{asked}", authorization)
            served.append(replace(each, connections=CONNECTIONS, seconds=SECONDS))
        yield served


def _installed(peer: Peer) -> Path | None:
    """The environment of a peer; None where it cannot be had."""
    folder = (FOLDER / peer.name).absolute()
    finished = folder / "installed"
    wanted = "\n".join((peer.requirement, *_SERVER))
    if finished.exists() and finished.read_text() == wanted:
        return folder
    print(f"Installing {peer.name} below {FOLDER}, once", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    pip = (str(folder / "bin/pip"), "install", "--quiet", "--disable-pip-version-check")
    done = subprocess.run([*pip, peer.requirement, *_SERVER], capture_output=True, check=False)
    if done.returncode:
        return None
    finished.write_text(wanted)
    return folder
