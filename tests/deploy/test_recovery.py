"""Backup and restore: onto empty volumes, onto a box that runs, and back from a restore that fails."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.alike import find_differences
from tests.support.box import Box, TaughtBrand, note_memory
from tests.support.load import Load
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(2400)


@pytest.fixture(scope="module")
def backup(
    box: Box, taught: TaughtBrand, tmp_path_factory: pytest.TempPathFactory, figures: dict[str, float]
) -> Path:
    """A backup that was made while the box was in use."""
    file = tmp_path_factory.mktemp("backups") / "assay.tar"
    with Load(taught.client, taught.test_photos[0].data) as load:
        started = time.monotonic()
        said = box.make("backup", FILE=str(file))
        figures["backup under load, s"] = time.monotonic() - started
        note_memory(figures, box, "serving")
    stood_still = re.search(r"stood still for (\d+) s", said)
    assert stood_still
    figures["backup under load, writers stood still, s"] = float(stood_still[1])
    assert f"backup: {file}" in said
    assert load.verifying.answered > 0
    assert (load.verifying.failed, load.uploading.failed) == (0, 0), load.verifying
    assert load.verifying.retried == 0, load.verifying.refusals
    return file


def judge(taught: TaughtBrand) -> list[dict[str, Any]]:
    """What Assay says of some pictures, without what is new in every answer, once all of it is in the log."""
    bodies = [
        taught.client.verify(photo.data, photo.name, brand="taught").body for photo in taught.test_photos[:6]
    ]
    ids = {body["id"] for body in bodies}
    wait_until(lambda: ids <= set(history(taught)), 60, "what was judged is in the log")
    kept = ("verdict", "score", "checks", "detections", "model_version")
    return [{key: body[key] for key in kept} for body in bodies]


def history(taught: TaughtBrand) -> list[str]:
    return sorted(item["id"] for item in taught.client.call_all("/verifications"))


def test_a_backup_is_one_private_readable_file(backup: Path) -> None:
    assert backup.stat().st_mode & 0o777 == 0o600
    with tarfile.open(backup) as tar:
        names = tar.getnames()
    assert {"database.dump", "env", "manifest.json"} <= set(names)
    assert sorted(path.name for path in backup.parent.iterdir()) == [backup.name]


def test_restore_onto_empty_volumes(
    box: Box, taught: TaughtBrand, tmp_path: Path, figures: dict[str, float]
) -> None:
    file = tmp_path / "assay.tar"
    before = judge(taught)
    images = sorted(image["sha256"] for image in taught.client.images("accepted"))
    box.make("backup", FILE=str(file))
    past = history(taught)
    assert past
    env = (box.folder / ".env").read_text()
    box.compose("down", "-v")
    (box.folder / ".env").unlink()
    figures["backup file, MB"] = file.stat().st_size / 1e6

    started = time.monotonic()
    box.make("restore", FILE=str(file))
    figures["restore onto empty volumes, s"] = time.monotonic() - started
    assert (box.folder / ".env").read_text() == env
    assert not box.unhealthy()
    assert history(taught) == past
    assert not find_differences(judge(taught), before)
    assert sorted(image["sha256"] for image in taught.client.images("accepted")) == images
    assert taught.client.call("GET", "/live")["version"] == taught.run["model_version"]
    key = f"taught/{taught.uploads[1]}/after-restore.txt"
    taught.client.store.put_object("uploads", key, io.BytesIO(b"x"), 1)


def test_a_restore_onto_a_running_box_has_a_way_back(box: Box, taught: TaughtBrand, backup: Path) -> None:
    with box.new_brand("after-the-backup"):
        box.make("restore", FILE=str(backup))
        known = [brand["slug"] for brand in taught.client.call_as_admin("GET", "/v1/brands")["items"]]
        assert "taught" in known
        assert "after-the-backup" not in known
        assert judge(taught)
        [way_back] = backup.parent.glob("before-restore-*.tar")
        box.make("restore", FILE=str(way_back))
        known = [brand["slug"] for brand in taught.client.call_as_admin("GET", "/v1/brands")["items"]]
        assert "after-the-backup" in known


def test_a_damaged_backup_changes_nothing(
    box: Box, taught: TaughtBrand, backup: Path, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.tar"
    cut.write_bytes(backup.read_bytes()[: backup.stat().st_size // 2])
    started = {item["Name"]: item["State"]["StartedAt"] for item in box.inspect()}
    said = box.make("restore", FILE=str(cut), status=1)
    assert "nothing was changed" in said
    assert {item["Name"]: item["State"]["StartedAt"] for item in box.inspect()} == started


def test_a_restore_that_fails_goes_back(box: Box, taught: TaughtBrand, backup: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.tar"
    break_database(backup, broken)
    before = judge(taught)
    past = set(history(taught))
    said = box.make("restore", FILE=str(broken), status=1)
    assert "the box is as it was" in said
    assert not box.unhealthy()
    assert set(history(taught)) >= past
    assert not find_differences(judge(taught), before)


def break_database(backup: Path, broken: Path) -> None:
    """A backup that is whole by its hashes, but whose dump no database takes."""
    dump = b"PGDMP, but not really"
    with tarfile.open(backup) as source, tarfile.open(broken, "w", format=tarfile.PAX_FORMAT) as target:
        for member in source:
            file = source.extractfile(member)
            assert file is not None
            data = file.read()
            if member.name == "database.dump":
                data = dump
            if member.name == "manifest.json":
                manifest = json.loads(data)
                described = manifest["files"]["database.dump"]
                described["sha256"], described["size"] = hashlib.sha256(dump).hexdigest(), len(dump)
                data = json.dumps(manifest).encode()
            member.size = len(data)
            target.addfile(member, io.BytesIO(data))
