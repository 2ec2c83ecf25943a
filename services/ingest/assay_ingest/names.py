"""What an upload's name says: what kind of file it is, and which split the brand put it into."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Literal

from assay_ingest.sniff import ACCEPTED_NAMES, declared_format

SPLITS: dict[str, Literal["train", "val"]] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "val",
}
"""Folder names (COCO adds a year: `train2017`) and the split they stand for; `test` is held out as well."""

KINDS_TAKEN = f"an image ({ACCEPTED_NAMES}), an annotation (.json) or an archive (.zip)"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Kind(StrEnum):
    """What a file is, by its name."""

    IMAGE = "image"
    ANNOTATION = "annotation"
    ARCHIVE = "archive"
    OTHER = "other"


def kind_of(name: str) -> Kind:
    """The kind of an upload or of an archive's member."""
    if declared_format(name):
        return Kind.IMAGE
    _, dot, extension = name.rpartition("/")[2].rpartition(".")
    kinds = {"json": Kind.ANNOTATION, "zip": Kind.ARCHIVE}
    return kinds.get(extension.lower(), Kind.OTHER) if dot else Kind.OTHER


def split_of(name: str) -> Literal["train", "val"] | None:
    """The split that a folder of the name stands for, the innermost if several do; None when none does."""
    for folder in reversed(name.split("/")[:-1]):
        split = SPLITS.get(folder.lower().rstrip("0123456789"))
        if split:
            return split
    return None


def stem_of(name: str) -> str:
    """The name without its last extension: what pairs an image with its annotation."""
    folder, slash, file = name.rpartition("/")
    stem, dot, _ = file.rpartition(".")
    return folder + slash + (stem if dot and stem else file)


def find_fault(name: str) -> str | None:
    """Why a name cannot be taken, or None: it must mean the same to every store and file system."""
    parts = name.split("/")
    if any(part in {"", ".", ".."} for part in parts):
        return "a part of the name between slashes is empty, '.' or '..'"
    if _CONTROL.search(name):
        return "the name holds control characters"
    return None
