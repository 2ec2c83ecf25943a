"""What tests of training and of models do again and again: teach a brand, lease its run, deliver a model."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from assay_registry.models import ImageRow, LabelRow
from assay_registry.upsert import insert_missing
from assay_shared.ids import utc_now
from assay_shared.keys import MODELS, model_folder
from assay_shared.model_description import (
    DESCRIPTION_FILE,
    WEIGHTS_FILE,
    Disagreement,
    LabelMetrics,
    LiveComparison,
    Metrics,
    ModelDescription,
)
from assay_shared.wire import Shortage
from tests.integration.registry.support import HEIGHT, WIDTH, Registry

LENIENT = {"gate": {"min_map50": 0, "min_image_accuracy": 0}, "min_images_per_label": 2}
"""Settings of a brand that trains on a few images and takes what comes."""


def teach(
    registry: Registry,
    count: int = 10,
    labels: Sequence[str] = ("carton",),
    *,
    start: int = 0,
    near_duplicates: bool = False,
    split: str | None = None,
) -> list[str]:
    """Accepted images with one box of each label, as if ingested; gives their sha256."""
    names = [
        hashlib.sha256(f"{registry.brand}/{start + number}".encode()).hexdigest() for number in range(count)
    ]
    box = {"left": 10.0, "top": 10.0, "width": 50.0, "height": 50.0}
    with registry.context.database.session() as session:
        insert_missing(
            session,
            LabelRow,
            [
                {"brand": registry.brand, "name": label, "role": "product", "created_at": utc_now()}
                for label in labels
            ],
        )
        session.add_all(
            ImageRow(
                brand=registry.brand,
                sha256=name,
                extension="jpg",
                width=WIDTH,
                height=HEIGHT,
                perceptual_hash=name[:16],
                near_duplicate_of=names[0] if near_duplicates and name != names[0] else None,
                method="lossless",
                state="accepted",
                upload="up1",
                name=f"{name}.jpg",
                stem=name,
                split=split,
                annotations=[{"label": label, **box} for label in labels],
            )
            for name in names
        )
    return names


def change_settings(registry: Registry, **settings: Any) -> None:
    """Changes the brand's settings."""
    answer = registry.client.patch(registry.address, json={"settings": settings})
    assert answer.status_code == 200, answer.text


def finish(registry: Registry, **options: Any) -> dict[str, Any]:
    """Says that the brand has finished; gives the run."""
    answer = registry.client.post(f"{registry.address}/training-runs", json={"options": options})
    assert answer.status_code == 202, answer.text
    run: dict[str, Any] = answer.json()
    return run


def read_run(registry: Registry, run: str) -> dict[str, Any]:
    """The run as it is now."""
    found: dict[str, Any] = registry.client.get(f"{registry.address}/training-runs/{run}").json()
    return found


def lease(registry: Registry, run: str, worker: str = "w1") -> dict[str, Any]:
    """Leases the run."""
    answer = registry.service.post(f"/internal/training-runs/{run}/lease", json={"worker": worker})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def release(registry: Registry, run: str, token: str, outcome: str, reason: str = "") -> int:
    """Ends the lease; gives the status."""
    body = {"token": token, "outcome": outcome, "reason": reason}
    status: int = registry.service.post(f"/internal/training-runs/{run}/release", json=body).status_code
    return status


def make_metrics(map50: float = 0.95, accuracy: float = 0.95) -> Metrics:
    """Figures of a held-out split."""
    label = LabelMetrics(average_precision50=map50, precision=0.9, recall=0.9, boxes=20)
    return Metrics(
        map50=map50,
        map50_95=0.7,
        image_accuracy=accuracy,
        image_accuracy_low=0.8,
        image_accuracy_high=1,
        images=20,
        per_label={"carton": label},
    )


def store_model(
    registry: Registry,
    run: dict[str, Any],
    *,
    metrics: Metrics | None = None,
    live: LiveComparison | None = None,
    absent: str = "",
    warnings: Sequence[Shortage] = (),
    disagreements: Sequence[Disagreement] = (),
) -> ModelDescription:
    """Stores the run's model version as the trainer does, but for the file `absent`."""
    folder = model_folder(registry.brand, run["model_version"])
    files = {
        WEIGHTS_FILE: run["model_version"].encode(),
        "report/curves.png": b"\x89PNG",
        "report/confusion.json": b"{}",
        "report/page.html": b"<script>",
        "training/last.pt": b"checkpoint",
    } | {f"report/{one.picture}": b"\x89PNG" for one in disagreements}
    for name, content in files.items():
        if name != absent:
            registry.context.store.put(MODELS, folder + name, content)
    described = ModelDescription(
        brand=registry.brand,
        version=run["model_version"],
        run=run["id"],
        dataset_version=run["dataset_version"],
        architecture="yolov5nu",
        image_size=640,
        labels=[],
        required_marks={},
        metrics=metrics or make_metrics(),
        live_comparison=live,
        warnings=list(warnings),
        disagreements=list(disagreements),
        base_weights={"name": "none"},
        created_at=utc_now(),
        files={name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    )
    registry.context.store.put_json(MODELS, folder + DESCRIPTION_FILE, described.model_dump(mode="json"))
    return described


def make_packaged(registry: Registry, **model: Any) -> dict[str, Any]:
    """A run that was finished, trained and packaged; gives it."""
    run = finish(registry)
    token = lease(registry, run["id"])["token"]
    store_model(registry, run, **model)
    assert release(registry, run["id"], token, "packaged") == 204
    return run


def judge(registry: Registry, run: dict[str, Any]) -> Any:
    """Tells that the run's model.json has arrived; gives the response."""
    place = {"brand": registry.brand, "version": run["model_version"]}
    return registry.service.post("/internal/arrived-models", json=place)
