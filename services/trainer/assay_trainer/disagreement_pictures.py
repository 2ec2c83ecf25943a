"""Disagreements as small pictures: what the person annotated in blue, what the model sees in orange."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from assay_shared.model_description import Disagreement
from assay_shared.wire import DatasetItem
from assay_trainer.evaluation import read_picture
from assay_trainer.reading import corners

FOLDER = "disagreements"
SIDE = 360
"""Longest side of a picture, in pixels: a thumbnail on the page, and enough to see a box's edges."""
AROUND = 0.6
"""Share of the boxes' own size that is shown around them on each side, so that the place is recognised."""
LINE = 3
ANNOTATED, FOUND = (30, 110, 255), (255, 120, 0)


def draw_disagreements(
    report: Path, disagreements: Sequence[Disagreement], items: Mapping[str, DatasetItem], images: Path
) -> list[Disagreement]:
    """Writes `disagreements/NN.png` into the report's folder; returns the disagreements with these names.

    `items` by the SHA-256 of their image.
    """
    drawn = []
    for number, one in enumerate(disagreements, start=1):
        name = f"{FOLDER}/{number:02d}.png"
        path = report / name
        path.parent.mkdir(parents=True, exist_ok=True)
        _draw(one, Image.fromarray(read_picture(images, items[one.image]))).save(path)
        drawn.append(one.model_copy(update={"picture": name}))
    return drawn


def _draw(one: Disagreement, picture: Image.Image) -> Image.Image:
    boxes = [
        (corners(box), colour)
        for box, colour in ((one.annotated_box, ANNOTATED), (one.found_box, FOUND))
        if box is not None
    ]
    left, top = min(box[0] for box, _ in boxes), min(box[1] for box, _ in boxes)
    right, bottom = max(box[2] for box, _ in boxes), max(box[3] for box, _ in boxes)
    margin = AROUND * max(right - left, bottom - top, 1)
    shown = (
        max(0, int(left - margin)),
        max(0, int(top - margin)),
        min(picture.width, int(right + margin) + 1),
        min(picture.height, int(bottom + margin) + 1),
    )
    crop = picture.crop(shown)
    scale = SIDE / max(crop.size)
    crop = crop.resize((max(1, round(crop.width * scale)), max(1, round(crop.height * scale))))
    pen = ImageDraw.Draw(crop)
    for box, colour in boxes:
        edges = [(edge - shown[place % 2]) * scale for place, edge in enumerate(box)]
        pen.rectangle(edges, outline=colour, width=LINE)
    return crop
