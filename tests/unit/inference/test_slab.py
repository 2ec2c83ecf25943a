"""Slabs: where each weight lies, and the memory that they wait in."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save

from assay_engine.device import CpuDevice
from assay_engine.slab import ALIGNMENT, CHUNK_BYTES, HostMemory, Layout, copy_to_device
from assay_shared.detector.weights import WeightsInvalid
from assay_shared.model_description import ModelDescription
from tests.support.live_model import describe_model

shapes = st.dictionaries(
    st.text(st.characters(codec="ascii", categories=["L"]), min_size=1, max_size=8),
    st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple),
    min_size=1,
    max_size=8,
)


def describe(weights: bytes) -> ModelDescription:
    return describe_model("acme", "v1", weights)


@given(shapes, st.integers(0, 100))
def test_each_weight_comes_back_from_its_place(shapes: dict[str, tuple[int, ...]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = save({name: torch.from_numpy(rng.normal(size=shape)).half() for name, shape in shapes.items()})
    layout = Layout(shapes)
    numbers = torch.full((layout.numbers,), 7.0).half()
    layout.fill(numbers, weights)
    for name, view in layout.view(numbers).items():
        assert torch.equal(view, load(weights)[name])
        assert view.untyped_storage().data_ptr() == numbers.data_ptr()
        assert view.storage_offset() % ALIGNMENT == 0
        if view.ndim == 4:
            assert view.is_contiguous(memory_format=torch.channels_last)
    assert layout.numbers <= sum(view.numel() + ALIGNMENT for view in layout.view(numbers).values())


def test_other_files_are_refused_and_their_place_is_free_again() -> None:
    layout, memory = Layout({"weight": (3,)}), HostMemory(CpuDevice())
    for wrong in (
        b"no weights",
        save({"weight": torch.ones(4).half()}),
        save({"other": torch.ones(3).half()}),
    ):
        with pytest.raises(WeightsInvalid):
            memory.stage(layout, wrong, describe(wrong))
    assert memory.count_bytes() == 0


def test_places_are_given_again_and_chunks_go() -> None:
    # Four slabs a chunk.
    layout, memory = Layout({"weight": (CHUNK_BYTES // 8,)}), HostMemory(CpuDevice())
    weights = save({"weight": torch.ones(CHUNK_BYTES // 8).half()})
    staged = [memory.stage(layout, weights, describe(weights)) for _ in range(5)]
    assert len({one.numbers.data_ptr() for one in staged}) == 5
    assert memory.count_bytes() == 2 * CHUNK_BYTES
    place = staged[1].numbers.data_ptr()
    del staged[1]
    gc.collect()
    staged.append(memory.stage(layout, weights, describe(weights)))
    assert staged[-1].numbers.data_ptr() == place
    staged.clear()
    gc.collect()
    assert memory.count_bytes() == 0


def test_a_slab_on_the_device_is_a_copy_with_a_serial_of_its_own(tmp_path: Path) -> None:
    layout, device = Layout({"weight": (3,)}), CpuDevice()
    weights = save({"weight": torch.arange(3).half()})
    staged = HostMemory(device).stage(layout, weights, describe(weights))
    slabs = [copy_to_device(staged, device, None) for _ in range(2)]
    staged.numbers.zero_()
    assert slabs[0].serial != slabs[1].serial
    for slab in slabs:
        assert layout.view(slab.numbers)["weight"].tolist() == [0, 1, 2]
