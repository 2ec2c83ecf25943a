"""Freezing: what a brand has taught so far becomes an immutable dataset version."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal, cast

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from assay_registry.files import KEPT
from assay_registry.gate import find_lowest
from assay_registry.models import BrandRow, DatasetVersionRow, ImageRow, LabelRow, ProductRow
from assay_registry.shortages import describe_missing, find_missing, find_unjudgeable, find_warnings
from assay_registry.splits import Candidate, split_groups
from assay_shared.errors import InvalidRequest
from assay_shared.ids import new_id
from assay_shared.likeness import find_roots
from assay_shared.wire import (
    Annotation,
    BrandSettings,
    DatasetItem,
    DatasetManifest,
    Gate,
    Label,
    LabelRole,
    Product,
    Truth,
)


def freeze_dataset(session: Session, brand: BrandRow) -> DatasetVersionRow:
    """The dataset version of all accepted images; the same content gives the version that is there.

    Call with the brand's row locked. Raises InvalidRequest with `missing` (a list of Shortage) when the
    images cannot support a training run; nothing is stored then.
    """
    images = session.scalars(
        select(ImageRow).where(ImageRow.brand == brand.slug, ImageRow.state != KEPT)
    ).all()
    roots = find_roots({image.sha256: image.near_duplicate_of for image in images})
    accepted = [image for image in images if image.state == "accepted"]
    labels = _read_labels(session, brand.slug, accepted)
    settings = BrandSettings.model_validate(brand.settings)
    _check_support(accepted, labels, roots, settings.min_images_per_label)
    splits = split_groups(
        [
            Candidate(
                image.sha256,
                frozenset(_labels_of(image)),
                roots[image.sha256],
                cast(Literal["train", "val"] | None, image.split),
            )
            for image in accepted
        ]
    )
    _check_both_splits(list(splits.values()))
    items = [
        DatasetItem(
            sha256=image.sha256,
            extension=image.extension,
            width=image.width,
            height=image.height,
            split=splits[image.sha256],
            group=roots[image.sha256],
            truth=cast(Truth | None, image.truth),
            annotations=[Annotation.model_validate(box) for box in image.annotations or []],
        )
        for image in sorted(accepted, key=lambda image: image.sha256)
    ]
    _check_judgeable(items, settings.gate)
    products = session.scalars(
        select(ProductRow).where(ProductRow.brand == brand.slug).order_by(ProductRow.gtin)
    )
    manifest = DatasetManifest(
        id=new_id("data"),
        brand=brand.slug,
        labels=[Label(name=name, role=labels[name]) for name in sorted(labels)],
        products=[Product(gtin=row.gtin, name=row.name, label=row.label) for row in products],
        items=items,
        warnings=find_warnings(items, labels),
    )
    for image in accepted:
        image.in_dataset = True
    return _store_once(session, manifest)


def _read_labels(session: Session, brand: str, images: Sequence[ImageRow]) -> dict[str, LabelRole]:
    """The labels that occur, with their roles."""
    rows = session.scalars(select(LabelRow).where(LabelRow.brand == brand))
    roles = {row.name: LabelRole(row.role) for row in rows}
    occurring = {label for image in images for label in _labels_of(image)}
    return {label: roles.get(label, LabelRole.PRODUCT) for label in occurring}


def _labels_of(image: ImageRow) -> set[str]:
    return {str(box["label"]) for box in image.annotations or []}


def _check_support(
    images: Sequence[ImageRow], labels: Mapping[str, LabelRole], roots: Mapping[str, str], needed: int
) -> None:
    if not labels:
        raise InvalidRequest(
            f"There are {len(images)} accepted images and no annotated label in them: upload photos with "
            "their annotation files, then finish again",
            missing=[],
        )
    groups: dict[str, set[str]] = defaultdict(set)
    for image in images:
        for label in _labels_of(image):
            groups[label].add(roots[image.sha256])
    missing = find_missing(groups, labels, needed)
    if missing:
        raise InvalidRequest(
            f"Too few different images of some labels (near-duplicates count once): "
            f"{describe_missing(missing)}. Then finish again",
            missing=[shortage.model_dump() for shortage in missing],
        )
    if LabelRole.PRODUCT not in labels.values():
        raise InvalidRequest(
            f"No label in the annotations has the role 'product' (they are: {', '.join(sorted(labels))}): "
            "give the label of the thing itself that role, then finish again",
            missing=[],
        )


def _check_both_splits(splits: Sequence[str]) -> None:
    for split, purpose in (("train", "to learn from"), ("val", "to judge by")):
        if split not in splits:
            raise InvalidRequest(
                f"No image is left {purpose} (split {split!r}): all {len(splits)} are near-duplicates of one "
                "another, or the uploads' own folders put them all into the other split; upload more "
                "different photos",
                missing=[],
            )


def _check_judgeable(items: Sequence[DatasetItem], gate: Gate) -> None:
    missing = find_unjudgeable(items, find_lowest(gate))
    if missing:
        raise InvalidRequest(
            f"Too few different images are held out: {describe_missing(missing)}. Then finish again",
            missing=[shortage.model_dump() for shortage in missing],
        )


def _store_once(session: Session, manifest: DatasetManifest) -> DatasetVersionRow:
    content = manifest.model_dump(mode="json", exclude={"id"})
    # Warnings are said about the content; worded anew, they make no new version.
    told = {name: value for name, value in content.items() if name != "warnings"}
    sha256 = hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()
    known = session.scalar(
        select(DatasetVersionRow).where(
            DatasetVersionRow.brand == manifest.brand, DatasetVersionRow.sha256 == sha256
        )
    )
    if known is not None:
        return known
    row = DatasetVersionRow(
        id=manifest.id, brand=manifest.brand, sha256=sha256, manifest={"id": manifest.id, **content}
    )
    session.add(row)
    session.flush()
    return row
