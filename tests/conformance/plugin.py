"""Which requirement is proved by which test, told from the results of a run."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

import pytest

REQUIREMENTS = Path(__file__).with_name("requirements.json")


class Requirement(TypedDict):
    """A row of requirements.json; `level` carries ° and * as the table's preface explains."""

    id: str
    group: str
    level: str
    text: str


def read_requirements() -> list[Requirement]:
    rows: list[Requirement] = json.loads(REQUIREMENTS.read_text(encoding="utf-8"))
    return rows


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--conformance", metavar="FILE", help="write the conformance table to FILE")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Recorder(config), "conformance")


class Recorder:
    """Notes what passed; under xdist it reads the reports that the workers send."""

    def __init__(self, config: pytest.Config) -> None:
        self.requirements = read_requirements()
        self.known = {row["id"] for row in self.requirements}
        self.file: str | None = config.getoption("--conformance")
        self.writes = self.file is not None and not hasattr(config, "workerinput")
        self.passed: dict[str, set[str]] = defaultdict(set)
        self.failed: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_pycollect_makeitem(self) -> Iterator[None]:
        made = yield
        for item in made if isinstance(made, list) else [made]:
            if isinstance(item, pytest.Item):
                self._note_requirements(item)
        return made

    def _note_requirements(self, item: pytest.Item) -> None:
        ids = [str(one) for marker in item.iter_markers("req") for one in marker.args]
        if unknown := sorted(set(ids) - self.known):
            sentence = f"{item.nodeid} names requirements that do not exist: {', '.join(unknown)}"
            raise pytest.Collector.CollectError(sentence)
        item.user_properties += [("req", one) for one in ids]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        test = report.nodeid.split("[", 1)[0]
        if report.failed:
            self.failed.add(test)
        if report.when == "call" and report.passed:
            for name, value in report.user_properties:
                if name == "req":
                    self.passed[str(value)].add(test)

    def pytest_sessionfinish(self) -> None:
        if self.file and self.writes:
            proofs = {one: tests - self.failed for one, tests in self.passed.items()}
            Path(self.file).write_text(table(self.requirements, proofs), encoding="utf-8")


PREFACE = """\
# Conformance

What OCPI 2.2.1 asks of a hub and a charge point operator, in this project's words, and the tests
that prove it. Generated from the results of a test run by `make conformance`.

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


def _total(name: str, rows: list[Requirement], proofs: dict[str, set[str]]) -> str:
    return f"| {name} | {len(rows)} | {sum(bool(proofs.get(row['id'])) for row in rows)} |"


def _line(row: Requirement, proofs: dict[str, set[str]]) -> str:
    tests = "<br>".join(f"`{test}`" for test in sorted(proofs.get(row["id"], ())))
    text = row["text"].replace("|", "\\|")
    level = row["level"].replace("*", "\\*")
    return f"| {row['id']} | {level} | {text} | {tests or 'not yet'} |"
