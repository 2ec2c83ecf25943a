"""`model.tar.gz` of whatever job: a model version comes out, or an error, and nothing outside is touched."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay_trainer import artifact
from assay_trainer.artifact import ArtifactUnusable, unpack_artifact
from tests.support.live_model import describe_model

WEIGHTS = b"weights"
DESCRIPTION = describe_model("acme", "mv_1", WEIGHTS, 96).model_copy(
    update={
        "run": "run_1",
        "files": {
            "model.safetensors": hashlib.sha256(WEIGHTS).hexdigest(),
            "report/curves.png": hashlib.sha256(b"png").hexdigest(),
        },
    }
)
GOOD = {
    "model.json": DESCRIPTION.model_dump_json().encode(),
    "model.safetensors": WEIGHTS,
    "report/curves.png": b"png",
    "training/epoch-00003.tar": b"checkpoint",
}


def pack(path: Path, files: dict[str, bytes], *extra: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for member in extra:
            archive.addfile(member, io.BytesIO(b"\0" * member.size))
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def unpack(archive: Path, folder: Path) -> Path:
    return unpack_artifact(archive, folder, "acme", "mv_1", "run_1")


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = kind, link, size
    return made


@pytest.mark.parametrize("prefix", ["", "./"])
def test_a_model_version_comes_out_whole(tmp_path: Path, prefix: str) -> None:
    files = {prefix + name: content for name, content in GOOD.items()}
    archive = pack(tmp_path / "a", files, member(f"{prefix}report", tarfile.DIRTYPE))
    folder = unpack(archive, tmp_path / "model")
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
    assert found == GOOD
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "model"]


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (member("/etc/passwd"), "outside of its folder"),
        (member("../outside"), "outside of its folder"),
        (member("report/../../outside"), "outside of its folder"),
        (member("report", tarfile.SYMTYPE, "/tmp"), "no plain file"),
        (member("report/link", tarfile.SYMTYPE, "../../outside"), "no plain file"),
        (member("report/hard", tarfile.LNKTYPE, "/etc/passwd"), "no plain file"),
        (member("pipe", tarfile.FIFOTYPE), "no plain file"),
        (member("device", tarfile.CHRTYPE), "no plain file"),
        (member("model.json"), "cannot be read"),
        (member("evil.py"), "evil.py, which its model.json does not say"),
        (member("training/last.pt"), "training/last.pt, which"),
        (member("model.json/inside"), "cannot be read"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_what_is_no_part_of_a_model_version_is_refused(
    tmp_path: Path, extra: tarfile.TarInfo, words: str
) -> None:
    with pytest.raises(ArtifactUnusable, match=words):
        unpack(pack(tmp_path / "a", GOOD, extra), tmp_path / "model")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda files: files.pop("model.json"), "no model.json"),
        (lambda files: files.update({"model.json": b"{"}), "no model.json"),
        (lambda files: files.pop("model.safetensors"), "lacks model.safetensors"),
        (lambda files: files.update({"model.safetensors": b"other"}), "model.safetensors, which"),
        (
            lambda files: files.update(
                {"model.json": DESCRIPTION.model_copy(update={"run": "run_2"}).model_dump_json().encode()}
            ),
            "that of another run",
        ),
    ],
)
def test_a_model_that_is_not_what_it_says_is_refused(
    tmp_path: Path, change: Callable[[dict[str, bytes]], object], words: str
) -> None:
    files = dict(GOOD)
    change(files)
    with pytest.raises(ArtifactUnusable, match=words):
        unpack(pack(tmp_path / "a", files), tmp_path / "model")


def test_bombs_are_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifact, "MAX_BYTES", 5 << 20)
    bomb = pack(tmp_path / "a", {"model.json": b"\0" * (6 << 20)})
    assert bomb.stat().st_size < 100_000
    with pytest.raises(ArtifactUnusable, match="larger than 5 MB"):
        unpack(bomb, tmp_path / "model")
    # A name of 3 MB, which tarfile would read into memory before anybody sees it.
    with gzip.open(tmp_path / "b", "wb") as file:
        file.write(member("x" * 90, tarfile.GNUTYPE_LONGNAME, size=3 << 20).tobuf() + b"x" * (3 << 20))
    with pytest.raises(ArtifactUnusable, match="a header that no file of a model needs"):
        unpack(tmp_path / "b", tmp_path / "second")
    monkeypatch.setattr(artifact, "MAX_FILES", 3)
    with pytest.raises(ArtifactUnusable, match="more than 3 files"):
        unpack(pack(tmp_path / "c", GOOD), tmp_path / "third")


NAMES = st.one_of(
    st.sampled_from(
        ["..", "../x", "/x", "a/../../x", "model.json", "report/x", ".", "", "a//b", "~/x", "C:\\x"]
    ),
    st.lists(st.sampled_from(["..", ".", "a", "model", "x", "report"]), max_size=5).map("/".join),
    st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=20),
)
KINDS = st.sampled_from(
    [
        *(tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE),
        *(tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.CONTTYPE, tarfile.GNUTYPE_SPARSE, b"X"),
    ]
)
MEMBERS = st.lists(st.tuples(NAMES, KINDS, NAMES, st.binary(max_size=30)), max_size=6)


@settings(max_examples=200)
@given(members=MEMBERS, cut=st.floats(0, 1), garbage=st.binary(max_size=30))
def test_no_tar_writes_outside(
    members: list[tuple[str, bytes, str, bytes]], cut: float, garbage: bytes
) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "outside").write_bytes(b"untouched")
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for path, kind, link, content in members:
                archive.addfile(member(path, kind, link, len(content)), io.BytesIO(content))
        plain = buffer.getvalue()
        (root / "work").mkdir()
        (root / "work/a").write_bytes(gzip.compress(plain[: int(len(plain) * cut)] + garbage))
        with pytest.raises(ArtifactUnusable):
            unpack(root / "work/a", root / "work/model")
        assert sorted(path.name for path in root.iterdir()) == ["outside", "work"]
        assert sorted(path.name for path in (root / "work").iterdir()) == ["a", "model"]
        assert (root / "outside").read_bytes() == b"untouched"
        inside = list((root / "work/model").rglob("*"))
        assert all(path.is_dir() or path.is_file() for path in inside)
        assert not any(path.is_symlink() for path in inside)
