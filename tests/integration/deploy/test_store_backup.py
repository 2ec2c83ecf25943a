"""Backups of a real MinIO, restored onto stores with other content."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from minio.error import S3Error

from assay_shared.keys import BUCKETS, IMAGES, LIVE, MODELS, QUARANTINE, UPLOADS
from assay_shared.storage import ObjectStore
from deploy.store.clients import connect_admin
from tests.integration.deploy.store_support import SECRETS, Content, Tool

ODD_KEYS = [
    "b/u/with space+plus%20percent%.jpg",
    "b/u/päckchen 中 😀.jpg",
    "b/u/control\x01\n.jpg",
    "b/u/quote'\"<>&;.jpg",
    "b/u/" + "long/" * 150 + "x.jpg",
    "b/u/folder/",
    "b/u/.hidden",
]
DUMP, ENV = os.urandom(3 << 20), b"S3_SECRET_KEY=very-secret\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "dump").write_bytes(DUMP)
    (tmp_path / "dotenv").write_bytes(ENV)
    return tmp_path


def fill(tool: Tool) -> None:
    """A store with everything that is hard."""
    for number, key in enumerate(ODD_KEYS):
        for bucket in (UPLOADS, QUARANTINE):
            tool.put(bucket, key, b"" if key.endswith("/") else f"{bucket} {number}".encode(), "image/png")
    tool.put(IMAGES, "b/empty.jpg", b"")
    tool.put(IMAGES, "b/large.jpg", os.urandom(12_000_000))
    tool.put(MODELS, "b/v1/eight.bin", os.urandom(20_000_000), "application/octet-stream", 8 << 20)
    tool.put(MODELS, "b/v1/whole.bin", os.urandom(6_000_000), "application/octet-stream", 7 << 20)
    tool.put(MODELS, "b/v1/model.json", b"{}", "application/json")
    tool.put(LIVE, "b/brand.json", b"{}", "application/json")
    for version in (b"1", b"2", b"3"):
        tool.put(LIVE, "b/current.json", version, "application/json")


def finish(tool: Tool, folder: Path) -> list[str]:
    return tool.do(
        "backup-finish", folder / "x.tar", "--database-dump", folder / "dump", "--env", folder / "dotenv"
    )


def back_up(tool: Tool, folder: Path) -> Path:
    tool.do("backup-objects", folder / "x.tar")
    finish(tool, folder)
    return folder / "x.tar"


def manifest_of(tool: Tool, path: Path, tmp: Path) -> dict[str, object]:
    done = run_tool("extract", path, "manifest.json")
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def run_tool(*arguments: str | Path, given: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """The tool in a process of its own, for what goes through pipes."""
    command = [sys.executable, "-m", "deploy.store", *map(str, arguments)]
    return subprocess.run(command, input=given, capture_output=True, check=False)


def everything(tool: Tool) -> tuple[Content, dict[tuple[str, str], str]]:
    return tool.content(), tool.etags()


def versions(tool: Tool) -> int:
    return len(list(tool.client.list_objects(LIVE, recursive=True, include_version=True)))


def test_a_backup_has_all_and_plain_tar_reads_it(tool: Tool, folder: Path) -> None:
    fill(tool)
    content, path = tool.content(), folder / "x.tar"
    assert tool.do("backup-objects", path) == [f"{path}: 14 objects stored; now run backup-finish"]
    assert finish(tool, folder)[0] == f"{path}: bucket uploads: 7 objects, {7 * 9 - 9} bytes"
    assert [found.name for found in folder.iterdir() if found.name.startswith("x.tar")] == ["x.tar"]
    assert path.stat().st_mode & 0o777 == 0o600
    manifest = manifest_of(tool, path, folder)
    objects = manifest["objects"]
    assert isinstance(objects, list)
    assert {(entry["bucket"], entry["key"]): entry["content_type"] for entry in objects} == {
        place: kind for place, (_, kind) in content.items()
    }
    listed = subprocess.run(["tar", "tf", path], capture_output=True, check=True).stdout
    assert len(listed.splitlines()) == len(content) + 3
    with tarfile.open(path) as tar:
        for entry in objects:
            member = tar.extractfile(entry["member"])
            assert member is not None
            assert member.read() == content[entry["bucket"], entry["key"]][0]
        assert tar.getnames()[-1] == "manifest.json"
    told = tool.do("check", path)
    assert told[0].startswith(f"{path}: whole, made ")
    assert f"{path}: bucket images: 2 objects, 12000000 bytes" in told


def test_the_manifest_is_of_the_second_phase(tool: Tool, folder: Path) -> None:
    fill(tool)
    tool.do("backup-objects", folder / "x.tar")
    tool.put(IMAGES, "b/new.jpg", b"new")
    tool.put(LIVE, "b/current.json", b"4", "application/json")
    tool.put(IMAGES, "b/empty.jpg", b"no longer")
    tool.client.remove_object(IMAGES, "b/large.jpg")
    tool.client.remove_object(UPLOADS, ODD_KEYS[0])
    wanted = everything(tool)
    finish(tool, folder)
    tool.do("check", folder / "x.tar")
    tool.empty()
    tool.do("restore-objects", folder / "x.tar")
    assert everything(tool) == wanted


def test_a_restore_onto_an_emptied_store(tool: Tool, folder: Path) -> None:
    fill(tool)
    wanted, path = everything(tool), back_up(tool, folder)
    tool.empty()
    tool.do("restore-objects", path)
    assert everything(tool) == wanted
    assert versions(tool) == 2
    again = tool.do("restore-objects", path, "--checked")
    assert again[:-1] == [
        "bucket uploads: 0 put, 0 deleted, 7 kept",
        "bucket images: 0 put, 0 deleted, 2 kept",
        "bucket quarantine: 0 put, 0 deleted, 7 kept",
        "bucket models: 0 put, 0 deleted, 3 kept",
        "bucket live: 0 put, 0 deleted, 2 kept",
    ]


def test_a_restore_onto_other_content(tool: Tool, folder: Path) -> None:
    fill(tool)
    wanted, path = everything(tool), back_up(tool, folder)
    tool.put(LIVE, "b/current.json", b"5", "application/json")
    tool.client.remove_object(LIVE, "b/brand.json")
    tool.put(LIVE, "other/current.json", b"1")
    tool.put(IMAGES, "b/large.jpg", b"changed")
    tool.put(UPLOADS, "b/u/control\x01\x02.jpg", b"strange")
    tool.client.remove_object(UPLOADS, "b/u/folder/")
    tool.client.remove_object(MODELS, "b/v1/model.json")
    told = tool.do("restore-objects", path)
    assert everything(tool) == wanted
    assert versions(tool) == 2
    assert "bucket images: 1 put, 1 deleted, 1 kept" in told
    assert "bucket models: 1 put, 0 deleted, 2 kept" in told


def test_a_restore_onto_a_store_without_buckets(tool: Tool, folder: Path) -> None:
    fill(tool)
    wanted, path = everything(tool), back_up(tool, folder)
    tool.empty()
    for bucket in BUCKETS:
        tool.client.remove_bucket(bucket)
    assert tool.run("is-empty") == 0
    tool.do("restore-objects", path)
    assert everything(tool) == wanted
    assert "bucket live: versioning enabled" in tool.do("setup")


def test_an_empty_store_is_backed_up_too(tool: Tool, folder: Path) -> None:
    path = back_up(tool, folder)
    assert f"{path}: bucket live: 0 objects, 0 bytes" in tool.do("check", path)
    tool.put(LIVE, "b/current.json", b"5")
    tool.do("restore-objects", path)
    assert tool.run("is-empty") == 0


def test_brand_accounts_come_back_with_the_same_secret(tool: Tool, folder: Path) -> None:
    for line in tool.do("brand-credentials", "list"):
        tool.do("brand-credentials", "remove", json.loads(line)["access_key"])
    one, two = tool.add_brand("shoes"), tool.add_brand("hats")
    path = back_up(tool, folder)
    assert manifest_of(tool, path, folder)["brand_access_keys"] == sorted([one[0], two[0]])
    tool.do("brand-credentials", "remove", one[0])
    connect_admin(tool.settings).user_add(two[0], "another-secret")
    told = tool.do("restore-objects", path)
    assert f"account {one[0]}: made" in told
    assert f"account {two[0]}: secret changed" in told
    for brand, user in (("shoes", one), ("hats", two)):
        tool.as_user(*user).put_object(UPLOADS, f"{brand}/u/x", io.BytesIO(b"x"), 1)
    with pytest.raises(S3Error, match="AccessDenied"):
        tool.as_user(*one).put_object(UPLOADS, "hats/u/x", io.BytesIO(b"x"), 1)
    assert [line for line in tool.do("restore-objects", path) if line.startswith("account")] == []


def test_members_go_through_pipes(tool: Tool, folder: Path) -> None:
    path = folder / "x.tar"
    tool.do("backup-objects", path)
    done = run_tool("backup-finish", path, "--database-dump", "-", "--env", folder / "dotenv", given=DUMP)
    assert (done.returncode, done.stderr) == (0, b"")
    assert sorted(found.name for found in folder.iterdir()) == ["dotenv", "dump", "x.tar"]
    assert run_tool("extract", path, "database.dump").stdout == DUMP
    assert run_tool("extract", path, "env").stdout == ENV
    done = run_tool("extract", path, "objects")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_a_damaged_archive_changes_nothing(tool: Tool, folder: Path) -> None:
    fill(tool)
    path = back_up(tool, folder)
    whole = path.read_bytes()
    tool.put(IMAGES, "b/empty.jpg", b"another")
    before = everything(tool)
    with tarfile.open(path) as tar:
        members = {found.name: found for found in tar.getmembers()}
    large, model = members["objects/images/b/large.jpg"], members["objects/models/b/v1/model.json"]

    def refused(data: bytes, *told: str) -> None:
        path.write_bytes(data)
        for command in ("check", "restore-objects"):
            line = tool.refused(command, path)
            assert all(word in line for word in (str(path), *told)), line
        assert everything(tool) == before

    flipped = bytearray(whole)
    flipped[large.offset_data + 7_000_000] ^= 1
    refused(bytes(flipped), "'objects/images/b/large.jpg' is damaged")
    flipped = bytearray(whole)
    flipped[members["env"].offset_data] ^= 1
    refused(bytes(flipped), "'env' is damaged")
    assert tool.refused("extract", path, "env").count("'env' is damaged") == 1
    refused(whole[: large.offset_data + 1000], "ends inside member 'objects/images/b/large.jpg'")
    refused(whole[: model.offset_data], "ends inside member 'objects/models/b/v1/model.json'")
    refused(whole[: model.offset], "'manifest.json' is missing")
    refused(whole[: members["manifest.json"].offset_data + 5], "ends inside member 'manifest.json'")
    broken = bytearray(whole)
    broken[model.offset + 3] ^= 0xFF
    refused(bytes(broken), "'manifest.json' is missing")
    # The same archive without one member.
    gap = whole[: model.offset] + whole[model.offset_data + 512 :]
    refused(gap, "'objects/models/b/v1/model.json' is missing")
    refused(b"no tar at all" * 1000, "no tar archive")
    refused(b"", "no tar archive")


def test_phases_in_the_wrong_order_are_refused(tool: Tool, folder: Path) -> None:
    path = folder / "x.tar"
    finishing = ("backup-finish", path, "--database-dump", folder / "dump", "--env", folder / "dotenv")
    assert "run backup-objects" in tool.refused(*finishing)
    tool.put(IMAGES, "b/x.jpg", b"x")
    tool.do("backup-objects", path)
    assert "is there already" in tool.refused("backup-objects", path)
    assert "manifest.json' is missing" in tool.refused("check", path)
    assert "No such file" in tool.refused("restore-objects", folder / "nothing.tar")
    # An empty dump is no dump; afterwards the second phase can be run again, to its end.
    (folder / "dump").write_bytes(b"")
    assert "database.dump would be empty" in tool.refused(*finishing)
    (folder / "dump").write_bytes(DUMP)
    tool.do(*finishing)
    tool.do("check", path)
    assert "run backup-objects" in tool.refused(*finishing)
    tool.monkeypatch.setenv("S3_ENDPOINT", "http://127.0.0.1:9")
    assert "does not answer" in tool.refused("backup-objects", folder / "y.tar")
    assert not list(folder.glob("y.tar*"))


def test_a_backup_is_restored_under_another_prefix(
    tool: Tool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tool)
    before, backup = tool.content(), back_up(tool, folder)
    monkeypatch.setenv("S3_BUCKET_PREFIX", "acme-")
    made = tool.do("setup")
    assert made[:5] == [f"bucket acme-{bucket}: made" for bucket in BUCKETS]
    tool.do("restore-objects", backup)
    assert tool.content() == before  # the buckets without a prefix are somebody else's
    moved = ObjectStore(tool.settings.model_copy(update={"bucket_prefix": "acme-"}))
    restored = {
        (found.bucket, found.key): moved.get(found.bucket, found.key)
        for bucket in BUCKETS
        for found in moved.list(bucket)
    }
    assert restored == {place: data for place, (data, _) in before.items()}
    again = folder / "again"
    again.mkdir()
    for name in ("dump", "dotenv"):
        (again / name).write_bytes((folder / name).read_bytes())
    tool.do("check", back_up(tool, again))
    assert tool.run("is-empty") == 1
    user = tool.as_user("assay-engine", SECRETS["assay-engine"])
    assert user.get_object("acme-live", "b/brand.json").data == b"{}"
    with pytest.raises(S3Error, match="AccessDenied"):
        user.get_object(LIVE, "b/brand.json")
    key = json.loads(tool.do("brand-credentials", "add", "b")[0])
    assert (key["bucket"], key["prefix"]) == ("acme-uploads", "b/")
    tool.do("brand-credentials", "remove", key["access_key"])
    monkeypatch.delenv("S3_BUCKET_PREFIX")
    tool.do("setup")
