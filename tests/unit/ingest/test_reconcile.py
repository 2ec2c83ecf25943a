from __future__ import annotations

from assay_ingest.reconcile import MAX_RESEND_SECONDS, Pace
from assay_shared.storage import StoredObject


def stored(etag: str) -> StoredObject:
    return StoredObject("uploads", "acme/u1/a.jpg", etag, 1)


def test_waits_longer_after_every_sending() -> None:
    pace, now = Pace(60.0), 1000.0
    for wait in (60.0, 120.0, 240.0):
        assert pace.admits(stored("e1"), now)
        pace.note(stored("e1"), now)
        assert not pace.admits(stored("e1"), now + wait - 1)
        now += wait
    for _ in range(20):
        pace.note(stored("e1"), now)
    assert pace.admits(stored("e1"), now + MAX_RESEND_SECONDS)


def test_a_new_content_is_another_object() -> None:
    pace = Pace(60.0)
    pace.note(stored("e1"), 0.0)
    assert pace.admits(stored("e2"), 0.0)


def test_forgets_the_oldest_when_it_remembers_enough() -> None:
    pace = Pace(60.0, remembered=2)
    for etag in ("e1", "e2", "e3"):
        pace.note(stored(etag), 0.0)
    assert [pace.admits(stored(etag), 1.0) for etag in ("e1", "e2", "e3")] == [True, False, False]
