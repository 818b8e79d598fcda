"""The rules of the house that no other tool checks."""

from __future__ import annotations

import ast
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import credentials
import modules
import ocpi

ROOT = Path(__file__).parents[1]
PACKAGES = ("ocpi", "credentials", "modules")
SOURCES = sorted(path for name in (*PACKAGES, "tests") for path in (ROOT / name).rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MEANINGLESS = {"utils", "helpers", "common", "manager", "service", "base"}


def test_every_source_file_is_short_and_says_what_it_is() -> None:
    faults = []
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        if text.count("\n") >= 400:
            faults.append(f"{path.relative_to(ROOT)} has 400 lines or more")
        if not ast.get_docstring(ast.parse(text)):
            faults.append(f"{path.relative_to(ROOT)} has no docstring")
    assert faults == []


def test_names_mean_something() -> None:
    parts = {part for path in SOURCES for part in path.relative_to(ROOT).with_suffix("").parts}
    assert parts & MEANINGLESS == set()


def test_the_three_import_roots_come_from_one_directory() -> None:
    folders = {Path(str(root.__file__)).parents[1] for root in (ocpi, credentials, modules)}
    assert folders == {ROOT}


def test_nothing_mentions_where_it_was_written() -> None:
    # Spelt in two parts, or this file would be the first to break the rule.
    workplace = ("/" + "work/", "shared" + "/")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    files = [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    faults = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in files
        for word in workplace
        if word.encode() in path.read_bytes()
    ]
    assert faults == []


def test_every_part_of_the_kernel_has_its_floor() -> None:
    """A part that no layer names may import anything, and import-linter would not say so."""
    contract = PROJECT["tool"]["importlinter"]["contracts"][0]
    named = {part.strip(" ()") for layer in contract["layers"] for part in layer.split(":")}
    kernel = ROOT / "ocpi"
    split = ("push", "journal")
    rooms = {f"ocpi.{path.stem}" for path in kernel.iterdir() if _is_module(path)}
    parts = rooms - {f"ocpi.{name}" for name in split}
    for name in split:
        inner = (path.stem for path in (kernel / name).iterdir() if _is_module(path))
        parts |= {f"ocpi.{name}.{each}" for each in inner}
    assert parts - named == set()


def _is_module(path: Path) -> bool:
    if path.is_dir():
        return (path / "__init__.py").exists()
    return path.suffix == ".py" and path.stem != "__init__"


def locked_versions() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [line.split(";")[0].rstrip(" \\") for line in lines if "==" in line]
    return {Requirement(pin).name: pin.partition("==")[2] for pin in pins}


@pytest.mark.parametrize(
    "wanted",
    [
        *PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"]["dev"],
        *PROJECT["build-system"]["requires"],
    ],
)
def test_the_lock_satisfies_the_project(wanted: str) -> None:
    requirement = Requirement(wanted)
    assert requirement.specifier.contains(locked_versions()[requirement.name])


def test_the_lock_pins_extras_by_name() -> None:
    """Otherwise pip takes the newest release of what is wanted with an extra, which has no pin."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    wanted = [Requirement(each) for each in PROJECT["project"]["dependencies"]]
    for requirement in wanted:
        for extra in requirement.extras:
            assert f"{requirement.name}[{extra}]==" in text


def test_the_lock_names_no_host() -> None:
    assert "://" not in (ROOT / "requirements.lock").read_text(encoding="utf-8")
