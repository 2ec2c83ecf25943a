"""Checkpoints that are copied by others at any time: the newest whole one counts."""

from __future__ import annotations

import io
import tarfile
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from assay_shared.wire import Progress
from assay_trainer.checkpoint_files import HISTORY, HISTORY_FILE
from assay_trainer.job_checkpoints import SLOTS, find_checkpoint, keep_checkpoint, name_slot, read_epoch


def pack(path: Path, epoch: int, *, weights: bytes = b"weights" * 500) -> Path:
    history = HISTORY.dump_json([Progress(epoch=number + 1, epochs=9) for number in range(epoch)])
    with tarfile.open(path, "w") as archive:
        for name, content in (("last.pt", weights), (HISTORY_FILE, history)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_the_newest_of_few_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    assert find_checkpoint(folder) is None
    for epoch in range(1, 6):
        packed = pack(tmp_path / f"epoch-{epoch:05d}.tar", epoch)
        keep_checkpoint(packed, epoch, folder)
        found = find_checkpoint(folder)
        assert found == folder / name_slot(epoch)
        assert read_epoch(found) == epoch
    assert len(list(folder.iterdir())) == SLOTS


def test_one_that_was_replaced_meanwhile_is_left(tmp_path: Path) -> None:
    keep_checkpoint(tmp_path / "gone.tar", 1, tmp_path)
    assert find_checkpoint(tmp_path) is None


@given(share=st.floats(0, 0.99), garbage=st.binary(max_size=40))
def test_a_cut_or_damaged_one_does_not_count(share: float, garbage: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pack(folder / name_slot(3), 3)
        newest = pack(folder / name_slot(4), 4)
        whole = newest.read_bytes().rstrip(b"\0")
        newest.write_bytes(whole[: int(len(whole) * share)])
        assert find_checkpoint(folder) == folder / name_slot(3)
        newest.write_bytes(garbage)
        assert find_checkpoint(folder) == folder / name_slot(3)


def test_one_without_weights_does_not_count(tmp_path: Path) -> None:
    assert read_epoch(pack(tmp_path / "checkpoint-0.tar", 2, weights=b"")) == 0
