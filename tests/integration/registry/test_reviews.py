"""Reviews, and what they make of kept pictures."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from assay_registry import kept_pictures
from assay_registry.models import DatasetVersionRow, FileRow, ImageRow, ReviewRow
from assay_registry.unpaired import count_pending, quarantine_unpaired
from assay_shared.ids import utc_now
from assay_shared.keys import IMAGES, KEPT_PICTURES, UPLOADS, annotation_key, image_key
from assay_shared.wire import DatasetManifest, QuarantineArrival
from tests.integration.registry.learning import LENIENT, change_settings, finish, read_run, teach
from tests.integration.registry.reviewing import keep, record, review
from tests.integration.registry.support import Registry, both_databases, document, sha256_of


def read(registry: Registry, verification: str) -> dict[str, Any]:
    found: dict[str, Any] = registry.client.get(f"/v1/verifications/{verification}").json()
    return found


def image_of(registry: Registry, sha256: str) -> dict[str, Any] | None:
    answer = registry.client.get(f"{registry.address}/images/{sha256}")
    return answer.json() if answer.status_code == 200 else None


def is_stored(registry: Registry, sha256: str) -> bool:
    return registry.context.store.stat(IMAGES, image_key(registry.brand, sha256, "jpg")) is not None


def age(registry: Registry, **by: float) -> None:
    """Makes all kept pictures of the brand older."""
    with registry.context.database.session() as session:
        session.execute(
            update(FileRow)
            .where(FileRow.brand == registry.brand, FileRow.upload == KEPT_PICTURES)
            .values(created_at=utc_now() - timedelta(**by))
        )


def sweep(registry: Registry) -> None:
    kept_pictures._swept.clear()
    kept_pictures.sweep(registry.context)


@both_databases
def test_a_review_is_part_of_its_verification_and_can_be_replaced(registry: Registry) -> None:
    verification = record(registry)
    assert read(registry, verification)["review"] is None
    first = review(registry, verification, "genuine", "opened it")
    assert first.status_code == 201
    assert first.json()["review"]["reviewer"] == "admin"
    key = registry.make_key("manage")
    second = review(registry, verification, "counterfeit", client=key)
    assert second.status_code == 200
    told = read(registry, verification)["review"]
    assert told == second.json()["review"]
    assert (told["truth"], told["note"]) == ("counterfeit", "")
    assert told["reviewer"].startswith("key_")
    with registry.context.database.session() as session:
        assert len(session.scalars(select(ReviewRow).where(ReviewRow.brand == registry.brand)).all()) == 1


@pytest.mark.parametrize(
    ("scopes", "status"),
    [(["verify"], 403), (["upload", "train"], 403), (["manage"], 201), (["verify", "manage"], 201)],
)
def test_who_may_review(registry: Registry, scopes: list[str], status: int) -> None:
    verification = record(registry)
    assert review(registry, verification, "genuine", client=registry.make_key(*scopes)).status_code == status


def test_another_brands_verification_cannot_be_reviewed(registry: Registry) -> None:
    verification = record(registry)
    other = f"{registry.brand}-2"
    registry.client.post("/v1/brands", json={"slug": other, "name": "Other"})
    key = registry.make_key("manage", brand=other)
    assert review(registry, verification, "genuine", client=key).status_code == 404
    assert review(registry, "ver_none", "genuine").status_code == 404


@pytest.mark.parametrize(
    "body",
    [{}, {"truth": "fake"}, {"truth": "genuine", "colour": "red"}, {"truth": "genuine", "note": "x" * 2001}],
)
def test_bad_reviews(registry: Registry, body: dict[str, Any]) -> None:
    verification = record(registry)
    answer = registry.client.post(f"/v1/verifications/{verification}/review", json=body)
    assert answer.status_code == 422
    assert read(registry, verification)["review"] is None


def test_the_same_review_sent_twice_counts_once(registry: Registry) -> None:
    verification = record(registry)
    address, body = f"/v1/verifications/{verification}/review", {"truth": "genuine"}
    headers = {"Idempotency-Key": f"review-{verification}"}
    first = registry.client.post(address, json=body, headers=headers)
    review(registry, verification, "counterfeit")
    again = registry.client.post(address, json=body, headers=headers)
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert read(registry, verification)["review"]["truth"] == "counterfeit"


def test_keys_that_may_only_verify_see_no_review(registry: Registry) -> None:
    verification = record(registry)
    keep(registry, verification)
    review(registry, verification, "counterfeit", "seized by customs")
    for scope, seen in (("verify", False), ("manage", True)):
        key = registry.make_key(scope)
        one = key.get(f"/v1/verifications/{verification}").json()
        (listed,) = key.get(f"{registry.address}/verifications").json()["items"]
        assert one == listed
        assert (one["review"] is not None, one["picture"] is not None) == (seen, seen)


@both_databases
@pytest.mark.parametrize("truth", ["genuine", "counterfeit"])
def test_a_reviewed_picture_enters_the_next_dataset_version_with_its_boxes(
    registry: Registry, truth: str
) -> None:
    change_settings(registry, **LENIENT)
    teach(registry, 12)
    verification = record(registry)
    keep(registry, verification)
    sha256 = sha256_of(verification.encode())
    image = f"{registry.address}/images/{sha256}"
    assert read(registry, verification)["picture"] == sha256
    # Nobody learns from it, nobody may annotate it, and nobody waits for it.
    assert registry.client.get(image).json()["state"] == "kept"
    assert sha256 not in {found["sha256"] for found in registry.list_images()}
    assert [found["sha256"] for found in registry.list_images("kept")] == [sha256]
    assert registry.client.put(f"{image}/annotation", json=document("carton")).status_code == 409
    assert registry.client.patch(image, json={"truth": "genuine"}).status_code == 409
    assert quarantine_unpaired(registry.context, registry.brand) == 0
    assert count_pending(registry.context, registry.brand) == 0

    assert review(registry, verification, truth).json()["picture"] == sha256
    offered = registry.client.get(image).json()
    assert (offered["state"], offered["truth"], offered["annotations"]) == ("received", truth, None)
    assert quarantine_unpaired(registry.context, registry.brand) == 0
    proposal = registry.client.get(f"{image}/proposal").json()
    assert proposal["annotations"] == [{"class_id": 0, "left": 0, "top": 20, "width": 98, "height": 60}]
    assert registry.client.put(f"{image}/annotation", json=proposal).status_code == 200

    run = read_run(registry, finish(registry)["id"])
    with registry.context.database.session() as session:
        manifest = DatasetManifest.model_validate(
            session.get_one(DatasetVersionRow, run["dataset_version"]).manifest
        )
    truths = {item.sha256: item.truth for item in manifest.items}
    assert truths.pop(sha256) == truth
    assert set(truths.values()) == {None}
    # Taken: it stays when its time is over, and leaves the next version when it turns out to be unusable.
    age(registry, days=4000)
    sweep(registry)
    assert is_stored(registry, sha256)
    review(registry, verification, "unusable")
    sweep(registry)
    left = image_of(registry, sha256)
    assert left is not None
    assert (left["state"], left["code"]) == ("quarantined", "unusable")
    assert is_stored(registry, sha256)
    review(registry, verification, truth)
    assert (image_of(registry, sha256) or {})["state"] == "accepted"


@both_databases
def test_an_unusable_picture_is_deleted_with_its_record(registry: Registry) -> None:
    verification = record(registry)
    keep(registry, verification)
    sha256 = sha256_of(verification.encode())
    assert review(registry, verification, "unusable").json()["picture"] is None
    assert image_of(registry, sha256) is None
    assert not is_stored(registry, sha256)
    assert read(registry, verification)["review"]["truth"] == "unusable"
    prefix = f"{registry.brand}/{KEPT_PICTURES}/"
    assert list(registry.context.store.list(UPLOADS, prefix)) == []


def test_what_the_store_could_not_delete_is_deleted_later(registry: Registry, without_store: Any) -> None:
    verification = record(registry)
    keep(registry, verification)
    sha256 = sha256_of(verification.encode())
    without_store()
    assert review(registry, verification, "unusable").status_code == 201
    assert is_stored(registry, sha256)
    with registry.context.database.session() as session:
        assert session.get_one(ImageRow, (registry.brand, sha256)).state == "quarantined"
    sweep(registry)
    assert not is_stored(registry, sha256)


@pytest.mark.parametrize(("truth", "state"), [("counterfeit", "received"), ("unusable", None)])
def test_a_picture_that_comes_after_its_review(registry: Registry, truth: str, state: str | None) -> None:
    verification = record(registry)
    review(registry, verification, truth)
    keep(registry, verification)
    sweep(registry)
    image = image_of(registry, sha256_of(verification.encode()))
    assert (image and image["state"]) == state


@both_databases
def test_pictures_are_deleted_when_their_time_is_over(registry: Registry) -> None:
    change_settings(registry, kept_pictures="all", kept_pictures_days=7)
    old, annotated, young = (record(registry) for _ in range(3))
    for verification in (old, annotated):
        keep(registry, verification)
    review(registry, annotated, "genuine")
    boxed = sha256_of(annotated.encode())
    registry.client.put(f"{registry.address}/images/{boxed}/annotation", json=document("carton"))
    refused = registry.source("ver_odd.png", b"odd", KEPT_PICTURES)
    registry.tell("quarantines", QuarantineArrival(source=refused, code="animated", reason="It moves"))
    age(registry, days=8)
    keep(registry, young)
    sweep(registry)
    assert not is_stored(registry, sha256_of(old.encode()))
    assert not is_stored(registry, boxed)
    assert registry.context.store.stat(IMAGES, annotation_key(registry.brand, boxed)) is None
    assert [found["sha256"] for found in registry.list_images("kept")] == [sha256_of(young.encode())]
    assert read(registry, old)["picture"] is None
    with registry.context.database.session() as session:
        assert [
            row.stem for row in session.scalars(select(FileRow).where(FileRow.brand == registry.brand))
        ] == [young]


def test_pictures_live_no_longer_than_verifications(registry: Registry) -> None:
    change_settings(registry, kept_pictures_days=300, verification_retention_days=10)
    verification = record(registry)
    keep(registry, verification)
    age(registry, days=11)
    sweep(registry)
    assert not is_stored(registry, sha256_of(verification.encode()))


def test_one_picture_verified_twice_stays_for_the_second(registry: Registry) -> None:
    first, second = record(registry), record(registry)
    keep(registry, first, b"the same")
    age(registry, days=4000)
    keep(registry, second, b"the same")
    sweep(registry)
    assert is_stored(registry, sha256_of(b"the same"))
    assert read(registry, first)["picture"] is None
    assert read(registry, second)["picture"] == sha256_of(b"the same")


@both_databases
def test_a_picture_that_the_brand_uploads_too_is_the_brands(registry: Registry) -> None:
    verification = record(registry)
    keep(registry, verification, b"the same")
    sha256 = sha256_of(b"the same")
    source = registry.source("box-1.jpg", b"the same")
    assert registry.tell_image(source, b"the same").state == "received"
    assert (image_of(registry, sha256) or {})["state"] == "received"
    registry.tell_annotation(registry.source("box-1.json", b"boxes"), document("carton"))
    review(registry, verification, "unusable")
    age(registry, days=4000)
    sweep(registry)
    image = image_of(registry, sha256)
    assert image is not None
    assert (image["state"], image["upload"], image["name"]) == ("accepted", "up1", "box-1.jpg")
    assert is_stored(registry, sha256)


def test_a_training_photo_that_is_verified_stays_what_it_was(registry: Registry) -> None:
    registry.tell_image(registry.source("box-1.jpg", b"the same"), b"the same")
    registry.tell_annotation(registry.source("box-1.json", b"boxes"), document("carton"))
    verification = record(registry)
    keep(registry, verification, b"the same")
    assert (image_of(registry, sha256_of(b"the same")) or {})["state"] == "accepted"
    age(registry, days=4000)
    sweep(registry)
    assert (image_of(registry, sha256_of(b"the same")) or {})["state"] == "accepted"


def test_kept_pictures_are_no_near_duplicates_until_they_are_reviewed(registry: Registry) -> None:
    likeness = "0f" * 8
    verification = record(registry)
    source = registry.put_raw(f"{verification}.jpg", b"live", KEPT_PICTURES)
    registry.tell_image(source, b"live", likeness)
    registry.tell_image(registry.source("box-1.jpg", b"photo"), b"photo", likeness)
    assert (image_of(registry, sha256_of(b"photo")) or {})["near_duplicate_of"] is None
    review(registry, verification, "genuine")
    assert (image_of(registry, sha256_of(b"live")) or {})["near_duplicate_of"] == sha256_of(b"photo")


def test_nobody_uploads_into_the_reserved_upload(registry: Registry) -> None:
    keep(registry, record(registry))
    answer = registry.client.put(f"{registry.address}/uploads/{KEPT_PICTURES}/files/x.jpg", content=b"x")
    assert answer.status_code == 422
    assert "reserved" in answer.json()["detail"]


def test_a_whole_image_can_be_marked(registry: Registry) -> None:
    (sha256,) = teach(registry, 1)
    address = f"{registry.address}/images/{sha256}"
    assert registry.client.get(address).json()["truth"] is None
    key = registry.make_key("upload")
    assert key.patch(address, json={"truth": "counterfeit"}).json()["truth"] == "counterfeit"
    assert registry.client.get(address).json()["truth"] == "counterfeit"
    assert key.patch(address, json={"truth": "unusable"}).status_code == 422
    assert registry.make_key("manage").patch(address, json={"truth": None}).status_code == 403
    assert key.patch(address, json={"truth": None}).json()["truth"] is None
    assert registry.client.get(f"{address}/proposal").status_code == 404
