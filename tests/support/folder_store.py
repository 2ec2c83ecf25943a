"""Objects in memory: what the engine needs of the store, with switches for what stores do wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson

from assay_shared.errors import NotFound, StoreUnavailable
from assay_shared.keys import pointer_key
from assay_shared.model_description import ModelDescription


class FolderStore:
    """Bucket `live`. `down`: nothing is answered; `broken`: what `get_file` raises, by key."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.down = False
        self.broken: dict[str, Exception] = {}
        self.fetched: list[str] = []
        self._open = threading.Event()
        self._open.set()

    def get_file(self, bucket: str, key: str, path: Path) -> None:
        assert bucket == "live"
        self._open.wait(30)
        self.fetched.append(key)
        if self.down:
            raise StoreUnavailable("down")
        if key in self.broken:
            raise self.broken[key]
        if key not in self.objects:
            raise NotFound(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.objects[key])

    def get_json(self, bucket: str, key: str) -> object:
        assert bucket == "live"
        if self.down:
            raise StoreUnavailable("down")
        if key not in self.objects:
            raise NotFound(key)
        value: object = orjson.loads(self.objects[key])
        return value

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nothing is answered until the block ends, and then all of it."""
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    def publish(self, description: ModelDescription, weights: bytes) -> None:
        """Lays a model version down; `point` makes it live."""
        folder = f"{description.brand}/{description.version}"
        self.objects[f"{folder}/model.json"] = description.model_dump_json().encode()
        self.objects[f"{folder}/model.safetensors"] = weights

    def point(self, brand: str, version: str) -> None:
        """Makes a version the live one."""
        self.objects[pointer_key(brand)] = orjson.dumps({"version": version, "since": "2026-11-01T00:00:00Z"})
