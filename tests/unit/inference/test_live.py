from __future__ import annotations

import asyncio
import hashlib
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from assay_inference.live import LiveFollower
from assay_shared.auth import hash_key
from assay_shared.errors import NotFound, StoreUnavailable
from assay_shared.ids import utc_now
from assay_shared.storage import StoredObject
from assay_shared.wire import LivePointer, PublishedBrand, PublishedKey, PublishedProduct
from tests.support.live_model import describe_model

TEA = "00036000291452"


class Bucket:
    """Bucket `live` in memory, with a switch to be down."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.down = False
        self.reads: list[str] = []

    def get(self, bucket: str, key: str, limit: int | None = None) -> bytes:
        self._answer(bucket)
        self.reads.append(key)
        if key not in self.objects:
            raise NotFound(key)
        return self.objects[key]

    def stat(self, bucket: str, key: str) -> StoredObject | None:
        self._answer(bucket)
        return self._describe(key) if key in self.objects else None

    def list(
        self, bucket: str, prefix: str = "", *, after: str | None = None, recursive: bool = True
    ) -> Iterator[StoredObject]:
        self._answer(bucket)
        return iter([self._describe(key) for key in sorted(self.objects)])

    def put_brand(self, slug: str, *, gtins: tuple[str, ...] = (TEA,), key: str = "k") -> None:
        brand = PublishedBrand(
            slug=slug,
            name=slug,
            revision=1,
            public_verification=False,
            thresholds={},
            products=[PublishedProduct(gtin=gtin, label="carton", name="x") for gtin in gtins],
            verify_keys=[PublishedKey(id="key_1", sha256=hash_key(key))],
        )
        self.objects[f"{slug}/brand.json"] = brand.model_dump_json().encode()

    def put_version(self, slug: str, version: str) -> None:
        self.objects[f"{slug}/{version}/model.json"] = (
            describe_model(slug, version, b"weights").model_dump_json().encode()
        )
        pointer = LivePointer(version=version, since=utc_now())
        self.objects[f"{slug}/current.json"] = pointer.model_dump_json().encode()

    def _describe(self, key: str) -> StoredObject:
        data = self.objects[key]
        return StoredObject("live", key, hashlib.md5(data).hexdigest(), len(data))

    def _answer(self, bucket: str) -> None:
        assert bucket == "live"
        if self.down:
            raise StoreUnavailable("down")


@pytest.fixture
def bucket() -> Bucket:
    bucket = Bucket()
    bucket.put_brand("acme", key="a")
    bucket.put_version("acme", "v1")
    bucket.put_brand("bolt", key="b")
    return bucket


def version_of(follower: LiveFollower, slug: str) -> str | None:
    model = follower.snapshot.brands[slug].model
    return model.version if model else None


def test_a_scan_finds_brands_versions_gtins_and_keys(bucket: Bucket, tmp_path: Path) -> None:
    follower = LiveFollower(bucket, tmp_path, 1)
    follower.scan()
    assert follower.snapshot.brands.keys() == {"acme", "bolt"}
    assert (version_of(follower, "acme"), version_of(follower, "bolt")) == ("v1", None)
    assert follower.snapshot.brands_of(TEA) == ("acme", "bolt")
    assert follower.snapshot.by_key == {hash_key("a"): "acme", hash_key("b"): "bolt"}


def test_only_what_changed_is_read_again(bucket: Bucket, tmp_path: Path) -> None:
    follower = LiveFollower(bucket, tmp_path, 1)
    promoted: list[tuple[str, str]] = []
    follower.on_promotion = lambda brand, version: promoted.append((brand, version))
    follower.scan()
    bucket.reads.clear()
    follower.scan()
    assert bucket.reads == []
    bucket.put_version("acme", "v2")
    follower.scan()
    assert bucket.reads == ["acme/current.json", "acme/v2/model.json"]
    assert version_of(follower, "acme") == "v2"
    assert promoted == [("acme", "v2")]


def test_it_starts_from_its_copy_on_disk(bucket: Bucket, tmp_path: Path) -> None:
    LiveFollower(bucket, tmp_path, 1).scan()
    bucket.down = True
    again = LiveFollower(bucket, tmp_path, 1)
    again.restore()
    assert version_of(again, "acme") == "v1"
    assert again.snapshot.by_key[hash_key("a")] == "acme"
    with pytest.raises(StoreUnavailable):
        again.scan()
    assert version_of(again, "acme") == "v1"
    bucket.down = False
    bucket.reads.clear()
    again.scan()
    assert bucket.reads == []


@pytest.mark.parametrize("key", ["acme/brand.json", "acme/current.json", "acme/v2/model.json"])
def test_what_is_corrupt_is_ignored_and_what_was_known_stays(
    bucket: Bucket, tmp_path: Path, key: str
) -> None:
    follower = LiveFollower(bucket, tmp_path, 1)
    follower.scan()
    bucket.put_version("acme", "v2")
    bucket.objects[key] = b"{ rotten"
    follower.scan()
    expected = "v2" if key == "acme/brand.json" else "v1"
    assert version_of(follower, "acme") == expected
    assert follower.snapshot.by_key[hash_key("a")] == "acme"
    bucket.put_brand("acme", key="a")
    bucket.put_version("acme", "v2")
    follower.scan()
    assert version_of(follower, "acme") == "v2"


def test_a_pointer_to_a_missing_version_waits_for_it(bucket: Bucket, tmp_path: Path) -> None:
    follower = LiveFollower(bucket, tmp_path, 1)
    follower.scan()
    bucket.put_version("acme", "v2")
    description = bucket.objects.pop("acme/v2/model.json")
    follower.scan()
    assert version_of(follower, "acme") == "v1"
    bucket.objects["acme/v2/model.json"] = description
    follower.scan()
    assert version_of(follower, "acme") == "v2"


def test_a_brand_that_names_another_is_ignored(bucket: Bucket, tmp_path: Path) -> None:
    bucket.objects["evil/brand.json"] = bucket.objects["acme/brand.json"]
    follower = LiveFollower(bucket, tmp_path, 1)
    follower.scan()
    assert "evil" not in follower.snapshot.brands


def test_what_is_gone_is_forgotten(bucket: Bucket, tmp_path: Path) -> None:
    follower = LiveFollower(bucket, tmp_path, 1)
    follower.scan()
    del bucket.objects["acme/current.json"], bucket.objects["bolt/brand.json"]
    follower.scan()
    assert follower.snapshot.brands.keys() == {"acme"}
    assert version_of(follower, "acme") is None


def test_a_corrupt_copy_on_disk_is_read_again(bucket: Bucket, tmp_path: Path) -> None:
    LiveFollower(bucket, tmp_path, 1).scan()
    for path in tmp_path.rglob("*.json"):
        path.write_bytes(b"rotten")
    again = LiveFollower(bucket, tmp_path, 1)
    again.restore()
    assert again.snapshot.brands == {}
    again.scan()
    assert version_of(again, "acme") == "v1"


def test_a_brand_that_is_asked_for_is_looked_at_once_a_while(bucket: Bucket, tmp_path: Path) -> None:
    follower = LiveFollower(bucket, tmp_path, 60)

    async def ask() -> None:
        for _ in range(3):
            await follower.look_at("acme")
        await follower.look_at("../../etc")
        await follower.look_at("nobody")

    asyncio.run(ask())
    assert follower.snapshot.brands.keys() == {"acme"}
    assert bucket.reads == ["acme/brand.json", "acme/current.json", "acme/v1/model.json"]
    bucket.down = True
    follower.refresh("acme")
    assert version_of(follower, "acme") == "v1"
    follower.stop()


def test_everybody_who_asks_for_a_new_brand_waits_for_the_one_look(bucket: Bucket, tmp_path: Path) -> None:
    follower = LiveFollower(bucket, tmp_path, 60)
    seen: list[bool] = []

    async def ask() -> None:
        await follower.look_at("acme")
        seen.append("acme" in follower.snapshot.brands)

    async def ask_together() -> None:
        await asyncio.gather(*(ask() for _ in range(5)))

    asyncio.run(ask_together())
    assert seen == [True] * 5
    assert bucket.reads.count("acme/brand.json") == 1
    follower.stop()


def test_a_list_that_is_older_than_a_refresh_does_not_undo_it(bucket: Bucket, tmp_path: Path) -> None:
    class Slow(Bucket):
        def list(
            self, bucket: str, prefix: str = "", *, after: str | None = None, recursive: bool = True
        ) -> Iterator[StoredObject]:
            listed = list(super().list(bucket, prefix))
            if "fresh/brand.json" not in self.objects:
                self.put_brand("fresh")
                follower.refresh("fresh")
            return iter(listed)

    slow = Slow()
    slow.put_brand("acme")
    follower = LiveFollower(slow, tmp_path, 60)
    follower.scan()
    assert follower.snapshot.brands.keys() == {"acme", "fresh"}
    del slow.objects["acme/brand.json"]
    follower.scan()
    assert follower.snapshot.brands.keys() == {"fresh"}


def test_a_key_of_this_moment_is_known_after_the_scan_that_it_waits_for(
    bucket: Bucket, tmp_path: Path
) -> None:
    follower = LiveFollower(bucket, tmp_path, 5)
    follower.scan()
    follower._next_scan = time.monotonic() + 0.2
    bucket.put_brand("fresh")

    async def ask() -> None:
        await asyncio.gather(*(follower.look_around() for _ in range(5)))
        assert "fresh" in follower.snapshot.brands

    asyncio.run(ask())
    follower.stop()


def test_two_replicas_share_a_folder(bucket: Bucket, tmp_path: Path) -> None:
    followers = [LiveFollower(bucket, tmp_path, 1) for _ in range(4)]
    for number in range(20):
        bucket.put_brand(f"brand-{number}")
    together = threading.Barrier(len(followers))

    def scan(follower: LiveFollower) -> None:
        together.wait()
        follower.scan()

    with ThreadPoolExecutor(len(followers)) as pool:
        for version in ("v2", "v3", "v4"):
            for number in range(20):
                bucket.put_version(f"brand-{number}", version)
            list(pool.map(scan, followers))
    assert all(follower.snapshot.brands == followers[0].snapshot.brands for follower in followers)
    assert version_of(followers[0], "brand-7") == "v4"
    again = LiveFollower(bucket, tmp_path, 1)
    again.restore()
    assert again.snapshot.brands == followers[0].snapshot.brands
    assert list(tmp_path.rglob("*.partial")) == []


def test_what_a_killed_replica_left_is_cleaned_up_at_the_start(bucket: Bucket, tmp_path: Path) -> None:
    left = tmp_path / "acme" / "v1" / "model.json.partial"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half a")
    os.utime(left, (0, 0))
    follower = LiveFollower(bucket, tmp_path, 1)
    follower.start()
    follower.stop()
    assert not left.exists()
