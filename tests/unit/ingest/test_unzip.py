from __future__ import annotations

import io
import stat
import warnings
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_ingest.unzip import ArchiveRefused, Limits, open_archive

LIMITS = Limits(members=5, member_bytes=1_000_000, total_bytes=3_000_000)


def packed(*files: tuple[str | zipfile.ZipInfo, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of names that come twice
        with zipfile.ZipFile(out, "w", compression) as file:
            for name, data in files:
                file.writestr(name, data)
    return out.getvalue()


def contents(data: bytes, folder: Path, limits: Limits = LIMITS) -> dict[str, bytes]:
    path = folder / "a.zip"
    path.write_bytes(data)
    with open_archive(path, limits) as archive:
        archive.verify()
        return {name: archive.read(name) for name in archive.names}


def test_reads_files_and_leaves_out_litter(tmp_path: Path) -> None:
    data = packed(
        ("x/", b""), ("x\\a.jpg", b"A"), ("b.json", b"B"), ("__MACOSX/b", b"?"), (".DS_Store", b"?")
    )
    assert contents(data, tmp_path) == {"x/a.jpg": b"A", "b.json": b"B"}


def link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("link.jpg")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def encrypted() -> bytes:
    data = bytearray(packed(("a.jpg", b"A")))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"", "archive-broken", "no .zip archive"),
        (b"PK\x03\x04 something", "archive-broken", "no .zip archive"),
        (packed(("a.jpg", b"A" * 500))[:-30], "archive-broken", "cut off"),
        (
            packed(("a.jpg", b"AAAA")).replace(b"AAAA", b"AAAB"),
            "archive-broken",
            "'a.jpg' in the archive is damaged",
        ),
        (packed(), "archive-invalid", "empty"),
        (packed(("../a.jpg", b"A")), "unsafe-member", "'../a.jpg' leads elsewhere"),
        (packed(("/etc/a.jpg", b"A")), "unsafe-member", "'/etc/a.jpg' leads elsewhere"),
        (packed(("x\\..\\..\\a.jpg", b"A")), "unsafe-member", "leads elsewhere"),
        (packed(("C:\\a.jpg", b"A")), "unsafe-member", "names a drive"),
        (packed((link(), b"/etc/passwd")), "unsafe-member", "is a link"),
        (packed(("a.jpg", b"A"), ("a.jpg", b"B")), "archive-invalid", "'a.jpg' twice"),
        (packed(*((f"{n}.jpg", b"A") for n in range(6))), "too-many-members", "holds 6 files"),
        (packed(("a.jpg", b"A" * 1_000_001)), "too-large", "'a.jpg' in the archive has 1.0 MB"),
        (packed(*((f"{n}.jpg", b"A" * 999_999) for n in range(4))), "too-large", "unpacks to 4 MB"),
        (encrypted(), "archive-invalid", "is encrypted"),
    ],
)
def test_refuses_what_it_cannot_trust(data: bytes, code: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ArchiveRefused) as caught:
        contents(data, tmp_path)
    assert caught.value.code == code
    assert words in caught.value.detail


def test_refuses_a_bomb_before_it_unpacks_it(tmp_path: Path) -> None:
    bomb = packed(("a.jpg", bytes(60_000_000)), compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(ArchiveRefused) as caught:
        contents(bomb, tmp_path, Limits(5, 1 << 30, 1 << 30))
    assert caught.value.code == "decompression-bomb"


@given(st.data())
def test_any_damage_is_found_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = packed(("a.jpg", b"first" * 9), ("b.jpg", b"second" * 9), compression=zipfile.ZIP_DEFLATED)
    broken = bytearray(whole)
    broken[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = contents(bytes(broken), tmp_path_factory.getbasetemp())
    except ArchiveRefused:
        return
    assert set(found.values()) <= {b"first" * 9, b"second" * 9}
