from __future__ import annotations

from pathlib import Path

import pytest

from assay_engine import budgets
from assay_engine.budgets import Budgets, find_budgets, find_free_memory
from assay_engine.settings import EngineSettings


def test_what_is_set_counts(tmp_path: Path) -> None:
    settings = EngineSettings(
        data_dir=tmp_path, engine_memory_bytes=1, engine_host_bytes=2, engine_disk_bytes=3
    )
    assert find_budgets(settings, tmp_path, None) == Budgets(1, 2, 3)


def test_else_workers_share_what_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets, "find_free_memory", lambda: 1000)
    monkeypatch.setattr(budgets, "find_free_disk", lambda _folder: 500)
    settings = EngineSettings(data_dir=tmp_path, engine_workers=2)
    assert find_budgets(settings, tmp_path, None) == Budgets(250, 125, 250)
    assert find_budgets(settings, tmp_path, 10_000) == Budgets(6000, 125, 250)


def test_a_control_group_limits_what_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets, "CGROUP", tmp_path)
    whole = find_free_memory()
    assert whole > 10_000_000
    (tmp_path / "memory.max").write_text("max\n")
    assert find_free_memory() > 10_000_000
    (tmp_path / "memory.max").write_text("9000000\n")
    (tmp_path / "memory.current").write_text("5000000\n")
    (tmp_path / "memory.stat").write_text("anon 3000000\ninactive_file 1000000\n")
    assert find_free_memory() == 5_000_000


def test_the_cache_s_own_files_count_as_free(tmp_path: Path) -> None:
    empty = budgets.find_free_disk(tmp_path / "models")
    place = tmp_path / "models" / "acme" / "v1"
    place.mkdir(parents=True)
    (place / "model.safetensors").write_bytes(b"x" * (1 << 20))
    # Others write to this disk too.
    assert budgets.find_free_disk(tmp_path / "models") == pytest.approx(empty, rel=0.2)
