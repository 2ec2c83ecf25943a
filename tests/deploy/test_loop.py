"""The whole loop in containers, everything through the gateway: photos in, model live, verdict out."""

from __future__ import annotations

import pytest

from assay_ingest.metadata import carries_metadata
from deploy.local.demo_report import Judged, judge_verdicts, prove_explained
from tests.support.box import Box, TaughtBrand
from tests.support.stack import small_photo
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(2400)


def test_every_photo_is_accepted(taught: TaughtBrand) -> None:
    reports = [taught.client.call("GET", f"/uploads/{upload}") for upload in taught.uploads]
    assert [file for report in reports for file in report["files"] if file["state"] != "accepted"] == []
    names = {image["name"] for image in taught.client.images("accepted")}
    assert {photo.name for photo in taught.photos} <= names


def test_nothing_stored_tells_where_it_was_taken(box: Box, taught: TaughtBrand) -> None:
    told_before = sum("GPS" in carries_metadata(photo.data) for photo in taught.photos)
    assert told_before > 0
    for image in taught.client.images("accepted"):
        content = taught.client.read(f"/images/{image['sha256']}/content")
        assert set(carries_metadata(content)) <= {"ICC profile"}, image["name"]
    left = list(taught.client.store.list_objects("uploads", "taught/", recursive=True))
    assert left == [], "originals are gone from the inbox"


def test_verdicts_are_right(taught: TaughtBrand) -> None:
    judged = [
        Judged(photo, "brand", taught.client.verify(photo.data, photo.name, brand="taught"))
        for photo in taught.test_photos
    ]
    wrong = [(row.photo.name, row.photo.photo_kind, row.verdict) for row in judged if not row.right]
    for conclusion in (*judge_verdicts(judged), prove_explained(taught.client, judged)):
        assert conclusion.held, f"{conclusion.text}; not right, in all: {wrong}"


def test_notifications_carried_every_photo(taught: TaughtBrand) -> None:
    counted = taught.ingest_metrics
    # A photo and its annotation are two objects.
    assert counted['assay_ingest_events_total{outcome="queued"}'] >= 2 * len(taught.photos)
    assert counted["assay_ingest_reconciled_total"] == 0


def test_what_came_while_ingest_was_away_is_delivered(box: Box, taught: TaughtBrand) -> None:
    count = 50
    with box.new_brand("patient") as client:
        box.compose("stop", "ingest")
        upload = client.start_upload()
        photos = [small_photo(client, number) for number in range(count)]
        try:
            for photo in photos[: count // 2]:
                client.upload_by_s3(upload, photo)
            for photo in photos[count // 2 :]:
                client.upload_by_http(upload, photo)
            assert client.images("accepted") == []
        finally:
            box.compose("start", "ingest")
        accepted = wait_until(
            lambda: found if len(found := client.images("accepted")) >= count else None, 120, "all accepted"
        )
        assert sorted(image["name"] for image in accepted) == [photo.name for photo in photos]

        def delivered() -> bool:
            return box.metrics("ingest", 8002)['assay_ingest_events_total{outcome="queued"}'] >= 2 * count

        wait_until(delivered, 60, "the store's own queue delivered all, beside the scan at the start")
        box.wait_until_healthy()
