from __future__ import annotations

import pytest

from assay_registry.pairing import quarantine_unpaired
from assay_shared.keys import IMAGES, QUARANTINE, UPLOADS
from tests.integration.registry.support import Registry, document, sha256_of


@pytest.fixture
def image(registry: Registry) -> str:
    """The address of an image that waits for its annotation; its original lies in the inbox."""
    registry.tell_image(registry.put_raw("a.jpg", b"a"), b"a")
    return f"{registry.address}/images/{sha256_of(b'a')}"


def left(registry: Registry) -> list[str]:
    return [
        f"{bucket}/{stored.key}"
        for bucket in (UPLOADS, IMAGES, QUARANTINE)
        for stored in registry.context.store.list(bucket, f"{registry.brand}/")
    ]


def test_content_is_served_as_a_picture_of_this_brand_alone(registry: Registry, image: str) -> None:
    answer = registry.client.get(f"{image}/content")
    assert answer.content == b"a"
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"].startswith("private")
    known = {"If-None-Match": answer.headers["etag"]}
    assert registry.client.get(f"{image}/content", headers=known).status_code == 304
    other = f"{registry.brand}-2"
    registry.client.post("/v1/brands", json={"slug": other, "name": "Other"})
    stranger = registry.make_key("manage", "upload", brand=other)
    for part in ("", "/content", "/annotation"):
        assert stranger.get(image + part).status_code == 404
        assert registry.client.get(image.replace(registry.brand, other) + part).status_code == 404


def test_content_that_the_store_lost_is_not_found(registry: Registry, image: str) -> None:
    registry.context.store.delete(IMAGES, f"{registry.brand}/{sha256_of(b'a')}.jpg")
    assert registry.client.get(f"{image}/content").status_code == 404


def test_an_annotation_by_hand_accepts_the_image(registry: Registry, image: str) -> None:
    assert registry.client.get(f"{image}/annotation").status_code == 404
    answer = registry.client.put(f"{image}/annotation", json=document("logo"))
    assert answer.status_code == 200
    assert registry.client.get(f"{image}/annotation").json() == answer.json()
    assert registry.client.get(image).json()["state"] == "accepted"
    assert registry.client.get(f"{registry.address}/labels").json()["items"][0]["name"] == "logo"
    assert [key.partition("/")[0] for key in left(registry)] == [IMAGES, IMAGES]


def test_an_annotation_by_hand_takes_up_what_was_given_up(registry: Registry, image: str) -> None:
    quarantine_unpaired(registry.context, registry.brand)
    assert registry.client.get(image).json()["state"] == "quarantined"
    assert registry.client.put(f"{image}/annotation", json=document("logo")).status_code == 200
    assert [key.partition("/")[0] for key in left(registry)] == [IMAGES, IMAGES]


def test_a_wrong_annotation_names_its_entry(registry: Registry, image: str) -> None:
    wrong = document("logo", "seal")
    wrong["annotations"][1]["left"] = 5000
    answer = registry.client.put(f"{image}/annotation", json=wrong)
    assert answer.status_code == 422
    assert "annotations[1]" in answer.json()["detail"]
    assert registry.client.put(f"{image}/annotation", json=document("a", width=9)).status_code == 422
    assert registry.client.put(f"{image}/annotation", json=[1]).status_code == 422
    assert registry.client.get(image).json()["state"] == "received"


def test_nothing_of_a_deleted_image_is_left(registry: Registry, image: str) -> None:
    registry.tell_annotation(registry.put_raw("a.json", b"{}"), document("logo"))
    assert registry.client.delete(image).status_code == 204
    assert registry.client.delete(image).status_code == 404
    assert left(registry) == []
    assert registry.client.get(f"{registry.address}/uploads/up1").json()["counts"] == {}
    registry.tell_image(registry.put_raw("a.jpg", b"a"), b"a")
    assert registry.client.get(image).json()["state"] == "received"


def test_images_are_listed_by_state(registry: Registry, image: str) -> None:
    registry.tell_image(registry.source("b.jpg", b"b"), b"b", split="val")
    registry.client.put(f"{image}/annotation", json=document("logo"))
    assert [found["name"] for found in registry.list_images("accepted")] == ["a.jpg"]
    assert [(found["name"], found["split"]) for found in registry.list_images("received")] == [
        ("b.jpg", "val")
    ]
    assert registry.client.get(f"{registry.address}/images?state=lost").status_code == 422
