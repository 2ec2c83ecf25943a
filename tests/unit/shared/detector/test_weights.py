"""The weights file: what goes in comes out, and nothing else does."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from assay_shared.detector.architecture import build_detector
from assay_shared.detector.weights import (
    WeightsInvalid,
    hash_file,
    load_weights,
    read_flat_weights,
    save_weights,
)
from assay_shared.errors import InvalidRequest
from tests.unit.shared.detector.conftest import LABELS


def test_weights_come_back_and_are_small_and_no_pickle(weights_file: Path, tmp_path: Path) -> None:
    detector = build_detector("yolov5nu", LABELS)
    load_weights(detector, weights_file)
    again = tmp_path / "again.safetensors"
    save_weights(detector, again)
    assert hash_file(again) == hash_file(weights_file)
    data = weights_file.read_bytes()
    header = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])
    assert {entry["dtype"] for entry in header.values()} == {"F16"}
    assert not any("running_mean" in name or ".bn." in name for name in header)
    assert len(data) < 6_000_000


@pytest.mark.parametrize("cut", [0, 4, 2000, 1_000_000])
def test_a_cut_file_is_refused(weights_file: Path, tmp_path: Path, cut: int) -> None:
    broken = tmp_path / "model.safetensors"
    broken.write_bytes(weights_file.read_bytes()[:cut])
    with pytest.raises(WeightsInvalid, match=r"model\.safetensors"):
        load_weights(build_detector("yolov5nu", LABELS), broken)


def test_other_shapes_names_and_numbers_are_refused(weights_file: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsInvalid, match="shape"):
        load_weights(build_detector("yolov5nu", 3), weights_file)
    tensors = load_file(weights_file)
    name = next(iter(tensors))
    odd = tmp_path / "odd.safetensors"
    save_file({key: value for key, value in tensors.items() if key != name}, odd)
    with pytest.raises(WeightsInvalid, match="other weights"):
        load_weights(build_detector("yolov5nu", LABELS), odd)
    for number in ("nan", "inf", "-inf"):
        save_file(tensors | {name: torch.full_like(tensors[name], float(number))}, odd)
        with pytest.raises(WeightsInvalid, match="not finite"):
            load_weights(build_detector("yolov5nu", LABELS), odd)
    largest = {name: torch.full_like(tensors[name], -torch.finfo(torch.float16).max)}
    save_file(tensors | largest, odd)
    load_weights(build_detector("yolov5nu", LABELS), odd)


def test_a_files_bytes_are_as_good_as_the_file(weights_file: Path) -> None:
    one, other = (build_detector("yolov5nu", LABELS) for _ in range(2))
    load_weights(one, weights_file)
    load_weights(other, weights_file.read_bytes())
    assert all(torch.equal(one.state_dict()[key], value) for key, value in other.state_dict().items())
    with pytest.raises(WeightsInvalid, match="The weights file cannot be read"):
        load_weights(other, weights_file.read_bytes()[:2000])


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="yolov9"):
        build_detector("yolov9", 2)


def test_flat_weights_are_the_files_in_the_order_asked_for(weights_file: Path) -> None:
    tensors = load_file(weights_file)
    shapes = {name: tuple(tensors[name].shape) for name in sorted(tensors, reverse=True)}
    flat = read_flat_weights(weights_file, shapes)
    assert flat.nbytes < weights_file.stat().st_size
    expected = torch.cat([tensors[name].flatten() for name in shapes])
    assert np.array_equal(flat, expected.numpy())
    with pytest.raises(WeightsInvalid, match="other weights"):
        read_flat_weights(weights_file, {"something": (1,)})
