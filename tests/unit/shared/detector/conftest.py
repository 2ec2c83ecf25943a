"""A detector that finds something: the trainer's base weights, with the head that their labels need."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from assay_shared.detector.architecture import build_trainable, fold_batch_norms
from assay_shared.detector.weights import save_weights
from assay_trainer.base_weights import find_bundled, load_base_weights
from deploy.local.photos.catalog import make_brand
from deploy.local.photos.render import render_photo

LABELS = 80


@pytest.fixture(scope="session")
def trained_model() -> torch.nn.Module:
    """An ultralytics DetectionModel whose weights are what fp16 can hold."""
    model: torch.nn.Module = build_trainable("yolov5nu", LABELS)
    load_base_weights(model, find_bundled("yolov5nu"))
    return model.eval()


@pytest.fixture(scope="session")
def weights_file(trained_model: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights file of the same model."""
    import copy

    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    save_weights(fold_batch_norms(copy.deepcopy(trained_model)), path)
    return path


@pytest.fixture(scope="session")
def photos() -> list[npt.NDArray[np.uint8]]:
    """Upright RGB pictures of several shapes."""
    brand = make_brand()
    pixels = [render_photo(brand, seed, width=800, height=600).pixels for seed in range(3)]
    return [pixels[0], np.ascontiguousarray(pixels[1][:, :333]), np.ascontiguousarray(pixels[2][:201])]
