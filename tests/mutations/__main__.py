"""Seed each bug in turn, and demand that its test fails: `make mutations`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.mutations.seeding import copy_sources, is_caught, read_mutations, run_tests


def main() -> int:
    """Give 0 when every bug is caught by its test, and every test passes without a bug."""
    mutations = read_mutations()
    with tempfile.TemporaryDirectory() as folder:
        copy = copy_sources(Path(folder))
        if run_tests(copy, sorted({each["test"] for each in mutations})) != 0:
            print("The tests fail already without a bug.")
            return 1
        missed = 0
        for each in mutations:
            caught = is_caught(copy, each)
            missed += not caught
            print(f"{'caught' if caught else 'MISSED'}  {each['bug']}", flush=True)
    print(f"{len(mutations) - missed} of {len(mutations)} bugs are caught.")
    return 1 if missed else 0


sys.exit(main())
