"""A small model version with random weights, published into bucket `live` like a real one."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from assay_shared.auth import hash_key
from assay_shared.detector.architecture import build_detector
from assay_shared.detector.weights import save_weights
from assay_shared.ids import utc_now
from assay_shared.keys import LIVE, brand_key, model_folder, pointer_key
from assay_shared.model_description import (
    DESCRIPTION_FILE,
    WEIGHTS_FILE,
    Metrics,
    ModelDescription,
    ModelLabel,
    ProductAppearance,
)
from assay_shared.storage import ObjectStore
from assay_shared.wire import (
    KeptPictures,
    LabelRole,
    LivePointer,
    PublishedBrand,
    PublishedKey,
    PublishedProduct,
)

LABELS = (
    ("carton", LabelRole.PRODUCT),
    ("logo", LabelRole.MARK),
    ("seal", LabelRole.MARK),
    ("fake-dots", LabelRole.COUNTERFEIT),
)
"""Names and roles of the labels, by index."""
CELL = 32
"""Input pixels of the head's coarsest cells."""


def random_weights(seed: int = 0, labels: int = len(LABELS)) -> bytes:
    """The weights file of a yolov5nu with random weights."""
    torch.manual_seed(seed)
    return _pack(build_detector("yolov5nu", labels))


def grid_weights(confidence: float = 0.8, labels: int = len(LABELS)) -> bytes:
    """The weights file of a yolov5nu that finds the first label in every cell of CELL x CELL input pixels,
    whatever the picture shows."""
    detector = build_detector("yolov5nu", labels)
    head: Any = detector.model[-1]  # type: ignore[index]  # ultralytics is not typed
    with torch.no_grad():
        for boxes, classes, stride in zip(head.cv2, head.cv3, head.stride, strict=True):
            for last in (boxes[-1], classes[-1]):
                last.weight.zero_()
                last.bias.zero_()
            # Each edge half a stride away: half of its distribution in the first bin, half in the second.
            boxes[-1].bias.view(4, -1)[:, :2] = 20.0
            classes[-1].bias.fill_(-12.0)
            if int(stride) == CELL:
                classes[-1].bias[0] = float(np.log(confidence / (1 - confidence)))
    return _pack(detector)


def telling_weights(confidence: float, label: int = 0, labels: int = len(LABELS)) -> bytes:
    """The weights file of a yolov5nu that finds this label with this confidence all over every picture, and
    nothing else: its answers tell whose they are."""
    torch.manual_seed(0)
    detector: Any = build_detector("yolov5nu", labels)
    for branch in detector.model[-1].cv3:
        branch[-1].weight.zero_()
        branch[-1].bias.fill_(-20)
        branch[-1].bias[label] = torch.logit(torch.tensor(confidence))
    return _pack(detector)


def describe_model(
    brand: str,
    version: str,
    weights: bytes,
    image_size: int = 160,
    threshold: float = 0.5,
    appearances: Mapping[str, bytes] | None = None,
) -> ModelDescription:
    """The model.json of such weights; `appearances` packed, by label."""
    packed = appearances or {}
    return ModelDescription(
        brand=brand,
        version=version,
        run="run_test",
        dataset_version="dsv_test",
        architecture="yolov5nu",
        image_size=image_size,
        labels=[
            ModelLabel(index=index, name=name, role=role, threshold=threshold)
            for index, (name, role) in enumerate(LABELS)
        ],
        required_marks={"carton": ["logo", "seal"]},
        metrics=Metrics(
            map50=0.9,
            map50_95=0.8,
            image_accuracy=0.95,
            image_accuracy_low=0.9,
            image_accuracy_high=0.98,
            images=32,
            per_label={},
        ),
        base_weights={"name": "random", "sha256": "0" * 64},
        created_at=utc_now(),
        files={
            WEIGHTS_FILE: hashlib.sha256(weights).hexdigest(),
            **{_appearance_file(label): hashlib.sha256(data).hexdigest() for label, data in packed.items()},
        },
        appearance={
            label: ProductAppearance(file=_appearance_file(label), photos=30, aligned=30) for label in packed
        },
    )


def publish_brand(
    store: ObjectStore,
    slug: str,
    *,
    gtins: Sequence[str] = (),
    other_products: Mapping[str, str] = MappingProxyType({}),
    verify_keys: Sequence[str] = (),
    public: bool = False,
    revision: int = 1,
    kept_pictures: KeptPictures = "none",
) -> None:
    """Publishes a brand as the registry does, with products of the label `carton`, and others by GTIN."""
    labels = {**dict.fromkeys(gtins, "carton"), **other_products}
    brand = PublishedBrand(
        slug=slug,
        name=slug.title(),
        revision=revision,
        public_verification=public,
        thresholds={},
        kept_pictures=kept_pictures,
        products=[
            PublishedProduct(gtin=gtin, label=label, name=label.title()) for gtin, label in labels.items()
        ],
        verify_keys=[
            PublishedKey(id=f"key_{place}", sha256=hash_key(key)) for place, key in enumerate(verify_keys)
        ],
    )
    store.put_json(LIVE, brand_key(slug), brand.model_dump(mode="json"))


def publish_model(
    store: ObjectStore,
    slug: str,
    version: str,
    weights: bytes,
    image_size: int = 160,
    threshold: float = 0.5,
    appearances: Mapping[str, bytes] | None = None,
) -> None:
    """Publishes a model version and makes it live."""
    description = describe_model(slug, version, weights, image_size, threshold, appearances)
    folder = model_folder(slug, version)
    for label, data in (appearances or {}).items():
        store.put(LIVE, folder + _appearance_file(label), data)
    store.put(LIVE, folder + WEIGHTS_FILE, weights)
    store.put_json(LIVE, folder + DESCRIPTION_FILE, description.model_dump(mode="json"))
    pointer = LivePointer(version=version, since=utc_now())
    store.put_json(LIVE, pointer_key(slug), pointer.model_dump(mode="json"))


def _appearance_file(label: str) -> str:
    return f"appearance/{label}.safetensors"


def _pack(detector: torch.nn.Module) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / WEIGHTS_FILE
        save_weights(detector, path)
        return path.read_bytes()
