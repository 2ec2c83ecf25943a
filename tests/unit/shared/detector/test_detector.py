"""Our detector against ultralytics' own predictions on the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from assay_shared.detector.architecture import build_detector
from assay_shared.detector.detector import Detector
from assay_shared.detector.preprocess import letterbox
from assay_shared.detector.weights import load_weights
from tests.unit.shared.detector.conftest import LABELS

MIN_CONFIDENCE = 0.25
NEAR_THE_FLOOR = 0.02


def test_detections_equal_ultralytics(weights_file: Path, photos: list[npt.NDArray[np.uint8]]) -> None:
    from ultralytics.models.yolo.model import YOLO

    peer: Any = YOLO("yolov5n.yaml")
    peer.model = build_detector("yolov5nu", LABELS)
    load_weights(peer.model, weights_file)
    detector = Detector("yolov5nu", LABELS, weights_file)
    compared = 0
    for photo in photos:
        square, geometry = letterbox(photo, 640)
        ours = detector.detect(square[None], MIN_CONFIDENCE)[0]
        theirs = peer.predict(
            photo[..., ::-1], imgsz=640, conf=MIN_CONFIDENCE, iou=0.7, verbose=False, device="cpu"
        )[0].boxes
        boxes, confidences = theirs.xyxy.numpy(), theirs.conf.numpy()
        # How far each of ours is from each of theirs; another label is infinitely far. Flat boxes in the
        # grey border count too, so overlap would not do.
        mine = geometry.to_picture(ours.boxes)
        distance = np.abs(boxes[:, None] - mine[None]).max(2)
        distance[theirs.cls.numpy()[:, None] != ours.labels[None]] = np.inf
        distance[np.abs(confidences[:, None] - ours.confidences[None]) >= 0.01] = np.inf
        for row in np.flatnonzero(confidences > MIN_CONFIDENCE + NEAR_THE_FLOOR):
            assert distance[row].min() < 1
            compared += 1
        assert (
            abs(len(ours) - len(boxes))
            <= (confidences < MIN_CONFIDENCE + NEAR_THE_FLOOR).sum()
            + (ours.confidences < MIN_CONFIDENCE + NEAR_THE_FLOOR).sum()
        )
    assert compared >= 10


def test_a_batch_gives_what_each_picture_gives_alone(
    weights_file: Path, photos: list[npt.NDArray[np.uint8]]
) -> None:
    detector = Detector("yolov5nu", LABELS, weights_file)
    squares = np.stack([letterbox(photo, 320)[0] for photo in photos])
    together = detector.detect(squares, MIN_CONFIDENCE)
    for square, found in zip(squares, together, strict=True):
        alone = detector.detect(square[None], MIN_CONFIDENCE)[0]
        assert len(alone) == len(found)
        np.testing.assert_allclose(alone.boxes, found.boxes, atol=0.05)
        np.testing.assert_allclose(alone.confidences, found.confidences, atol=1e-3)
