"""COCO object detection: one JSON for many pictures, boxes as `[left, top, width, height]` in pixels
(cocodataset.org, "Data format")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay_ingest.unzip import ArchiveRefused

if TYPE_CHECKING:
    from assay_ingest.datasets import Pictures


def is_coco(document: Any) -> bool:
    """Whether a JSON value is a COCO data set."""
    return isinstance(document, dict) and all(
        isinstance(document.get(name), list) for name in ("images", "annotations", "categories")
    )


def read_coco(
    document: dict[str, Any], origin: str, pictures: Pictures, ignored: list[str]
) -> list[tuple[str, dict[str, Any]]]:
    """An annotation document for each picture of the data set that is in the archive.

    A picture without boxes gets a document that says so. Regions of crowds (`iscrowd`) are left out, as in
    COCO's own training. Pictures that are not in the archive are added to `ignored`. Raises ArchiveRefused.
    """
    categories = [
        {"class_id": _entry(entry, "id", f"{origin}: categories[{place}]"), "name": entry.get("name")}
        for place, entry in enumerate(document["categories"])
    ]
    found: dict[Any, tuple[str, dict[str, Any]]] = {}
    absent = set()
    for place, entry in enumerate(document["images"]):
        where = f"{origin}: images[{place}]"
        number, called = _entry(entry, "id", where), _entry(entry, "file_name", where)
        if not isinstance(number, int | str) or not isinstance(called, str):
            raise ArchiveRefused(f"{where} must have a number as id and a text as file_name")
        if number in found or number in absent:
            raise ArchiveRefused(f"{where}.id {number} comes twice")
        name = pictures.find(called, origin)
        if name is None:
            absent.add(number)
            ignored.append(f"{origin}: {called} (not in the archive)")
            continue
        size = (entry.get("width"), entry.get("height"))
        if not all(size):
            size = pictures.size(name) or size
        found[number] = (name, _empty_document(called, size, categories))
    for place, entry in enumerate(document["annotations"]):
        where = f"{origin}: annotations[{place}]"
        number = _entry(entry, "image_id", where)
        if not isinstance(number, int | str) or (number not in found and number not in absent):
            raise ArchiveRefused(f"{where}.image_id is {number!r}, which images does not list")
        if number in absent or entry.get("iscrowd") == 1:
            continue
        found[number][1]["annotations"].append(_read_box(entry, where))
    return list(found.values())


def _read_box(entry: dict[str, Any], where: str) -> dict[str, Any]:
    box = _entry(entry, "bbox", where)
    if not isinstance(box, list) or len(box) != 4:
        raise ArchiveRefused(f"{where}.bbox must be [left, top, width, height]")
    return {
        "class_id": _entry(entry, "category_id", where),
        "left": box[0],
        "top": box[1],
        "width": box[2],
        "height": box[3],
    }


def _empty_document(called: str, size: tuple[Any, Any], categories: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "file": called,
        "image_size": [{"width": size[0], "height": size[1], "depth": 3}],
        "annotations": [],
        "categories": categories,
    }


def _entry(entry: Any, name: str, where: str) -> Any:
    if not isinstance(entry, dict) or name not in entry:
        raise ArchiveRefused(f"{where}.{name} is missing")
    return entry[name]
