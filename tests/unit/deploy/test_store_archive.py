"""The archive of a backup: names, sizes and hashes survive, and damage is named."""

from __future__ import annotations

import hashlib
import io
import tarfile
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.store.archive import ArchiveWriter, MemberReader, hash_member, member_name, read_members
from deploy.store.errors import ArchiveDamaged

SEGMENTS = st.text(
    st.characters(exclude_characters="/\x00", exclude_categories=["Cs"]), min_size=1, max_size=120
).filter(lambda text: text.strip() not in (".", ".."))
KEYS = st.tuples(st.lists(SEGMENTS, min_size=1, max_size=12), st.booleans()).map(
    lambda parts: "/".join(parts[0]) + ("/" if parts[1] else "")
)


@given(st.dictionaries(KEYS, st.binary(max_size=2000), max_size=6))
def test_any_key_and_content_survives(objects: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.tar"
        with path.open("w+b") as file:
            archive = ArchiveWriter(file)
            for key, data in objects.items():
                digest = archive.add(member_name("objects", "uploads", key), io.BytesIO(data), len(data))
                assert digest == hashlib.sha256(data).hexdigest()
            archive.close()
        members = {member.name: member for member in read_members(path)}
        assert members.keys() == {member_name("objects", "uploads", key) for key in objects}
        assert len(members) == len(objects)
        for key, data in objects.items():
            with MemberReader(path, members[member_name("objects", "uploads", key)]) as reader:
                assert reader.read(-1) == data


def test_more_is_appended_where_the_first_part_ends(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with path.open("w+b") as file:
        archive = ArchiveWriter(file)
        archive.add("a", io.BytesIO(b"a"), 1)
        end = archive.close()
    for _ in range(2):
        with path.open("r+b") as file:
            archive = ArchiveWriter(file, end)
            archive.add("b", io.BytesIO(b"b"), 1)
            archive.close()
        with tarfile.open(path) as tar:
            assert tar.getnames() == ["a", "b"]


def test_a_member_that_breaks_off_leaves_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with path.open("w+b") as file:
        archive = ArchiveWriter(file)
        archive.add("a", io.BytesIO(b"a"), 1)
        with pytest.raises(OSError, match="unexpected end"):
            archive.add("broken", io.BytesIO(bytes(100_000)), 200_000)
        archive.add("b", io.BytesIO(bytes(1000)), 1000)
        archive.close()
    members = list(read_members(path))
    assert [(member.name, member.size) for member in members] == [("a", 1), ("b", 1000)]
    assert hash_member(path, members[1]) == hashlib.sha256(bytes(1000)).hexdigest()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE])
def test_what_is_no_plain_file_is_refused(tmp_path: Path, kind: bytes) -> None:
    member = tarfile.TarInfo("objects/uploads/x")
    member.type = kind
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        tar.addfile(member)
    with pytest.raises(ArchiveDamaged, match="'objects/uploads/x' is no plain file"):
        list(read_members(tmp_path / "x.tar"))


@given(st.binary(max_size=3000))
def test_bytes_that_are_no_archive_are_refused(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.tar"
        path.write_bytes(data)
        # Nothing else is raised, and no member is made up.
        with suppress(ArchiveDamaged):
            assert list(read_members(path)) == []
