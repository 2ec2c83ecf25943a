"""The whole loop on the embedded stack: photos in, model live, verdict out."""

from __future__ import annotations

import pytest

from deploy.local.demo import check_ingested
from deploy.local.demo_report import prove_clean
from deploy.local.photos.dataset import DemoPhoto
from deploy.local.stack import Stack
from tests.support.stack import LENIENT, TaughtBrand, new_brand, photo_to_judge
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def photo(taught_brand: TaughtBrand) -> DemoPhoto:
    return photo_to_judge(taught_brand.client.brand)


def test_every_photo_is_accepted(taught_brand: TaughtBrand) -> None:
    conclusion = check_ingested(taught_brand.client, taught_brand.uploads, taught_brand.photos)
    assert conclusion.held, conclusion.text


def test_nothing_stored_tells_where_it_was_taken(taught_brand: TaughtBrand) -> None:
    conclusion = prove_clean(taught_brand.client.store, taught_brand.photos)
    assert conclusion.held, conclusion.text


def test_inbox_is_empty_when_all_is_ingested(taught_brand: TaughtBrand) -> None:
    prefix = f"{taught_brand.client.brand.slug}/"

    def leftover() -> list[str | None]:
        found = taught_brand.client.store.list_objects("uploads", prefix, recursive=True)
        return [item.object_name for item in found]

    wait_until(lambda: not leftover(), 20, "the raw uploads are deleted")


def test_live_pointer_names_the_version(taught_brand: TaughtBrand) -> None:
    assert taught_brand.client.call("GET", "/live")["version"] == taught_brand.version


def test_verdict_names_its_version_and_checks(taught_brand: TaughtBrand, photo: DemoPhoto) -> None:
    answer = taught_brand.client.verify(photo.data, brand=taught_brand.client.brand.slug)
    assert answer.status == 200, answer.body
    assert answer.body["model_version"] == taught_brand.version
    assert answer.body["verdict"] in ("genuine", "counterfeit", "inconclusive")
    assert {"image_quality", "barcode", "product", "marks"} <= {c["name"] for c in answer.body["checks"]}


def test_gtin_names_the_brand(taught_brand: TaughtBrand, photo: DemoPhoto) -> None:
    assert photo.product is not None
    answer = taught_brand.client.verify(photo.data, gtin=photo.product.gtin)
    assert answer.status == 200, answer.body
    assert answer.body["brand"] == taught_brand.client.brand.slug


def test_verification_is_logged(taught_brand: TaughtBrand, photo: DemoPhoto) -> None:
    answer = taught_brand.client.verify(photo.data, brand=taught_brand.client.brand.slug)

    def logged() -> bool:
        page = taught_brand.client.call("GET", "/verifications")
        return answer.body["id"] in [item["id"] for item in page["items"]]

    wait_until(logged, 20, "the registry has the verification")


def test_a_reviewed_picture_becomes_a_photo_to_learn_from(
    taught_brand: TaughtBrand, photo: DemoPhoto
) -> None:
    client = taught_brand.client
    client.change_settings({**LENIENT, "kept_pictures": "all"})
    kept: list[str] = []

    def has_picture() -> bool:
        # The verify API knows of the setting within seconds.
        if not kept or not client.images("kept"):
            kept.append(client.verify(photo.data, brand=client.brand.slug).body["id"])
            return False
        pictures = [item["picture"] for item in client.call_all("/verifications") if item["id"] in kept]
        return any(pictures)

    wait_until(has_picture, 30, "a picture of a verification is kept")
    seen = next(item for item in client.call_all("/verifications") if item["picture"])
    (image,) = client.images("kept")
    assert seen["picture"] == image["sha256"]
    assert seen["image"] == {"width": image["width"], "height": image["height"]}
    assert b"Exif" not in client.read(f"/images/{image['sha256']}/content")

    assert client.review(seen["id"], "counterfeit")["review"]["truth"] == "counterfeit"
    client.call("PUT", f"/images/{image['sha256']}/annotation", json=photo.annotation)
    assert client.images("kept") == []
    learnt = client.call("GET", f"/images/{image['sha256']}")
    assert (learnt["state"], learnt["truth"]) == ("accepted", "counterfeit")
    assert client.call("GET", "/figures")["newest"]["verifications"] > 0


def test_brand_without_a_model_gets_a_conflict(
    stack: Stack, taught_brand: TaughtBrand, photo: DemoPhoto
) -> None:
    with new_brand(stack, "untaught") as client:

        def status() -> int:
            return client.verify(photo.data, brand="untaught").status

        wait_until(lambda: status() == 409, 20, "a brand that verify knows, without a live model")
