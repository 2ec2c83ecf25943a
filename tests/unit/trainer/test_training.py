"""What a training keeps, and what it says when there is nothing to keep; small and real."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from ultralytics.nn.tasks import load_checkpoint

from assay_shared.wire import DatasetManifest, Progress, TrainingOptions
from assay_trainer import training
from assay_trainer.base_weights import find_bundled
from assay_trainer.dataset import write_dataset
from assay_trainer.training import Callbacks, TrainingDiverged, train_detector
from tests.unit.trainer.test_train_child import SIZE, draw_pictures

EPOCHS = 6


def train(
    folder: Path, dataset: DatasetManifest, images: Path, options: TrainingOptions, base: Path
) -> tuple[dict[str, torch.Tensor], list[Progress]]:
    data = write_dataset(dataset, images, folder / "dataset", options.image_size)
    callbacks = Callbacks(lambda _progress: None, lambda _epoch, _path: None, lambda: False)
    model, history = train_detector(data, options, base, folder / "run", callbacks, device="cpu")
    return model.state_dict(), history


def test_the_held_out_pictures_have_no_say_in_what_is_kept(tmp_path: Path) -> None:
    dataset = draw_pictures(tmp_path / "images")
    options = TrainingOptions(image_size=SIZE, epochs=EPOCHS, batch=4)
    other = [
        item.model_copy(
            update={"annotations": [box.model_copy(update={"left": 0.0}) for box in item.annotations]}
        )
        if item.split == "val"
        else item
        for item in dataset.items
    ]
    base = find_bundled(options.architecture)
    kept, history = train(tmp_path / "a", dataset, tmp_path / "images", options, base)
    spoilt = dataset.model_copy(update={"items": other})
    same, other_history = train(tmp_path / "b", spoilt, tmp_path / "images", options, base)
    assert len(history) == len(other_history) == EPOCHS
    assert max(one.map50 or 0.0 for one in other_history) < max(one.map50 or 0.0 for one in history)
    assert kept.keys() == same.keys()
    assert all(torch.equal(tensor, same[name]) for name, tensor in kept.items())


def test_epochs_in_between_are_not_looked_at(tmp_path: Path) -> None:
    dataset = draw_pictures(tmp_path / "images")
    options = TrainingOptions(image_size=SIZE, epochs=EPOCHS, batch=4)
    base = find_bundled(options.architecture)
    data = write_dataset(dataset, tmp_path / "images", tmp_path / "dataset", options.image_size)
    kept: list[tuple[str, int]] = []
    callbacks = Callbacks(
        lambda progress: kept.append(("told", progress.epoch)),
        lambda epoch, path: kept.append((path.name, epoch)),
        lambda: False,
    )
    _, history = train_detector(
        data, options, base, tmp_path / "run", callbacks, device="cpu", look_seconds=3600
    )
    assert [one.epoch for one in history] == [1, EPOCHS]
    assert all(one.map50 is not None for one in history)
    assert kept == [
        ("epoch-00001.tar", 1),
        ("told", 1),
        (f"epoch-{EPOCHS:05d}.tar", EPOCHS),
        ("told", EPOCHS),
    ]
    assert (history[-1].epoch, history[-1].epochs) == (EPOCHS, EPOCHS)
    last = load_checkpoint(str(tmp_path / "run" / "weights" / "last.pt"))[1]
    assert (last["epoch"] + 1, last["train_args"]["epochs"]) == (EPOCHS, EPOCHS)


@pytest.mark.parametrize(("least", "most", "epochs"), [(1, 100, 4), (6, 100, 6), (1, 3, 3)])
def test_epochs_are_chosen_by_how_many_pictures_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, least: int, most: int, epochs: int
) -> None:
    dataset = draw_pictures(tmp_path / "images")
    learnt_from = sum(item.split == "train" for item in dataset.items)
    monkeypatch.setattr(training, "CPU_PICTURES", 4 * learnt_from)
    monkeypatch.setattr(training, "LEAST_CPU_EPOCHS", least)
    monkeypatch.setattr(training, "GPU_EPOCHS", most)
    options = TrainingOptions(image_size=SIZE, batch=4)
    base = find_bundled(options.architecture)
    _, history = train(tmp_path, dataset, tmp_path / "images", options, base)
    assert [one.epoch for one in history] == list(range(1, epochs + 1))
    assert {one.epochs for one in history} == {epochs}


def test_a_resumed_run_keeps_the_epochs_that_it_began_with(tmp_path: Path) -> None:
    dataset = draw_pictures(tmp_path / "images")
    options = TrainingOptions(image_size=SIZE, epochs=1, batch=4)
    base = find_bundled(options.architecture)
    _, history = train(tmp_path, dataset, tmp_path / "images", options, base)
    left_open = options.model_copy(update={"epochs": None})
    callbacks = Callbacks(lambda _progress: None, lambda _epoch, _path: None, lambda: False)
    _, resumed = train_detector(
        tmp_path / "dataset" / "data.yaml",
        left_open,
        base,
        tmp_path / "elsewhere",
        callbacks,
        checkpoint=tmp_path / "run" / "checkpoints" / "epoch-00001.tar",
        device="cpu",
    )
    assert resumed == history


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_training_that_diverges_says_so(tmp_path: Path, epochs: int) -> None:
    dataset = draw_pictures(tmp_path / "images")
    options = TrainingOptions(image_size=SIZE, epochs=epochs, batch=4, learning_rate=0.05)
    tensors = load_file(find_bundled(options.architecture))
    explosive = {
        name: tensor.float() * 1e30 if name.startswith("model.23.") else tensor
        for name, tensor in tensors.items()
    }
    base = tmp_path / "explosive.safetensors"
    save_file(explosive, base)
    message = rf"in epoch \d of {epochs}\. .* than 0\.05; "
    with pytest.raises(TrainingDiverged, match=message):
        train(tmp_path, dataset, tmp_path / "images", options, base)
