"""The peer of `bench.verify_cpu`: the least that one would write with FastAPI and ultralytics.

`python -m bench.peer_yolo WEIGHTS LABELS PORT`. Only the detector: no barcode, no checks, no keys, no log.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, File, UploadFile
from PIL import Image, ImageOps

from assay_shared.detector.architecture import build_detector
from assay_shared.detector.weights import load_weights


def create_app(weights: Path, labels: int) -> FastAPI:
    """The app, with the same weights as ours, and one warming prediction done."""
    from ultralytics.models import YOLO

    folded = build_detector("yolov5nu", labels)
    load_weights(folded, weights)
    model: Any = YOLO("yolov5n.yaml", task="detect")
    model.model = folded
    model.predict(Image.new("RGB", (640, 480)), imgsz=640, device="cpu", verbose=False)
    app = FastAPI()

    @app.get("/livez")
    def livez() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/predict")
    def predict(image: Annotated[UploadFile, File()]) -> list[dict[str, Any]]:
        upright = ImageOps.exif_transpose(Image.open(image.file))
        result = model.predict(upright, imgsz=640, device="cpu", verbose=False)[0]
        return [
            {"box": box.xyxy[0].tolist(), "confidence": float(box.conf), "label": int(box.cls)}
            for box in result.boxes
        ]

    return app


if __name__ == "__main__":
    uvicorn.run(
        create_app(Path(sys.argv[1]), int(sys.argv[2])),
        host="127.0.0.1",
        port=int(sys.argv[3]),
        log_level="warning",
    )
