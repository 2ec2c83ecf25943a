"""Small dataset versions."""

from __future__ import annotations

from typing import Literal

from assay_shared.wire import Annotation, DatasetItem, DatasetManifest, Label, LabelRole

LABELS = [
    Label(name="carton", role=LabelRole.PRODUCT),
    Label(name="logo", role=LabelRole.MARK),
    Label(name="seal", role=LabelRole.MARK),
    Label(name="fake-logo", role=LabelRole.COUNTERFEIT),
]


def box(label: str, left: float, top: float, width: float, height: float) -> Annotation:
    """One annotation, in pixels."""
    return Annotation(label=label, left=left, top=top, width=width, height=height)


def item(
    sha256: str,
    split: Literal["train", "val"],
    *boxes: Annotation,
    size: tuple[int, int] = (100, 100),
    extension: str = "jpg",
) -> DatasetItem:
    """One picture of a dataset version; `size` is width and height."""
    return DatasetItem(
        sha256=sha256,
        extension=extension,
        width=size[0],
        height=size[1],
        split=split,
        annotations=list(boxes),
    )


def make_manifest(*items: DatasetItem) -> DatasetManifest:
    """A dataset version of these pictures and LABELS."""
    return DatasetManifest(id="dsv_1", brand="acme", labels=LABELS, products=[], items=list(items))
