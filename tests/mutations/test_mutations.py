"""The seeded bugs still fit the sources they are for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutations.seeding import ROOT, Mutation, read_mutations


def named(mutation: Mutation) -> str:
    return mutation["bug"]


@pytest.mark.parametrize("mutation", read_mutations(), ids=named)
def test_a_bug_can_be_seeded_and_the_test_that_catches_it_exists(mutation: Mutation) -> None:
    source = (ROOT / mutation["file"]).read_text(encoding="utf-8")
    assert source.count(mutation["text"]) == 1
    assert mutation["replacement"] != mutation["text"]
    file, _, test = mutation["test"].partition("::")
    assert f"def {test}(" in Path(ROOT / file).read_text(encoding="utf-8")


def test_there_are_at_least_twelve_bugs() -> None:
    bugs = [each["bug"] for each in read_mutations()]
    assert len(set(bugs)) == len(bugs) >= 12
