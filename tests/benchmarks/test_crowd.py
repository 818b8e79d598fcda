"""A benchmark that takes minutes, made small: it must still run when somebody wants its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.benchmarks import crowd

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


async def test_a_small_crowd_hears_each_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, size in {"PARTNERS": 12, "LOCATIONS": 50, "IDLE_S": 0.1}.items():
        monkeypatch.setattr(crowd, name, size)
    found = await crowd.measure(tmp_path, f"sqlite+aiosqlite:///{tmp_path / 'ocpi.sqlite'}")
    assert found["change to 10: per CPU-second"] > 0
    assert found["change to 12: per CPU-second"] > 0
