"""From the last photo to a model that can go live: `python -m bench.finish_to_live PHOTOS BRAND [BRAND ...]`.

PHOTOS is what `python -m bench.brands` wrote. Each brand's photos, at full size, are given to the process
that trains in a worker, with the trainer's own options: it prepares, trains, judges what it trained, lists
disagreements, learns the appearance of each product and packs the model version. What is left then is to
store some MB and to answer one picture. The peer in the same run, in a process of its own as well: plain
`yolo train`, ultralytics' trainer from the same base weights with its own defaults, until its mAP50 on the
held-out photos is what ours ends with; it judges and learns nothing else. `--device cpu` leaves a GPU alone.
Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from assay_shared.wire import DatasetManifest, Progress, TrainingOptions
from assay_trainer.child import ChildProcess
from assay_trainer.job import JOB_FILE, ChildEvent, Job, ProgressEvent, StateEvent
from bench.accuracy.photos import read_roles
from bench.brands.collection import Counts
from bench.training_brands import UNREDUCED, BenchBrand, read_brand
from bench.training_choices import PEER_EPOCHS

STATES = ("starting", "preparing", "training", "evaluating")


@dataclass(frozen=True)
class Finish:
    """Seconds in each of STATES, the epochs that were trained, and mAP50 on the held-out photos after the
    last one as ultralytics measures it."""

    seconds: dict[str, float]
    epochs: int
    map50: float

    @property
    def total(self) -> float:
        """Seconds from the start of the process to its end."""
        return sum(self.seconds.values())


@dataclass(frozen=True)
class Plain:
    """The peer: seconds and epochs until it was as good, or until it gave up (`reached` False), and its best
    mAP50."""

    seconds: float
    epochs: int
    map50: float
    reached: bool


def main() -> int:
    """Measures each brand and prints the table; 0."""
    asked = _parse()
    print("| brand | " + " | ".join(STATES) + " | ours, all | mAP50 | `yolo train` to the same |")
    print(f"|{'---|' * (len(STATES) + 4)}")
    for name in asked.brands:
        with tempfile.TemporaryDirectory() as folder:
            work, source = Path(folder), asked.photos / name
            brand = read_brand(source, work / "images", Counts.train, UNREDUCED, read_roles(source))
            finish = finish_training(brand, asked.options, work / "ours", asked.device)
            plain = train_peer(brand, asked.options, work / "peer", asked.device, finish.map50)
        _print_row(name, finish, plain)
    return 0


def finish_training(brand: BenchBrand, options: TrainingOptions, work: Path, device: str) -> Finish:
    """Runs the process that trains, as a worker does. Raises RuntimeError when it brings no model."""
    work.mkdir(parents=True)
    job = Job(
        run="run_bench",
        brand=brand.name,
        version="mv_bench",
        options=options,
        dataset=brand.dataset,
        images=brand.images,
        folder=work / "model",
        device=device,
    )
    (work / JOB_FILE).write_text(job.model_dump_json())
    entered: list[tuple[str, float]] = [("starting", time.monotonic())]
    last: list[Progress] = []

    def handle(event: ChildEvent) -> None:
        match event:
            case StateEvent(state=state):
                entered.append((state, time.monotonic()))
            case ProgressEvent(progress=progress):
                last[:] = [progress]

    end = ChildProcess(work, handle, lambda line: print(line, file=sys.stderr)).wait()
    if end is None or end.outcome != "done" or not last:
        raise RuntimeError(f"{brand.name}: no model: {end and end.reason}")
    until = [at for _, at in entered[1:]] + [time.monotonic()]
    seconds = {state: after - at for (state, at), after in zip(entered, until, strict=True)}
    return Finish(seconds, last[0].epoch, last[0].map50 or 0.0)


def train_peer(brand: BenchBrand, options: TrainingOptions, work: Path, device: str, goal: float) -> Plain:
    """Runs plain `yolo train` in a process of its own until its mAP50 reaches the goal."""
    started = time.monotonic()
    peer = options.model_copy(update={"epochs": PEER_EPOCHS})
    # Not multiprocessing's pool: its processes may have none of their own, and ultralytics' loaders are some.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        curve = pool.submit(_train_plainly, brand.dataset, brand.images, peer, work, device, goal).result()
    seconds = time.monotonic() - started
    return Plain(seconds, len(curve), max(curve), curve[-1] >= goal)


def _train_plainly(
    dataset: DatasetManifest, images: Path, options: TrainingOptions, work: Path, device: str, goal: float
) -> list[float]:
    """In the peer's process: mAP50 after each epoch."""
    from assay_trainer.dataset import write_dataset
    from bench.training_peer import train_plainly

    data = write_dataset(dataset, images, work / "dataset", options.image_size)
    curve: list[float] = []

    def note(map50: float | None) -> bool:
        curve.append(map50 or 0.0)
        return curve[-1] < goal

    train_plainly(data, options, work / "training", device, note)
    return curve


def _print_row(name: str, finish: Finish, plain: Plain) -> None:
    states = " | ".join(f"{finish.seconds[state]:.0f} s" for state in STATES)
    peer = f"{plain.seconds:.0f} s, {plain.epochs} epochs"
    if not plain.reached:
        peer += f", not reached: {plain.map50:.3f}"
    ratio = f"{finish.total / plain.seconds:.2f}x"
    print(
        f"| {name} | {states} | {finish.total:.0f} s, {finish.epochs} epochs | {finish.map50:.3f} "
        f"| {peer} ({ratio}) |",
        flush=True,
    )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.finish_to_live", description=__doc__)
    parser.add_argument("photos", type=Path, help="folder that `python -m bench.brands` wrote")
    parser.add_argument("brands", nargs="+")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--epochs", type=int, help="default: what the trainer chooses")
    parser.add_argument("--size", type=int, default=TrainingOptions().image_size, help="pixels")
    asked = parser.parse_args()
    asked.options = TrainingOptions(epochs=asked.epochs, image_size=asked.size)
    return asked


if __name__ == "__main__":
    sys.exit(main())
