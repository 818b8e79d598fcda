"""The conformance table tells what passed, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.plugin import Danger, Requirement, dangers, table

ROOT = Path(__file__).parents[2]


def run_pytest(folder: Path, tests: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run tests in a folder of their own, with only this plugin and xdist."""
    (folder / "test_trial.py").write_text(f"import pytest\n\n{tests}", encoding="utf-8")
    (folder / "pytest.ini").write_text(
        "[pytest]\nmarkers = req\n pitfall\n threat\n", encoding="utf-8"
    )
    return subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "pytest",
                "-p",
                "tests.conformance.plugin",
                "-p",
                "xdist.plugin",
            ),
            *("-p", "no:cacheprovider", f"--rootdir={folder}", *arguments, str(folder)),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_only_tests_that_passed_prove_a_requirement(tmp_path: Path, workers: str) -> None:
    tests = """
@pytest.mark.req("TR-01", "TR-02")
def test_that_holds(): pass

@pytest.mark.req("TR-02")
@pytest.mark.parametrize("case", [1, 2])
def test_that_holds_in_each_case(case): pass

@pytest.mark.req("TR-03")
@pytest.mark.parametrize("case", [1, 2])
def test_that_holds_in_one_case(case): assert case == 1

@pytest.mark.req("TR-04")
def test_that_fails(): assert False

@pytest.fixture
def failing_teardown():
    yield
    assert False

@pytest.mark.req("TR-05")
def test_whose_teardown_fails(failing_teardown): pass

@pytest.mark.req("TR-06")
@pytest.mark.skip
def test_that_did_not_run(): pass

@pytest.mark.pitfall("IP-04")
@pytest.mark.threat("TA-05")
def test_of_the_field(): pass
"""
    file = tmp_path / "table.md"
    run_pytest(tmp_path, tests, workers, f"--conformance={file}")
    lines = file.read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if "| TR-0" in line]
    assert [row.split(" | ")[-1] for row in rows[:6]] == [
        "`test_trial.py::test_that_holds` |",
        "`test_trial.py::test_that_holds`<br>`test_trial.py::test_that_holds_in_each_case` |",
        *["not yet |"] * 4,
    ]
    # TA-05 is a threat here, and the requirement of that name is none the wiser.
    proved = [line[:7] for line in lines if line.endswith("::test_of_the_field` |")]
    assert proved == ["| IP-04", "| TA-05"]


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_an_unknown_requirement_fails_the_collection(tmp_path: Path, workers: str) -> None:
    result = run_pytest(tmp_path, '@pytest.mark.req("XX-99")\ndef test_it(): pass', workers)
    sentence = "test_trial.py::test_it names requirements that do not exist: XX-99"
    assert sentence in result.stdout
    assert "passed" not in result.stdout
    assert result.returncode != 0


def test_the_table_has_totals_and_a_section_per_group() -> None:
    requirements: list[Requirement] = [
        {"id": "A-1", "group": "Alpha", "level": "MUST*", "text": "Either a|b."},
        {"id": "B-1", "group": "Beta", "level": "MAY", "text": "Perhaps."},
    ]
    lines = table(requirements, {"A-1": {"t.py::test_b", "t.py::test_a"}}).splitlines()
    assert lines[lines.index("| group | requirements | proved |") :] == [
        "| group | requirements | proved |",
        "|---|---|---|",
        "| Alpha | 1 | 1 |",
        "| Beta | 1 | 0 |",
        "| **all** | 2 | 1 |",
        "",
        "## Alpha",
        "",
        "| id | level | requirement | covered by |",
        "|---|---|---|---|",
        r"| A-1 | MUST\* | Either a\|b. | `t.py::test_a`<br>`t.py::test_b` |",
        "",
        "## Beta",
        "",
        "| id | level | requirement | covered by |",
        "|---|---|---|---|",
        "| B-1 | MAY | Perhaps. | not yet |",
    ]


def test_pitfalls_and_threats_have_a_section_each() -> None:
    rows: list[Danger] = [
        {"id": "X-1", "text": "Odd.", "answer": "Mended."},
        {"id": "X-2", "text": "Worse.", "answer": "Refused."},
    ]
    assert dangers("Pitfalls", rows, {"X-2": {"t.py::test_a"}}).splitlines() == [
        "## Pitfalls",
        "",
        "1 of 2 have a test.",
        "",
        "| id | what happens | what is done | covered by |",
        "|---|---|---|---|",
        "| X-1 | Odd. | Mended. | not yet |",
        "| X-2 | Worse. | Refused. | `t.py::test_a` |",
    ]
