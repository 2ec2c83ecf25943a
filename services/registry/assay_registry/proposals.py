"""Proposed boxes of kept pictures: what the detector saw when the picture was verified."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from assay_registry.models import FileRow, ImageRow, VerificationRow
from assay_shared.keys import KEPT_PICTURES
from assay_shared.wire import Annotation, Detection, Verification

LEAST_SIDE = 1.0
"""Pixels: what is left of a box within the picture must be larger to be proposed."""


def find_proposal(session: Session, image: ImageRow) -> list[Annotation] | None:
    """The boxes of the newest verification of this image, cut off at its edges; None when it has none, or
    when that saw a picture of another size."""
    row = session.scalar(
        select(VerificationRow)
        .join(FileRow, FileRow.stem == VerificationRow.id)
        .where(
            VerificationRow.brand == image.brand,
            FileRow.brand == image.brand,
            FileRow.upload == KEPT_PICTURES,
            FileRow.sha256 == image.sha256,
        )
        .order_by(VerificationRow.id.desc())
        .limit(1)
    )
    if row is None:
        return None
    verification = Verification.model_validate(row.body)
    if verification.image != {"width": image.width, "height": image.height}:
        return None
    return propose(verification.detections, image.width, image.height)


def propose(detections: Iterable[Detection], width: int, height: int) -> list[Annotation]:
    """Boxes to annotate a picture of this size (pixels) with, from what the detector found there."""
    boxes = []
    for found in detections:
        left, top = max(0.0, found.box.left), max(0.0, found.box.top)
        right = min(float(width), found.box.left + found.box.width)
        bottom = min(float(height), found.box.top + found.box.height)
        if right - left > LEAST_SIDE and bottom - top > LEAST_SIDE:
            boxes.append(
                Annotation(label=found.label, left=left, top=top, width=right - left, height=bottom - top)
            )
    return boxes
