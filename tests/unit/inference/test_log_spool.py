from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from assay_inference.log_spool import LogSpool
from assay_inference.partials import LEFT_SECONDS
from assay_shared.errors import AssayError, Conflict, InvalidRequest, NotAuthenticated, RegistryUnavailable
from assay_shared.ids import new_id, utc_now
from assay_shared.wire import Verdict, Verification
from tests.support.waiting import wait_until


class Registry:
    def __init__(self) -> None:
        self.error: AssayError | None = None
        self.got: list[str] = []

    def record_verification(self, verification: Verification) -> None:
        if self.error is not None:
            raise self.error
        self.got.append(verification.id)


def make_verification() -> Verification:
    return Verification(
        id=new_id("ver"),
        brand="acme",
        verdict=Verdict.GENUINE,
        score=0.9,
        checks=[],
        detections=[],
        model_version="mdl_1",
        image={"width": 1, "height": 1},
        guidance=[],
        timings_ms={},
        created_at=utc_now(),
    )


def test_entries_are_delivered_oldest_first(tmp_path: Path) -> None:
    registry = Registry()
    spool = LogSpool(tmp_path, registry)
    ids = []
    for _ in range(3):
        verification = make_verification()
        ids.append(verification.id)
        spool.add(verification)
    assert spool.deliver()
    assert registry.got == ids
    assert spool.waiting() == []


@pytest.mark.parametrize("error", [RegistryUnavailable("down"), NotAuthenticated("token"), AssayError("bug")])
def test_what_the_registry_cannot_take_now_stays_for_the_next_start(
    tmp_path: Path, error: AssayError
) -> None:
    registry = Registry()
    registry.error = error
    verification = make_verification()
    spool = LogSpool(tmp_path, registry)
    spool.add(verification)
    assert not spool.deliver()
    assert len(spool.waiting()) == 1
    registry.error = None
    assert LogSpool(tmp_path, registry).deliver()
    assert registry.got == [verification.id]


@pytest.mark.parametrize("error", [InvalidRequest("bad field"), Conflict("other content")])
def test_what_is_refused_goes_aside_with_the_reason_and_stops_no_other(
    tmp_path: Path, error: AssayError
) -> None:
    registry = Registry()
    spool = LogSpool(tmp_path, registry)
    refused, later = make_verification(), make_verification()
    spool.add(refused)
    registry.error = error
    assert spool.deliver()
    registry.error = None
    spool.add(later)
    assert spool.deliver()
    assert registry.got == [later.id]
    assert (tmp_path / "refused" / f"{refused.id}.json").exists()
    assert (tmp_path / "refused" / f"{refused.id}.reason.txt").read_text() == error.detail


def test_an_entry_that_cannot_be_read_goes_aside(tmp_path: Path) -> None:
    (tmp_path / "ver_1.json").write_bytes(b"half an ent")
    (tmp_path / "ver_2.partial").write_bytes(b"a write that was cut")
    registry = Registry()
    assert LogSpool(tmp_path, registry).deliver()
    assert (tmp_path / "refused" / "ver_1.json").exists()
    assert registry.got == []


def test_the_thread_delivers_when_the_registry_is_back(tmp_path: Path) -> None:
    registry = Registry()
    registry.error = RegistryUnavailable("down")
    spool = LogSpool(tmp_path, registry, retry_seconds=0.05)
    spool.start()
    verification = make_verification()
    spool.add(verification)
    registry.error = None
    wait_until(lambda: registry.got == [verification.id], 5)
    wait_until(lambda: spool.waiting() == [], 5)
    spool.stop()


class SharedRegistry(Registry):
    """Has another replica deal with the next entry, and every other one, while it answers."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.refuses = False
        self.others: list[str] = []

    def record_verification(self, verification: Verification) -> None:
        left = [path.stem for path in sorted(self.folder.glob("*.json")) if path.stem > verification.id]
        mine = self.folder / f"{verification.id}.json"
        for taken in [*left[:1], *([verification.id] if self.refuses else [])]:
            path = self.folder / f"{taken}.json"
            if self.refuses:
                path.replace(self.folder / "refused" / path.name)
            else:
                path.unlink()
            self.others.append(taken)
        if self.refuses:
            assert not mine.exists()
            raise Conflict("other content")
        self.got.append(verification.id)


@pytest.mark.parametrize("refuses", [False, True], ids=["delivered", "refused"])
def test_what_another_replica_dealt_with_is_no_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], refuses: bool
) -> None:
    registry = SharedRegistry(tmp_path)
    registry.refuses = refuses
    (tmp_path / "refused").mkdir()
    spool = LogSpool(tmp_path, registry)
    ids = [make_verification().id for _ in range(6)]
    for name in ids:
        spool.add(make_verification().model_copy(update={"id": name}))
    assert spool.deliver()
    assert sorted([*registry.got, *registry.others]) == sorted(ids)
    assert spool.waiting() == []
    assert len(list((tmp_path / "refused").glob("*.json"))) == (6 if refuses else 0)
    assert capsys.readouterr().out == ""


def test_two_replicas_deliver_from_one_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    registry = Registry()
    registry.error = RegistryUnavailable("down")
    spools = [LogSpool(tmp_path, registry, retry_seconds=0.01) for _ in range(2)]
    for spool in spools:
        spool.start()
    ids = set()
    for number in range(200):
        if number == 100:
            registry.error = None
        verification = make_verification()
        ids.add(verification.id)
        spools[number % 2].add(verification)
    wait_until(lambda: spools[0].waiting() == [], 30, "everything is delivered")
    for spool in spools:
        spool.stop()
    assert set(registry.got) == ids
    assert "delivery failed" not in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == []


def test_what_a_killed_writer_left_is_cleaned_up(tmp_path: Path) -> None:
    old, new = tmp_path / "ver_1.json.0a.partial", tmp_path / "ver_2.json.0b.partial"
    for path in (old, new):
        path.write_bytes(b"half an ent")
    os.utime(old, (0, time.time() - LEFT_SECONDS - 1))
    spool = LogSpool(tmp_path, Registry())
    spool.start()
    spool.stop()
    assert [path.name for path in tmp_path.iterdir()] == [new.name]
