"""A backup of MinIO becomes the content of AWS S3, and the other way round: how a store moves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from assay_shared.keys import BUCKETS, IMAGES, LIVE, UPLOADS
from assay_shared.settings import StoreSettings
from assay_shared.storage import ObjectStore
from deploy.store.backup import back_up_objects, finish_backup
from deploy.store.checking import check_backup
from deploy.store.restore import restore_objects
from tests.integration.deploy.store_support import Tool
from tests.support.moto import run_moto

MASTER = SecretStr("the-master-secret-of-the-brands")


@pytest.fixture
def amazon() -> Iterator[StoreSettings]:
    """S3 with the five buckets under a prefix; it knows no accounts of MinIO's."""
    with run_moto() as url:
        settings = StoreSettings(
            endpoint=url,
            access_key="test",
            secret_key=SecretStr("test-secret"),
            region="eu-west-1",
            bucket_prefix="acme-",
        )
        ObjectStore(settings).make_buckets(BUCKETS)
        yield settings


def content(settings: StoreSettings) -> dict[tuple[str, str], bytes]:
    store = ObjectStore(settings)
    return {
        (one.bucket, one.key): store.get(one.bucket, one.key)
        for bucket in BUCKETS
        for one in store.list(bucket)
    }


def back_up(settings: StoreSettings, path: Path, *, accounts: bool) -> Path:
    given = path.with_suffix(".given")
    given.write_bytes(b"something")
    back_up_objects(settings, path)
    finish_backup(settings, path, given, given, accounts=accounts)
    return path


def test_a_store_moves_to_amazon_and_back(tool: Tool, amazon: StoreSettings, tmp_path: Path) -> None:
    access_key, _ = tool.add_brand("shoes")
    tool.put(UPLOADS, "b/u/päckchen 1+2.jpg", b"waiting")
    tool.put(IMAGES, "b/large.jpg", os.urandom(12_000_000))
    for version in (b"1", b"2"):
        tool.put(LIVE, "b/current.json", version, "application/json")
    before = content(tool.settings)
    ObjectStore(amazon).put(IMAGES, "b/stale.jpg", b"of another time")

    backup = check_backup(back_up(tool.settings, tmp_path / "home.tar", accounts=True))
    lines = list(restore_objects(amazon, MASTER, backup, listing=True, accounts=False))
    assert f"account {access_key}: left out, this store has no accounts" in lines
    assert content(amazon) == before
    etags = {one.key: one.etag for one in ObjectStore(amazon).list(UPLOADS)}
    assert etags == {one.key: one.etag for one in ObjectStore(tool.settings).list(UPLOADS)}

    ObjectStore(amazon).put(LIVE, "b/current.json", b"3")
    away = check_backup(back_up(amazon, tmp_path / "away.tar", accounts=False))
    assert away.manifest.brand_access_keys == []
    tool.empty()
    list(restore_objects(tool.settings, MASTER, away, listing=True, accounts=True))
    assert content(tool.settings) == before | {(LIVE, "b/current.json"): b"3"}
    tool.do("brand-credentials", "remove", access_key)
