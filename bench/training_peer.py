"""The peer of the comparison of trainings: plain `yolo train` with ultralytics' defaults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from assay_shared.detector import offline as offline  # before ultralytics
from assay_shared.detector.architecture import build_trainable
from assay_shared.wire import TrainingOptions
from assay_trainer.base_weights import find_bundled, load_base_weights


def train_plainly(
    data: Path, options: TrainingOptions, folder: Path, device: str, note: Callable[[float | None], bool]
) -> None:
    """Ultralytics' trainer with its defaults, but for where it begins, where it writes and what it prints;
    writes `weights/{best,last}.pt`. `note` is told mAP50 after each epoch, and answers whether to go on."""
    from ultralytics.models.yolo.detect import DetectionTrainer
    from ultralytics.utils import LOGGER

    LOGGER.setLevel("WARNING")

    class PlainTrainer(DetectionTrainer):
        def get_model(self, cfg: Any = None, weights: Any = None, verbose: bool = False) -> Any:
            model = build_trainable(options.architecture, self.data["nc"])
            load_base_weights(model, find_bundled(options.architecture))
            return model

        def final_eval(self) -> None:
            return

    # Each picture once: showing rare ones more often is our choice, not its default.
    plain = data.with_name("plain.yaml")
    plain.write_text(data.read_text().replace("train: train.txt", "train: images/train"))
    on_gpu = device != "cpu" and torch.cuda.is_available()
    trainer: Any = PlainTrainer(
        overrides={
            "model": f"{options.architecture}.yaml",
            "data": str(plain),
            "task": "detect",
            "imgsz": options.image_size,
            "epochs": options.epochs,
            "device": "0" if on_gpu else "cpu",
            "amp": on_gpu,
            "workers": 8 if on_gpu else 0,
            "pretrained": False,
            "plots": False,
            "verbose": False,
            "save_dir": str(folder),
            "exist_ok": True,
        }
    )

    def tell(trainer: Any) -> None:
        if not note((trainer.metrics or {}).get("metrics/mAP50(B)")):
            trainer.stop = True

    trainer.add_callback("on_fit_epoch_end", tell)
    trainer.train()
