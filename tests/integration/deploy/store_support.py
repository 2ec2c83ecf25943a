"""An operator at work with `deploy.store`."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from minio import Minio
from pydantic import SecretStr

from assay_shared.keys import BUCKETS, LIVE, brand_key
from assay_shared.settings import StoreSettings
from assay_shared.storage import ObjectStore, connect
from deploy.store.__main__ import main

SERVICES = ("registry", "ingest", "trainer", "inference", "engine")
SECRETS = {f"assay-{service}": f"the-secret-of-{service}-1" for service in SERVICES}
Content = dict[tuple[str, str], tuple[bytes, str]]


@dataclass
class Tool:
    """Runs commands as an operator does, with the environment set."""

    settings: StoreSettings
    client: Minio
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch
    out: str = field(default="", init=False)
    err: str = field(default="", init=False)

    def run(self, *arguments: str | Path) -> int:
        """The exit status; what was printed is in `out` and `err`."""
        status = main([str(argument) for argument in arguments])
        self.out, self.err = self.capsys.readouterr()
        return status

    def do(self, *arguments: str | Path) -> list[str]:
        """The printed lines of a command that must succeed."""
        status = self.run(*arguments)
        assert (status, self.err) == (0, "")
        return self.out.splitlines()

    def refused(self, *arguments: str | Path) -> str:
        """The one line of a command that must fail."""
        assert self.run(*arguments) == 1
        assert len(self.err.splitlines()) == 1
        return self.err

    def add_brand(self, brand: str) -> tuple[str, str]:
        """Credentials of a brand, which is published first."""
        self.put(LIVE, brand_key(brand), b"{}", "application/json")
        made = json.loads(self.do("brand-credentials", "add", brand)[0])
        return made["access_key"], made["secret_key"]

    def as_user(self, access_key: str, secret: str) -> Minio:
        """A client with other keys."""
        return connect(self.settings_of(access_key, secret))

    def settings_of(self, access_key: str, secret: str) -> StoreSettings:
        """The store with other keys."""
        return self.settings.model_copy(update={"access_key": access_key, "secret_key": SecretStr(secret)})

    def put(self, bucket: str, key: str, data: bytes, kind: str = "image/jpeg", part_size: int = 0) -> str:
        """Puts an object as root; gives its etag."""
        done = self.client.put_object(
            bucket, key, io.BytesIO(data), len(data), content_type=kind, part_size=part_size
        )
        return (done.etag or "").strip('"')

    def content(self) -> Content:
        """Every current object: its bytes and content type."""
        found: Content = {}
        for bucket in BUCKETS:
            for item in self.client.list_objects(bucket, recursive=True):
                response = self.client.get_object(bucket, item.object_name or "")
                found[bucket, item.object_name or ""] = (response.data, response.headers["Content-Type"])
                response.close()
                response.release_conn()
        return found

    def etags(self) -> dict[tuple[str, str], str]:
        """Every current object's etag."""
        return {
            (found.bucket, found.key): found.etag
            for bucket in BUCKETS
            for found in ObjectStore(self.settings).list(bucket)
        }

    def empty(self) -> None:
        """Deletes every version of every object."""
        for bucket in BUCKETS:
            # One by one: a key with a control character fits no XML, and so no request for many.
            for found in list(self.client.list_objects(bucket, recursive=True, include_version=True)):
                self.client.remove_object(bucket, found.object_name or "", version_id=found.version_id)
