"""YOLO: a text file for each picture, a line for each box: `class centre-x centre-y width height`, as shares
of the upright picture; or `class x1 y1 x2 y2 ...`, a polygon (docs.ultralytics.com, "Datasets"). The names of
the classes are in `data.yaml`, or a line each in `classes.txt`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import yaml

from assay_ingest.names import stem_of
from assay_ingest.unzip import ArchiveRefused

if TYPE_CHECKING:
    from assay_ingest.datasets import Members, Pictures

MAX_BYTES = 4_000_000
_NAME_FILES = ("classes.txt", "obj.names", "_darknet.labels")


def split_labels(others: list[str], pictures: list[str]) -> tuple[dict[str, str], list[str]]:
    """Which label file belongs to which picture (picture to label file), and the names that are none.

    A label lies beside its picture, or under `labels` where the picture lies under `images`.
    """
    texts = {name for name in others if name.lower().endswith(".txt")}
    labels = {}
    for picture in pictures:
        stem = stem_of(picture)
        head, images, tail = f"/{stem}".rpartition("/images/")
        for candidate in (f"{stem}.txt", f"{head}/labels/{tail}.txt".removeprefix("/") if images else ""):
            if candidate in texts:
                labels[picture] = candidate
                break
    used = set(labels.values())
    return labels, [name for name in others if name not in used and not _holds_names(name)]


def read_yolo(
    members: Members, labels: dict[str, str], pictures: Pictures
) -> list[tuple[str, dict[str, Any]]]:
    """An annotation document for each picture that has a label file; an empty file says that nothing is in
    the picture. Pictures that cannot be read are left out: they will be refused. Raises ArchiveRefused."""
    names = _read_names(members)
    categories = [{"class_id": number, "name": name} for number, name in names.items()]
    found = []
    for picture, label in labels.items():
        size = pictures.size(picture)
        if size is None:
            continue
        lines = _text(members, label).splitlines()
        boxes = [
            _read_line(line.split(), f"{label}, line {number}", size)
            for number, line in enumerate(lines, start=1)
            if line.strip()
        ]
        document = {
            "file": picture,
            "image_size": [{"width": size[0], "height": size[1], "depth": 3}],
            "annotations": boxes,
            "categories": categories,
        }
        found.append((picture, document))
    return found


def _read_line(words: list[str], where: str, size: tuple[int, int]) -> dict[str, Any]:
    try:
        number, values = int(words[0]), [float(word) for word in words[1:]]
    except ValueError as error:
        raise ArchiveRefused(f"{where}: {' '.join(words)[:80]!r} is no YOLO box ({error})") from error
    polygon = len(values) >= 6 and len(values) % 2 == 0
    if (len(values) != 4 and not polygon) or not all(map(math.isfinite, values)):
        raise ArchiveRefused(
            f"{where}: {len(words)} numbers; a box has 5 (class, centre x, centre y, width, height), a "
            "polygon an odd count of 7 or more"
        )
    if polygon:
        left, right = min(values[0::2]), max(values[0::2])
        top, bottom = min(values[1::2]), max(values[1::2])
        share = (left, top, right - left, bottom - top)
    else:
        share = (values[0] - values[2] / 2, values[1] - values[3] / 2, values[2], values[3])
    # Shares are written with six digits; a thousandth of a pixel is below that.
    left, top, width, height = (
        round(value * side, 3) for value, side in zip(share, (*size, *size), strict=True)
    )
    return {"class_id": number, "left": left, "top": top, "width": width, "height": height}


def _read_names(members: Members) -> dict[int, str]:
    for name in sorted(filter(_holds_names, members.names), key=lambda name: (name.count("/"), name)):
        text = _text(members, name)
        names = (
            _read_yaml_names(text, name) if name.lower().endswith((".yaml", ".yml")) else text.splitlines()
        )
        if isinstance(names, list):
            names = dict(enumerate(names))
        if isinstance(names, dict) and names:
            return _check_names(names, name)
    raise ArchiveRefused(
        "The archive holds YOLO labels but no data.yaml whose `names` lists the classes; add it"
    )


def _check_names(names: dict[Any, Any], origin: str) -> dict[int, str]:
    for number, name in names.items():
        if not isinstance(number, int) or not isinstance(name, str | int | float):
            raise ArchiveRefused(f"{origin!r}: names must list the classes by number, such as `0: bottle`")
    return {number: str(name).strip() for number, name in names.items()}


def _read_yaml_names(text: str, origin: str) -> Any:
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ArchiveRefused(f"{origin!r} is not YAML: {str(error)[:300]}") from error
    return document.get("names") if isinstance(document, dict) else None


def _holds_names(name: str) -> bool:
    return name.lower().endswith((".yaml", ".yml")) or name.rpartition("/")[2] in _NAME_FILES


def _text(members: Members, name: str) -> str:
    data = members.read(name)
    if len(data) > MAX_BYTES:
        raise ArchiveRefused(f"{name!r} has {len(data) / 1e6:.1f} MB, too much for labels")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ArchiveRefused(f"{name!r} is not UTF-8 text") from error
