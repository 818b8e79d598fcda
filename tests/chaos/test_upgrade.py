"""The database is migrated, and the processes replaced, while the release of before still works."""

from __future__ import annotations

import asyncio
import subprocess
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from tests.chaos.cluster import Member
from tests.chaos.load import Load, an_admin
from tests.chaos.partners import Mood, partners_of
from tests.chaos.scale import seeded
from tests.chaos.settling import forgotten, party_of, register, settle
from tests.flows.process import Installation, free_port, until

ROOT = Path(__file__).parents[2]
VERSIONS = "ocpi/migrations/versions/"
STEPS = sorted(path.name for path in (ROOT / VERSIONS).glob("0*.py"))


def git(*words: str) -> bytes:
    return subprocess.run(["git", "-C", str(ROOT), *words], check=True, capture_output=True).stdout


def check_out_before(step: str, folder: Path) -> None:
    """Put the code into a folder as it was last before a step of the schema's history."""
    before = STEPS[: STEPS.index(step)]
    try:
        for commit in git("rev-list", "--first-parent", "HEAD").decode().split():
            names = git("ls-tree", "--name-only", commit, VERSIONS).decode().split()
            if [Path(name).name for name in names if "/0" in name] == before:
                break
        else:
            pytest.skip("the history of this code is not here")
    except (subprocess.CalledProcessError, FileNotFoundError):
        pytest.skip("this is no clone of the repository")
    folder.mkdir()
    archive = git("archive", commit, "ocpi", "credentials", "modules")
    subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)


@pytest.mark.parametrize("step", STEPS[-2:])
@pytest.mark.timeout(300)
async def test_an_upgrade_under_load_loses_nothing_and_fails_at_nothing(
    empty_database_url: str, step: str, tmp_path: Path
) -> None:
    tree = tmp_path / "before"
    await asyncio.to_thread(check_out_before, step, tree)
    old = Installation(
        empty_database_url,
        tmp_path,
        settings={"PYTHONPATH": str(tree)},
        program="from ocpi.cli import main; main()",
    )
    new = Installation(
        empty_database_url, tmp_path, port=free_port(), settings={"OCPI_BASE_URL": old.base_url}
    )
    async with AsyncExitStack() as stack:
        partners = await stack.enter_async_context(
            partners_of(seeded("upgrade"), [Mood.WELL, Mood.LOSES])
        )
        before, after = Member(old), Member(new)
        stack.push_async_callback(before.stop)
        stack.push_async_callback(after.stop)
        await before.start()
        admins = [await stack.enter_async_context(an_admin(each.url)) for each in (before, after)]
        load = Load(admins[:1], [party_of(each) for each in partners.mocks], seeded("load"))
        await load.put_locations()
        await register(admins[0], partners)
        partners.misbehave()
        async with load.flowing():
            await until(lambda: len(load.acknowledged) > 100, 60)
            began = time.monotonic()
            await new.run("migrate")
            migrated = time.monotonic()
            await more(load)
            await after.start()
            load.admins = admins
            await more(load)
            load.admins = admins[1:]
            await more(load)
            await before.stop()
            # Partners know the service by this address.
            before.installation = replace(new, port=old.port)
            await before.start()
            await more(load)
        ours = await settle(admins[1], load, partners)
        moments = [each.at for each in load.acknowledged if began < each.at < migrated + 1]
        pause = max(later - earlier for earlier, later in pairwise(moments))
        print(f"{step}: migrated in {migrated - began:.1f} s, longest pause {pause * 1000:.0f} ms")
        print(f"{len(load.acknowledged)} acknowledged, {load.unknown} unknown")
        assert forgotten(ours, load) == []
        assert load.refused == []
        assert load.unknown == 0


async def more(load: Load) -> None:
    """Wait until much more has been acknowledged."""
    before = len(load.acknowledged)
    await until(lambda: len(load.acknowledged) > before + 60, 60)
