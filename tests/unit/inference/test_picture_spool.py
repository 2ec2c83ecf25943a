from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from assay_inference.partials import LEFT_SECONDS
from assay_inference.picture_spool import PictureSpool, wants_picture
from assay_shared.errors import StoreUnavailable
from assay_shared.ids import new_id, utc_now
from assay_shared.storage import StoredObject
from assay_shared.wire import KeptPictures, Verdict, Verification
from tests.support.waiting import wait_until


class Store:
    def __init__(self) -> None:
        self.away = False
        self.got: dict[str, bytes] = {}

    def put(self, bucket: str, key: str, data: bytes) -> StoredObject:
        if self.away:
            raise StoreUnavailable("away")
        self.got[f"{bucket}/{key}"] = data
        return StoredObject(bucket, key, "etag", len(data))


def lost() -> float:
    return REGISTRY.get_sample_value("assay_kept_pictures_lost_total") or 0.0


def make_verification(verdict: Verdict, score: float) -> Verification:
    return Verification(
        id=new_id("ver"),
        brand="acme",
        verdict=verdict,
        score=score,
        checks=[],
        detections=[],
        model_version="v1",
        image={"width": 1, "height": 1},
        guidance=[],
        timings_ms={},
        created_at=utc_now(),
    )


@pytest.mark.parametrize(
    ("kept", "verdict", "score", "wanted"),
    [
        ("none", Verdict.COUNTERFEIT, 0.1, False),
        ("doubted", Verdict.COUNTERFEIT, 0.1, True),
        ("doubted", Verdict.INCONCLUSIVE, 0.5, True),
        ("doubted", Verdict.GENUINE, 0.55, True),
        ("doubted", Verdict.GENUINE, 0.61, False),
        ("all", Verdict.GENUINE, 1.0, True),
    ],
)
def test_which_pictures_are_kept(kept: KeptPictures, verdict: Verdict, score: float, wanted: bool) -> None:
    assert wants_picture(kept, make_verification(verdict, score)) is wanted


def test_pictures_go_to_the_reserved_upload(tmp_path: Path) -> None:
    store = Store()
    spool = PictureSpool(tmp_path, store, 1000)
    assert spool.add("acme", "ver_1", "jpg", b"one")
    assert spool.add("bolt", "ver_2", "heic", b"two")
    assert store.got == {}
    assert spool.deliver()
    assert store.got == {
        "uploads/acme/kept-pictures/ver_1.jpg": b"one",
        "uploads/bolt/kept-pictures/ver_2.heic": b"two",
    }
    assert spool.waiting() == []


def test_while_the_store_is_away_pictures_wait_for_the_next_start(tmp_path: Path) -> None:
    store = Store()
    store.away = True
    spool = PictureSpool(tmp_path, store, 1000)
    for number in range(3):
        assert spool.add("acme", f"ver_{number}", "jpg", b"x")
    assert not spool.deliver()
    assert len(spool.waiting()) == 3
    store.away = False
    assert PictureSpool(tmp_path, store, 1000).deliver()
    assert len(store.got) == 3


def test_what_does_not_fit_is_counted_and_what_waits_stays(tmp_path: Path) -> None:
    store = Store()
    store.away = True
    spool, other_replica = PictureSpool(tmp_path, store, 10), PictureSpool(tmp_path, store, 10)
    before = lost()
    assert spool.add("acme", "ver_1", "jpg", bytes(6))
    assert not other_replica.add("bolt", "ver_2", "jpg", bytes(5))
    assert other_replica.add("bolt", "ver_3", "jpg", bytes(4))
    assert lost() == before + 1
    store.away = False
    assert spool.deliver()
    assert sorted(store.got) == [
        "uploads/acme/kept-pictures/ver_1.jpg",
        "uploads/bolt/kept-pictures/ver_3.jpg",
    ]
    assert spool.add("bolt", "ver_4", "jpg", bytes(10))


def test_a_disk_that_takes_nothing_stops_no_verdict(tmp_path: Path) -> None:
    spool = PictureSpool(tmp_path / "pictures", Store(), 1000)
    (tmp_path / "pictures" / "acme").write_bytes(b"no folder")
    before = lost()
    assert not spool.add("acme", "ver_1", "jpg", b"one")
    assert lost() == before + 1


def test_the_thread_delivers_when_the_store_is_back(tmp_path: Path) -> None:
    store = Store()
    store.away = True
    spool = PictureSpool(tmp_path, store, 1000, retry_seconds=0.05)
    spool.start()
    assert spool.add("acme", "ver_1", "jpg", b"one")
    store.away = False
    wait_until(lambda: len(store.got) == 1 and not spool.waiting(), 5)
    spool.stop()


def test_half_a_picture_is_never_delivered(tmp_path: Path) -> None:
    (tmp_path / "acme").mkdir()
    old, new = tmp_path / "acme/ver_1.jpg.0a.partial", tmp_path / "acme/ver_2.jpg.0b.partial"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, time.time() - LEFT_SECONDS - 1))
    store = Store()
    spool = PictureSpool(tmp_path, store, 1000)
    spool.start()
    spool.stop()
    assert spool.deliver()
    assert store.got == {}
    assert list(tmp_path.glob("*/*")) == [new]
