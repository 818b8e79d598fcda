"""Which requirement, pitfall and threat is met by which test, told from the results of a run."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypedDict

import pytest

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements.json"
FILES = {
    "req": REQUIREMENTS,
    "pitfall": HERE / "pitfalls.json",
    "threat": HERE / "threats.json",
}
"""The markers, and where the ids that each may name are."""

Proof = tuple[str, str]
"""A marker and one of its ids: TA-05 is a requirement, and a threat too."""


class Requirement(TypedDict):
    """A row of requirements.json; `level` carries ° and * as the table's preface explains."""

    id: str
    group: str
    level: str
    text: str


class Danger(TypedDict):
    """A row of pitfalls.json or threats.json: what happens out there, and what we do about it."""

    id: str
    text: str
    answer: str


def read_requirements() -> list[Requirement]:
    rows: list[Requirement] = json.loads(REQUIREMENTS.read_text(encoding="utf-8"))
    return rows


def read_dangers(marker: str) -> list[Danger]:
    rows: list[Danger] = json.loads(FILES[marker].read_text(encoding="utf-8"))
    return rows


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--conformance", metavar="FILE", help="write the conformance table to FILE")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Recorder(config), "conformance")


class Recorder:
    """Notes what passed; under xdist it reads the reports that the workers send."""

    def __init__(self, config: pytest.Config) -> None:
        self.known = {
            (marker, row["id"])
            for marker, file in FILES.items()
            for row in json.loads(file.read_text(encoding="utf-8"))
        }
        self.file: str | None = config.getoption("--conformance")
        self.writes = self.file is not None and not hasattr(config, "workerinput")
        self.passed: dict[Proof, set[str]] = defaultdict(set)
        self.failed: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_pycollect_makeitem(self) -> Iterator[None]:
        made = yield
        for item in made if isinstance(made, list) else [made]:
            if isinstance(item, pytest.Item):
                self._note_ids(item)
        return made

    def _note_ids(self, item: pytest.Item) -> None:
        ids = [
            (name, str(one))
            for name in FILES
            for marker in item.iter_markers(name)
            for one in marker.args
        ]
        if unknown := sorted(one for name, one in set(ids) - self.known):
            sentence = f"{item.nodeid} names requirements that do not exist: {', '.join(unknown)}"
            raise pytest.Collector.CollectError(sentence)
        item.user_properties += ids

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        test = report.nodeid.split("[", 1)[0]
        if report.failed:
            self.failed.add(test)
        if report.when == "call" and report.passed:
            for name, value in report.user_properties:
                if name in FILES:
                    self.passed[name, str(value)].add(test)

    def pytest_sessionfinish(self) -> None:
        if self.file and self.writes:
            proofs = {one: tests - self.failed for one, tests in self.passed.items()}
            parts = [table(read_requirements(), proofs_of(proofs, "req"))]
            for marker, title in (("pitfall", "Pitfalls"), ("threat", "Threats")):
                parts += [dangers(title, read_dangers(marker), proofs_of(proofs, marker))]
            Path(self.file).write_text("\n".join(parts), encoding="utf-8")


def proofs_of(proofs: Mapping[Proof, set[str]], marker: str) -> dict[str, set[str]]:
    """The tests per id of one marker."""
    return {one: tests for (name, one), tests in proofs.items() if name == marker}


PREFACE = """\
# Conformance

What OCPI 2.2.1 asks of a hub and a charge point operator, in this project's words, and the tests
that prove it; behind it what goes wrong in the field (IP) and who may attack how (TA, not to be
taken for requirements of Tariffs), and the tests that hold what is done about it. Generated from
the results of a test run by `make conformance`.

**Level:** MUST, SHOULD and MAY are the specification's keywords; `°` marks what it states without
a keyword; `*` marks what this project decided where the specification is silent.
"""


def table(requirements: list[Requirement], proofs: dict[str, set[str]]) -> str:
    """Write the table; `proofs` gives the tests that passed per requirement id."""
    groups = list(dict.fromkeys(row["group"] for row in requirements))
    rows = {group: [row for row in requirements if row["group"] == group] for group in groups}
    lines = [PREFACE, "| group | requirements | proved |", "|---|---|---|"]
    lines += [_total(group, rows[group], proofs) for group in groups]
    lines += [_total("**all**", requirements, proofs)]
    for group in groups:
        lines += ["", f"## {group}", "", "| id | level | requirement | covered by |"]
        lines += ["|---|---|---|---|", *(_line(row, proofs) for row in rows[group])]
    return "\n".join(lines) + "\n"


def dangers(title: str, rows: list[Danger], proofs: dict[str, set[str]]) -> str:
    """Write the section of pitfalls or threats; `proofs` as for `table`."""
    met = sum(bool(proofs.get(row["id"])) for row in rows)
    lines = [f"## {title}", "", f"{met} of {len(rows)} have a test.", ""]
    lines += ["| id | what happens | what is done | covered by |", "|---|---|---|---|"]
    for row in rows:
        words = " | ".join(row[key].replace("|", "\\|") for key in ("text", "answer"))
        lines += [f"| {row['id']} | {words} | {_tests(row['id'], proofs)} |"]
    return "\n".join(lines) + "\n"


def _total(name: str, rows: list[Requirement], proofs: dict[str, set[str]]) -> str:
    return f"| {name} | {len(rows)} | {sum(bool(proofs.get(row['id'])) for row in rows)} |"


def _line(row: Requirement, proofs: dict[str, set[str]]) -> str:
    text = row["text"].replace("|", "\\|")
    level = row["level"].replace("*", "\\*")
    return f"| {row['id']} | {level} | {text} | {_tests(row['id'], proofs)} |"


def _tests(one: str, proofs: dict[str, set[str]]) -> str:
    return "<br>".join(f"`{test}`" for test in sorted(proofs.get(one, ()))) or "not yet"
