"""Two at work on the same files: nothing is lost, and the newest stays."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from assay_registry.context import Context
from assay_registry.files import CLAIM_LASTS
from assay_registry.models import FileRow
from assay_registry.pairing import count_pending, quarantine_unpaired
from assay_registry.uploads import PART, Etag
from assay_shared.ids import utc_now
from assay_shared.keys import IMAGES, QUARANTINE, UPLOADS, UploadKey, annotation_key, quarantine_key
from assay_shared.settings import StoreSettings
from assay_shared.storage import ObjectStore, StoredObject
from tests.integration.registry.support import Registry, both_databases, document, sha256_of


class SlowStore(ObjectStore):
    """The real store, before whose first JSON something else happens: another process was faster."""

    def __init__(self, settings: StoreSettings, meanwhile: Callable[[], object]) -> None:
        super().__init__(settings)
        self._meanwhile: Callable[[], object] | None = meanwhile

    def put_json(self, bucket: str, key: str, value: object) -> StoredObject:
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile:
            meanwhile()
        return super().put_json(bucket, key, value)


def slow(context: Context, meanwhile: Callable[[], object]) -> Context:
    return replace(context, store=SlowStore(context.settings.store, meanwhile))


def new_upload(registry: Registry) -> str:
    return str(registry.client.post(f"{registry.address}/uploads").json()["id"])


def counts(registry: Registry, upload: str) -> dict[str, int]:
    found: dict[str, int] = registry.client.get(f"{registry.address}/uploads/{upload}").json()["counts"]
    return found


@both_databases
def test_giving_up_twice_at_once_keeps_the_original(registry: Registry) -> None:
    source = registry.put_raw("a.jpg", b"original")
    registry.tell_image(source, b"original")
    other: list[int] = []
    first = slow(
        registry.context, lambda: other.append(quarantine_unpaired(registry.context, registry.brand))
    )
    assert quarantine_unpaired(first, registry.brand) == 0
    assert other == [1]
    kept = quarantine_key(UploadKey(registry.brand, "up1", "a.jpg"), source.etag)
    assert registry.context.store.get(QUARANTINE, kept) == b"original"


def test_giving_up_while_the_other_half_comes_leaves_nothing_in_quarantine(registry: Registry) -> None:
    registry.tell_image(registry.put_raw("a.jpg", b"1"), b"1")
    annotation = registry.put_raw("a.json", b"2")
    late = slow(registry.context, lambda: registry.tell_annotation(annotation, document("logo")))
    assert quarantine_unpaired(late, registry.brand) == 0
    assert [image["state"] for image in registry.list_images()] == ["accepted"]
    assert list(registry.context.store.list(QUARANTINE, f"{registry.brand}/")) == []


def test_the_annotation_beside_an_image_is_the_newest(registry: Registry) -> None:
    registry.tell_image(registry.put_raw("a.jpg", b"1"), b"1")
    address = f"{registry.address}/images/{sha256_of(b'1')}/annotation"

    def annotate_again() -> None:
        registry.app.state.context = registry.context
        assert registry.client.put(address, json=document("newest")).status_code == 200

    registry.app.state.context = slow(registry.context, annotate_again)
    assert registry.client.put(address, json=document("older")).status_code == 200
    mirror = registry.context.store.get_json(IMAGES, annotation_key(registry.brand, sha256_of(b"1")))
    assert mirror == registry.client.get(address).json()
    assert registry.list_images()[0]["annotations"][0]["label"] == "newest"


@both_databases
def test_two_images_of_one_name_at_once(registry: Registry) -> None:
    upload = new_upload(registry)
    both = threading.Barrier(2)

    def put(content: bytes) -> int:
        both.wait()
        address = f"{registry.address}/uploads/{upload}/files/a.jpg"
        return int(registry.client.put(address, content=content).status_code)

    with ThreadPoolExecutor(2) as pool:
        statuses = dict(zip([b"x", b"y"], pool.map(put, [b"x", b"y"]), strict=True))
    assert sorted(statuses.values()) == [202, 409]
    stored = registry.context.store.get(UPLOADS, f"{registry.brand}/{upload}/a.jpg")
    assert statuses[stored] == 202


def test_what_was_overwritten_before_it_was_read_is_forgotten(registry: Registry) -> None:
    upload = new_upload(registry)
    for content in (b"1", b"2"):
        address = f"{registry.address}/uploads/{upload}/files/a.json"
        assert registry.client.put(address, content=content).status_code == 202
    registry.tell_annotation(registry.source("a.json", b"2", upload), document("logo"))
    registry.tell_image(registry.put_raw("a.jpg", b"3", upload), b"3")
    assert counts(registry, upload) == {"accepted": 2}


@both_databases
def test_what_left_the_inbox_unread_is_told(registry: Registry) -> None:
    upload = new_upload(registry)
    registry.client.put(f"{registry.address}/uploads/{upload}/files/a.jpg", content=b"x")
    registry.context.store.delete(UPLOADS, f"{registry.brand}/{upload}/a.jpg")
    assert count_pending(registry.context, registry.brand) == 0
    quarantine_unpaired(registry.context, registry.brand)
    assert counts(registry, upload) == {"received": 1}, "it may still be on its way into the store"
    with registry.context.database.session() as session:
        session.execute(update(FileRow).values(created_at=utc_now() - CLAIM_LASTS - timedelta(seconds=1)))
    quarantine_unpaired(registry.context, registry.brand)
    (file,) = registry.client.get(f"{registry.address}/uploads/{upload}").json()["files"]
    assert (file["state"], file["code"]) == ("quarantined", "vanished")
    assert "Upload it again" in file["reason"]


@pytest.mark.parametrize("size", [0, 1, PART, PART + 1, 2 * PART, 2 * PART + 7])
def test_the_etag_is_the_stores(object_store: ObjectStore, size: int) -> None:
    content = os.urandom(size)
    etag = Etag()
    for start in range(0, size, 1_000_003):
        etag.update(content[start : start + 1_000_003])
    assert etag.get() == object_store.put(UPLOADS, "etags/up/a.jpg", content).etag
    object_store.delete(UPLOADS, "etags/up/a.jpg")


def test_the_same_large_file_again_is_no_error(registry: Registry) -> None:
    larger = registry.context.settings.model_copy(update={"max_upload_bytes": 2 * PART})
    registry.app.state.context = replace(registry.context, settings=larger)
    address = f"{registry.address}/uploads/{new_upload(registry)}/files/a.jpg"
    content = os.urandom(PART + 1)
    assert registry.client.put(address, content=content).status_code == 202
    assert registry.client.put(address, content=content).status_code == 202
    assert registry.client.put(address, content=content[:-1]).status_code == 409
