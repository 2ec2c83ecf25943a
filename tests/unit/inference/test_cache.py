from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from assay_engine.cache import ModelCache
from assay_engine.errors import EngineFull, ModelUnavailable
from assay_engine.popularity import Popularity
from tests.support.folder_store import FolderStore
from tests.support.live_model import describe_model

WEIGHTS = b"weights" * 5000


@pytest.fixture
def store() -> FolderStore:
    store = FolderStore()
    for brand in ("acme", "bolt", "cord"):
        store.publish(describe_model(brand, "v1", WEIGHTS), WEIGHTS)
    return store


def make_cache(store: FolderStore, folder: Path, limit: int = 1 << 30) -> ModelCache:
    return ModelCache(store, folder, limit)


def test_the_cache_answers_without_the_store(store: FolderStore, tmp_path: Path) -> None:
    make_cache(store, tmp_path).read("acme", "v1")
    store.down = True
    assert make_cache(store, tmp_path).read("acme", "v1").description.brand == "acme"
    with pytest.raises(ModelUnavailable, match="store does not answer"):
        make_cache(store, tmp_path).read("bolt", "v1")


def test_a_corrupt_file_is_fetched_once_more(store: FolderStore, tmp_path: Path) -> None:
    cache = make_cache(store, tmp_path)
    assert cache.read("acme", "v1").weights == WEIGHTS
    path = tmp_path / "acme" / "v1" / "model.safetensors"
    path.write_bytes(WEIGHTS[:-1])
    assert cache.read("acme", "v1").weights == WEIGHTS
    store.objects["acme/v1/model.safetensors"] = b"rotten"
    path.write_bytes(b"rotten")
    fetched = len(store.fetched)
    with pytest.raises(ModelUnavailable, match="corrupt in the object store"):
        cache.read("acme", "v1")
    assert len(store.fetched) == fetched + 2


def test_a_model_json_that_cannot_be_read_is_an_error_of_its_brand(
    store: FolderStore, tmp_path: Path
) -> None:
    store.objects["acme/v1/model.json"] = b"{}"
    with pytest.raises(ModelUnavailable, match=r"model.json cannot be read"):
        make_cache(store, tmp_path).read("acme", "v1")


def test_the_disk_keeps_within_its_limit_and_drops_the_oldest(store: FolderStore, tmp_path: Path) -> None:
    cache = make_cache(store, tmp_path, int(len(WEIGHTS) * 1.5))
    cache.read("acme", "v1")
    cache.read("bolt", "v1")
    assert (tmp_path / "bolt" / "v1").exists()
    assert not (tmp_path / "acme" / "v1").exists()


def test_brands_often_used_stay_on_disk_and_after_a_restart(store: FolderStore, tmp_path: Path) -> None:
    popularity = Popularity()
    room = int(len(WEIGHTS) * 2.5)
    cache = ModelCache(store, tmp_path, room, popularity)
    for _ in range(20):
        popularity.use(("acme", "v1"))
    cache.read("acme", "v1")
    popularity.use(("bolt", "v1"))
    cache.read("bolt", "v1")
    again = ModelCache(store, tmp_path, room, Popularity())
    again.read("cord", "v1")
    assert ("acme", "v1") in again
    assert ("bolt", "v1") not in again


def test_what_another_process_did_is_seen(store: FolderStore, tmp_path: Path) -> None:
    one, other = (make_cache(store, tmp_path, int(len(WEIGHTS) * 2.5)) for _ in range(2))
    one.read("acme", "v1")
    other.read("acme", "v1")
    assert store.fetched.count("acme/v1/model.safetensors") == 1
    shutil.rmtree(tmp_path / "acme" / "v1")
    assert one.read("acme", "v1").weights == WEIGHTS
    other.read("bolt", "v1")
    one.read("cord", "v1")
    held = [path for path in tmp_path.glob("*/*/*") if path.is_file()]
    assert sum(path.stat().st_size for path in held) <= len(WEIGHTS) * 2.5


def test_a_full_disk_gives_up_models_and_then_says_so(store: FolderStore, tmp_path: Path) -> None:
    cache = make_cache(store, tmp_path)
    cache.read("acme", "v1")
    store.broken["bolt/v1/model.safetensors"] = OSError(errno.ENOSPC, "no space")
    with pytest.raises(EngineFull, match="'disk'"):
        cache.read("bolt", "v1")
    assert ("acme", "v1") not in cache
    store.broken.clear()
    assert cache.read("bolt", "v1").weights == WEIGHTS


def test_leftovers_of_killed_processes_go(store: FolderStore, tmp_path: Path) -> None:
    for name in (".old", ".new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.json").write_bytes(b"begun")
    os.utime(tmp_path / ".old", (0, 0))
    make_cache(store, tmp_path).read("acme", "v1")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".new", "acme"]
