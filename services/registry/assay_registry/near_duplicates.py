"""Which images show the same scene: each is linked to the first image of its group."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from assay_registry.files import KEPT
from assay_registry.models import ImageRow
from assay_shared.likeness import NEAR_BITS


def find_near_duplicate(session: Session, brand: str, sha256: str, perceptual_hash: str) -> str | None:
    """The first image of the group of near-duplicates that this one belongs to; None when it is the first.

    Kept pictures of verifications count only once they are reviewed.
    """
    bits = int(perceptual_hash, 16)
    images = session.execute(
        select(ImageRow.perceptual_hash, ImageRow.sha256, ImageRow.near_duplicate_of).where(
            ImageRow.brand == brand, ImageRow.sha256 != sha256, ImageRow.state != KEPT
        )
    ).all()
    near = [
        (distance, root or other)
        for hashed, other, root in images
        if (distance := (bits ^ int(hashed, 16)).bit_count()) <= NEAR_BITS
    ]
    return min(near)[1] if near else None


def regroup(session: Session, gone: ImageRow) -> None:
    """The near-duplicates of a deleted image are grouped around the oldest of them."""
    group = session.scalars(
        select(ImageRow)
        .where(ImageRow.brand == gone.brand, ImageRow.near_duplicate_of == gone.sha256)
        .order_by(ImageRow.created_at, ImageRow.sha256)
    ).all()
    for row in group:
        row.near_duplicate_of = group[0].sha256 if row is not group[0] else None
