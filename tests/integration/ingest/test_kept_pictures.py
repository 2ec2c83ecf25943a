"""Pictures of verifications: sanitised like uploads, done with at once, and nothing else in their upload."""

from __future__ import annotations

from dataclasses import replace

from assay_ingest.objects import ingest_object
from assay_shared.events import ObjectCreated
from assay_shared.keys import IMAGES, KEPT_PICTURES, UPLOADS
from tests.integration.ingest.support import Inbox
from tests.integration.ingest.test_bad_input import GOOD, HEIGHT, WIDTH, photo
from tests.support.pictures import gps_exif


def test_a_kept_picture_is_sanitised_and_waits_for_its_review(inbox: Inbox) -> None:
    inbox = replace(inbox, upload=KEPT_PICTURES)
    inbox.put("ver_1.jpg", photo(1, exif=gps_exif(6)))
    assert inbox.ingest("ver_1.jpg") == "accepted"
    assert inbox.waiting() == []
    assert inbox.images() == []
    (image,) = inbox.images("kept")
    # Orientation 6 lies on its side.
    assert (image["width"], image["height"]) == (HEIGHT, WIDTH)
    clean = inbox.store.get(IMAGES, f"{inbox.brand}/{image['sha256']}.jpg")
    assert b"Exif" not in clean


def test_the_raw_picture_goes_even_where_raw_uploads_are_kept(inbox: Inbox) -> None:
    settings = inbox.clients.settings.model_copy(update={"keep_raw_uploads": True})
    inbox = replace(inbox, upload=KEPT_PICTURES, clients=replace(inbox.clients, settings=settings))
    inbox.put("ver_1.jpg", photo(2, exif=gps_exif(1)))
    assert inbox.ingest("ver_1.jpg") == "accepted"
    assert inbox.waiting() == []


def test_the_same_picture_delivered_again_changes_nothing(inbox: Inbox) -> None:
    inbox = replace(inbox, upload=KEPT_PICTURES)
    for _ in range(2):
        inbox.put("ver_1.jpg", photo(3))
        assert inbox.ingest("ver_1.jpg") == "accepted"
        assert inbox.waiting() == []
    assert len(inbox.images("kept")) == 1


def test_boxes_cannot_be_put_beside_a_kept_picture(inbox: Inbox) -> None:
    inbox = replace(inbox, upload=KEPT_PICTURES)
    inbox.put("ver_1.jpg", photo(4))
    inbox.put("ver_1.json", GOOD)
    inbox.put("more.zip", b"PK")
    assert inbox.ingest("ver_1.json") == "quarantined"
    assert inbox.ingest("more.zip") == "quarantined"
    assert inbox.ingest("ver_1.jpg") == "accepted"
    assert inbox.images("accepted") == []
    assert {reason["code"] for reason, _ in inbox.quarantined().values()} == {"reserved-upload"}


def test_a_picture_of_no_known_brand_is_put_aside(inbox: Inbox) -> None:
    key = f"nobody/{KEPT_PICTURES}/ver_1.jpg"
    inbox.store.put(UPLOADS, key, photo(5))
    event = ObjectCreated(bucket=UPLOADS, key=key, etag="e", size=1, request_id="r")
    assert ingest_object(inbox.clients, event) == "quarantined"
    assert inbox.store.stat(UPLOADS, key) is None
