"""Bugs that are seeded into a copy of the sources, and the test that must catch each."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

ROOT = Path(__file__).parents[2]
COPIED = ("ocpi", "credentials", "modules", "tests", "openapi", "pyproject.toml")


class Mutation(TypedDict):
    """One bug: the text that is replaced stands in its file once."""

    bug: str
    file: str
    text: str
    replacement: str
    test: str


def read_mutations() -> list[Mutation]:
    rows: list[Mutation] = json.loads(
        Path(__file__).with_name("mutations.json").read_text(encoding="utf-8")
    )
    return rows


def copy_sources(folder: Path) -> Path:
    """Give a copy of what tests need, in which anything may be broken."""
    copy = folder / "copy"
    copy.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            unneeded = shutil.ignore_patterns("__pycache__", ".hypothesis")
            shutil.copytree(ROOT / name, copy / name, ignore=unneeded)
        else:
            shutil.copy(ROOT / name, copy / name)
    return copy


def run_tests(copy: Path, tests: Sequence[str]) -> int:
    """Run tests of the copy; gives pytest's code: 0 all passed, 1 some failed."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    return subprocess.run(
        command,
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        check=False,
    ).returncode


def is_caught(copy: Path, mutation: Mutation) -> bool:
    """Whether the named test fails with the bug in place, which is taken out again."""
    file = copy / mutation["file"]
    sound = file.read_text(encoding="utf-8")
    file.write_text(sound.replace(mutation["text"], mutation["replacement"]), encoding="utf-8")
    try:
        return run_tests(copy, [mutation["test"]]) == 1
    finally:
        file.write_text(sound, encoding="utf-8")
