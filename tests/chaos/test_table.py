"""The table of faults speaks of tests that exist."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]


def test_every_fault_has_its_line_and_every_test_named_there_exists() -> None:
    table = (TESTS / "chaos" / "README.md").read_text()
    assert [int(number) for number in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)] == list(
        range(1, 50)
    )
    source = "\n".join(path.read_text() for path in TESTS.rglob("test_*.py"))
    defined = set(re.findall(r"^(?:async )?def (test_\w+)", source, re.MULTILINE))
    assert set(re.findall(r"`(test_\w+)`", table)) - defined == set()
