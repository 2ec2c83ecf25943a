"""What tests of the registry do again and again."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import FastAPI

from assay_registry.context import Context
from assay_shared.keys import IMAGES, UPLOADS, UploadKey, image_key
from assay_shared.wire import (
    AnnotationArrival,
    ArchiveArrival,
    Arrival,
    ImageArrival,
    QuarantineArrival,
    Source,
)

with warnings.catch_warnings():
    # Starlette warns that its test client shall use another HTTP library one day.
    warnings.simplefilter("ignore")
    from fastapi.testclient import TestClient

__all__ = ["HEIGHT", "WIDTH", "Registry", "TestClient", "both_databases", "document", "sha256_of"]

both_databases = pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)
"""Marks a test that runs on SQLite and on PostgreSQL."""
WIDTH, HEIGHT = 400, 300


def document(*labels: str, width: int = WIDTH, height: int = HEIGHT) -> dict[str, Any]:
    """An annotation document with one box of each label."""
    return {
        "file": "photo.jpg",
        "image_size": [{"width": width, "height": height, "depth": 3}],
        "annotations": [
            {"class_id": number, "left": 10 * number, "top": 20, "width": 50, "height": 60}
            for number, _ in enumerate(labels)
        ],
        "categories": [{"class_id": number, "name": label} for number, label in enumerate(labels)],
    }


def sha256_of(content: bytes) -> str:
    """SHA-256 in hex; a sanitised picture is told by what it was made of."""
    return hashlib.sha256(b"clean:" + content).hexdigest()


@dataclass(frozen=True)
class Registry:
    """A registry, its admin's client, a service's client, and a brand of this test."""

    app: FastAPI
    context: Context
    client: TestClient
    service: TestClient
    brand: str

    @property
    def address(self) -> str:
        """The address of the brand."""
        return f"/v1/brands/{self.brand}"

    def make_key(self, *scopes: str, brand: str | None = None) -> TestClient:
        """Calls with a new key of the brand that has these scopes."""
        answer = self.client.post(
            f"/v1/brands/{brand or self.brand}/keys", json={"name": "a key", "scopes": list(scopes)}
        )
        assert answer.status_code == 201, answer.text
        return TestClient(self.app, headers={"Authorization": f"Bearer {answer.json()['key']}"})

    def put_raw(self, name: str, content: bytes, upload: str = "up1") -> Source:
        """Stores an original in the inbox, as a user of S3 does."""
        key = UploadKey(self.brand, upload, name)
        stored = self.context.store.put(UPLOADS, str(key), content)
        return Source(brand=self.brand, upload=upload, name=name, etag=stored.etag, size=stored.size)

    def source(self, name: str, content: bytes = b"", upload: str = "up1") -> Source:
        """A source without an original in the inbox."""
        etag = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return Source(brand=self.brand, upload=upload, name=name, etag=etag, size=len(content))

    def tell_image(
        self, source: Source, content: bytes, likeness: str | None = None, **changed: Any
    ) -> Arrival:
        """Tells of a sanitised image, known by `content`, as `ingest` does; its clean copy is stored."""
        sha256 = sha256_of(content)
        self.context.store.put(IMAGES, image_key(self.brand, sha256, "jpg"), content)
        arrival = ImageArrival(
            source=source,
            sha256=sha256,
            extension="jpg",
            width=WIDTH,
            height=HEIGHT,
            perceptual_hash=likeness or sha256[:16],
            method="lossless",
            **changed,
        )
        return self.tell("images", arrival)

    def tell_annotation(self, source: Source, content: dict[str, Any]) -> Arrival:
        """Tells of an annotation file, as `ingest` does."""
        return self.tell("annotations", AnnotationArrival(source=source, document=content))

    def tell(
        self, route: str, arrival: ImageArrival | AnnotationArrival | QuarantineArrival | ArchiveArrival
    ) -> Arrival:
        """Tells the internal route and gives its answer."""
        answer = self.service.post(f"/internal/{route}", json=arrival.model_dump(mode="json"))
        assert answer.status_code == 200, answer.text
        return Arrival.model_validate(answer.json())

    def list_images(self, state: str = "") -> list[dict[str, Any]]:
        """The brand's images."""
        answer = self.client.get(f"{self.address}/images", params={"state": state} if state else {})
        found: list[dict[str, Any]] = answer.json()["items"]
        return found
