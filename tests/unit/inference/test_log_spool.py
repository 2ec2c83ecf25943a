from __future__ import annotations

from pathlib import Path

import pytest

from assay_inference.log_spool import LogSpool
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
