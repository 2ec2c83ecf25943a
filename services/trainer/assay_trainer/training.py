"""Fine-tuning: ultralytics' trainer with our start, our pace and our way to stop."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from assay_shared.detector import offline as offline  # before ultralytics
from assay_shared.detector.architecture import build_trainable
from assay_shared.errors import AssayError
from assay_shared.wire import Progress, TrainingOptions
from assay_trainer.base_weights import load_base_weights
from assay_trainer.checkpoints import pack_checkpoint, read_history, unpack_checkpoint
from assay_trainer.dataset import TRAIN_LIST
from assay_trainer.recipe import RECIPE, Recipe

CPU_BATCH = 8
FEW_BATCH, FEW = 16, 1024
"""Batch on a GPU for fewer than this many pictures: as many as fit in memory would be one step an epoch."""
NOMINAL_BATCH = 64
"""What ultralytics gathers gradients to before a step."""
GPU_EPOCHS = 100
CPU_PICTURES, LEAST_CPU_EPOCHS = 2000, 10
"""On a CPU, where a picture takes a hundred times as long, the epochs are so many that they show this many
pictures in all: fifty are seen 40 times."""
LOOK_SECONDS = 5.0
"""On a GPU an epoch of few pictures takes 0.2 s, and with validating and writing a checkpoint nearly a
second: both are done this often at most, and at the end."""


class Stopped(Exception):
    """The run was told to stop; the last epoch's checkpoint is kept."""


class TrainingDiverged(AssayError):
    """The loss is no number any more, and going back to the last good epoch did not help."""

    type = "training-diverged"
    title = "The training diverged"
    status = 422


@dataclass(frozen=True)
class Callbacks:
    """What training tells: an epoch's checkpoint, then its progress; and asks: whether to stop."""

    progress: Callable[[Progress], None]
    checkpoint: Callable[[int, Path], None]
    stopping: Callable[[], bool]


def train_detector(
    data: Path,
    options: TrainingOptions,
    base_weights: Path,
    folder: Path,
    callbacks: Callbacks,
    *,
    checkpoint: Path | None = None,
    device: str = "auto",
    recipe: Recipe = RECIPE,
    look_seconds: float | None = None,
) -> tuple[Any, list[Progress]]:
    """Fine-tunes on a dataset (`data.yaml`); returns the DetectionModel, in fp32 on the CPU, and the progress
    of every epoch that was looked at, those before a resumption included; the last one says how many epochs
    there were, where the options leave that to the trainer.

    An epoch is looked at, which is to say validated, kept as a checkpoint and told, when `look_seconds` have
    passed since the last one that was; the first and the last one always. None: LOOK_SECONDS on a GPU, and
    every epoch on a CPU.

    What is kept are the weights after the last epoch (ultralytics' running average of them, which after a few
    hundred steps is nearly the last ones). With a checkpoint it goes on after that one's epoch. `recipe` is
    for comparisons. Raises Stopped when told to stop, TrainingDiverged,
    and BaseWeightsUnusable.
    """
    from ultralytics.nn.tasks import load_checkpoint
    from ultralytics.utils import LOGGER

    LOGGER.setLevel("WARNING")
    device = _choose_device(device)
    weights = folder / "weights"
    if checkpoint is not None:
        unpack_checkpoint(checkpoint, weights)
    history = read_history(weights)
    reached = history[-1] if checkpoint is not None and history else None
    epochs = reached.epochs if reached else options.epochs or _choose_epochs(data, device)
    trainer = _make_trainer(
        data, options, epochs, recipe, base_weights, folder, device, resume=checkpoint is not None
    )
    if device == "cpu":
        # After the trainer is made, for ultralytics leaves a core free: half of two.
        torch.set_num_threads(os.cpu_count() or 1)
    if look_seconds is None:
        look_seconds = 0.0 if device == "cpu" else LOOK_SECONDS
    _look_seldom(trainer, look_seconds)
    _attach(trainer, options, callbacks, folder, history)
    # A run that was stopped after its last epoch, before it was packaged, has nothing left to train.
    if reached is None or reached.epoch < reached.epochs:
        _run(trainer, options)
    model = load_checkpoint(str(weights / "last.pt"))[0]
    return model.float().cpu(), history


def _run(trainer: Any, options: TrainingOptions) -> None:
    """Trains. Raises TrainingDiverged for what ultralytics has only a RuntimeError: it goes back to the last
    epoch three times, and gives up."""
    try:
        trainer.train()
    except RuntimeError as error:
        if "NaN" not in str(error):
            raise
        raise _explain_divergence(trainer, options) from error


def _explain_divergence(trainer: Any, options: TrainingOptions) -> TrainingDiverged:
    return TrainingDiverged(
        f"The training diverged: its loss was no number any more in epoch {trainer.epoch + 1} of "
        f"{trainer.epochs}. Start a run with a smaller learning_rate than {options.learning_rate:g}; the "
        f"default is {TrainingOptions().learning_rate:g}"
    )


def _make_trainer(
    data: Path,
    options: TrainingOptions,
    epochs: int,
    recipe: Recipe,
    base_weights: Path,
    folder: Path,
    device: str,
    *,
    resume: bool,
) -> Any:
    from ultralytics.models.yolo.detect import DetectionTrainer

    class BrandTrainer(DetectionTrainer):
        def get_model(self, cfg: Any = None, weights: Any = None, verbose: bool = False) -> Any:
            model = build_trainable(options.architecture, self.data["nc"])
            if weights is not None:
                model.load(weights, verbose=False)
            else:
                load_base_weights(model, base_weights)
            return model

        def final_eval(self) -> None:
            # Ours is done by the code that serves (evaluation.py).
            return

    on_gpu = device != "cpu"
    batch = options.batch or _choose_batch(data, on_gpu)
    cores = os.cpu_count() or 1
    overrides: dict[str, Any] = {
        "model": str(folder / "weights" / "last.pt") if resume else f"{options.architecture}.yaml",
        "resume": str(folder / "weights" / "last.pt") if resume else False,
        "data": str(data),
        "task": "detect",
        "imgsz": options.image_size,
        "epochs": epochs,
        # Every run goes to its last epoch: which one to stop at or to keep, only the held-out pictures could
        # say, and they are to judge.
        "patience": 0,
        "batch": batch,
        # A step for every batch: gathered to 64, fifty pictures make one step an epoch, and learning takes
        # twice the epochs (mAP50 .78 against .90 after 14).
        "nbs": batch if batch > 0 else NOMINAL_BATCH,
        "freeze": options.freeze or None,
        "lr0": options.learning_rate,
        "warmup_epochs": min(1.0, epochs / 10),
        "seed": options.seed,
        "device": device,
        "amp": on_gpu,
        # Two cores train faster without a process that loads beside them.
        "workers": min(8, cores - 1) if cores > 2 else 0,
        "cache": "ram",
        "pretrained": False,
        "plots": False,
        "verbose": False,
        "val": True,
        "save_dir": str(folder),
        "exist_ok": True,
        **recipe.overrides(epochs),
    }
    return BrandTrainer(overrides=overrides)


def _choose_batch(data: Path, on_gpu: bool) -> int:
    """Pictures a batch; -1 lets ultralytics take as many as fit in 60 % of the GPU's memory."""
    if not on_gpu:
        return CPU_BATCH
    return FEW_BATCH if _count_pictures(data) < FEW else -1


def _choose_epochs(data: Path, device: str) -> int:
    if device != "cpu":
        return GPU_EPOCHS
    wanted = round(CPU_PICTURES / max(_count_pictures(data), 1))
    return min(max(wanted, LEAST_CPU_EPOCHS), GPU_EPOCHS)


def _count_pictures(data: Path) -> int:
    """Pictures to learn from."""
    return len((data.parent / TRAIN_LIST).read_text().splitlines())


def _look_seldom(trainer: Any, seconds: float) -> None:
    looked = -math.inf

    def decide(_trainer: Any) -> None:
        # The last epoch ultralytics looks at whatever these say.
        trainer.args.val = trainer.args.save = time.monotonic() >= looked + seconds

    def note(_trainer: Any) -> None:
        nonlocal looked
        looked = time.monotonic()

    trainer.add_callback("on_train_epoch_end", decide)
    trainer.add_callback("on_model_save", note)


def _attach(
    trainer: Any, options: TrainingOptions, callbacks: Callbacks, folder: Path, history: list[Progress]
) -> None:
    started = time.monotonic()
    first: list[int] = []

    def stop_if_told(_trainer: Any) -> None:
        if callbacks.stopping():
            raise Stopped

    def save(trainer: Any) -> None:
        # Before the checkpoint is packed, which holds the history with this epoch in it.
        epoch = trainer.epoch + 1
        if not first:
            first.append(epoch)
        pace = (time.monotonic() - started) / (epoch - first[0] + 1)
        left = 0.0 if trainer.stop else pace * (trainer.epochs - epoch)
        losses = {name.removesuffix("_loss"): float(loss) for name, loss in (trainer.tloss or {}).items()}
        if trainer.stop and not all(map(math.isfinite, losses.values())):
            # Nothing comes after this epoch, so ultralytics would not go back.
            raise _explain_divergence(trainer, options)
        map50 = (trainer.metrics or {}).get("metrics/mAP50(B)")
        progress = Progress(
            epoch=epoch,
            epochs=trainer.epochs,
            losses=losses,
            map50=None if map50 is None else float(map50),
            seconds_left=round(left, 1),
        )
        history.append(progress)
        callbacks.checkpoint(epoch, pack_checkpoint(folder, epoch, history))
        callbacks.progress(progress)

    trainer.add_callback("on_train_batch_end", stop_if_told)
    trainer.add_callback("on_model_save", save)


def _choose_device(device: str) -> str:
    if device != "auto":
        return device
    return "0" if torch.cuda.is_available() else "cpu"
