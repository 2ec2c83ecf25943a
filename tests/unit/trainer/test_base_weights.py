"""Where training starts from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from assay_shared.detector.architecture import build_trainable
from assay_trainer.base_weights import BaseWeightsUnusable, find_bundled, load_base_weights


def test_the_body_is_loaded_and_the_classes_start_anew() -> None:
    torch.manual_seed(1)
    model = build_trainable("yolov5nu", 3)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    shipped = load_file(find_bundled("yolov5nu"))
    fitting = load_base_weights(model, find_bundled("yolov5nu"))
    loaded = model.state_dict()
    body = [name for name in loaded if int(name.split(".")[1]) < 24]
    assert all(torch.equal(loaded[name], shipped[name].to(loaded[name].dtype)) for name in body)
    kept = {name for name in loaded if shipped[name].shape != loaded[name].shape}
    assert {name for name in kept if ".cv3." not in name} == set()
    assert all(torch.equal(loaded[name], before[name]) for name in kept)
    assert len(kept) + fitting == len(loaded)


def test_shipped_weights_are_half_precision_safetensors_with_a_notice() -> None:
    path = find_bundled("yolov5nu")
    assert {tensor.dtype for tensor in load_file(path).values() if tensor.is_floating_point()} == {
        torch.float16
    }
    assert 5e6 < path.stat().st_size < 6e6
    assert path.name in (path.parent / "NOTICE").read_text()


def test_architecture_without_shipped_weights() -> None:
    with pytest.raises(BaseWeightsUnusable, match="ASSAY_PRETRAINED_WEIGHTS"):
        find_bundled("yolov5su")


def test_ultralytics_checkpoint(tmp_path: Path) -> None:
    torch.manual_seed(2)
    trained = build_trainable("yolov5nu", 3)
    path = tmp_path / "mine.pt"
    torch.save({"model": trained, "ema": None, "train_args": {}}, path)
    model = build_trainable("yolov5nu", 3)
    assert load_base_weights(model, path) == len(model.state_dict())
    assert all(torch.equal(tensor, trained.state_dict()[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("content", [b"", b"not weights", b"\x10\0\0\0\0\0\0\0{}"])
@pytest.mark.parametrize("name", ["base.safetensors", "base.pt"])
def test_damaged_file(tmp_path: Path, content: bytes, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BaseWeightsUnusable, match=name):
        load_base_weights(build_trainable("yolov5nu", 1), path)


def test_weights_of_another_architecture(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"conv.weight": torch.zeros(3)}, path)
    with pytest.raises(BaseWeightsUnusable, match="another architecture"):
        load_base_weights(build_trainable("yolov5nu", 1), path)


def test_asset_that_cannot_be_fetched() -> None:
    with pytest.raises(BaseWeightsUnusable, match="cannot be had"):
        load_base_weights(build_trainable("yolov5nu", 1), Path("yolov5nu.pt"))
