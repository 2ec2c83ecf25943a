"""Annotation documents: what their JSON must say, read into boxes with label names, and written back.

The form is that of AWS' built-in object detection (design, section 3): `file`, `image_size`, `annotations`,
`categories`; absolute pixels of the upright picture. Nothing here needs the picture itself but
`check_against_picture`, which is told its size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from assay_shared.errors import AssayError
from assay_shared.wire import LABEL_PATTERN, Annotation

MAX_BOXES = 2_000
"""Boxes that one picture may have: twenty times more than a photo of a full shelf shows."""
MAX_CATEGORIES = 1_000
MAX_SIDE = 1_000_000
"""Pixels that a side may claim to have; far beyond any picture that is taken in."""
ROUNDING = 1.0
"""Pixels by which a box may stick out of its picture: tools round outwards. It is then cut off."""


class AnnotationRefused(AssayError):
    """An annotation document breaks a rule; the detail names the exact entry, `code` the rule."""

    type: ClassVar[str] = "annotation-refused"
    title: ClassVar[str] = "The annotation is refused"
    status: ClassVar[int] = 422

    def __init__(self, detail: str = "", code: str = "annotation-invalid", **extra: Any) -> None:
        super().__init__(detail, code=code, **extra)
        self.code = code


@dataclass(frozen=True)
class ParsedAnnotation:
    """What a document says: the file it names (may be empty), the size of the upright picture in pixels, and
    the boxes with label names, cut off at the edges; none of them empty."""

    file: str
    width: int
    height: int
    annotations: list[Annotation]


def parse_annotation(document: Mapping[str, Any]) -> ParsedAnnotation:
    """Reads a document. Raises AnnotationRefused that names the first entry that is wrong.

    A document without boxes is fine: it says that nothing of interest is in the picture.
    """
    if not isinstance(document, Mapping):
        raise AnnotationRefused(f"The annotation must be a JSON object, not {_kind(document)}")
    file = document.get("file", "")
    if not isinstance(file, str):
        raise AnnotationRefused(f"file must be the picture's name as text, not {_kind(file)}")
    width, height = _read_size(document.get("image_size"))
    names = _read_categories(document.get("categories", []))
    entries = document.get("annotations")
    if not isinstance(entries, list):
        raise AnnotationRefused(
            f"annotations must be a list of boxes, not {_kind(entries)}; write [] for a picture with none"
        )
    if len(entries) > MAX_BOXES:
        raise AnnotationRefused(
            f"annotations has {len(entries)} boxes; one picture may have {MAX_BOXES}", code="too-many-boxes"
        )
    boxes = [
        _read_box(f"annotations[{place}]", entry, names, width, height) for place, entry in enumerate(entries)
    ]
    return ParsedAnnotation(_drop_unstorable(file)[:1024], width, height, boxes)


def check_against_picture(parsed: ParsedAnnotation, width: int, height: int) -> None:
    """Compares with the upright picture's size in pixels.

    Raises AnnotationRefused when the document was made for a picture of another size, or a box leaves it.
    """
    if (parsed.width, parsed.height) == (width, height):
        return
    said = f"image_size says {parsed.width}x{parsed.height}, but the picture is {width}x{height}"
    if (parsed.width, parsed.height) == (height, width):
        raise AnnotationRefused(
            f"{said} when upright: the boxes were drawn on the picture lying on its side; apply its Exif "
            "orientation first, then annotate",
            code="size-contradicts",
        )
    raise AnnotationRefused(
        f"{said}: annotate this very picture, not a scaled or cut one", code="size-contradicts"
    )


def to_document(annotations: Sequence[Annotation], width: int, height: int, file: str) -> dict[str, Any]:
    """The document of these boxes: the same input gives the same document, its categories sorted by name."""
    names = sorted({box.label for box in annotations})
    ids = {name: number for number, name in enumerate(names)}
    return {
        "file": file,
        "image_size": [{"width": width, "height": height, "depth": 3}],
        "annotations": [
            {
                "class_id": ids[box.label],
                "left": _short(box.left),
                "top": _short(box.top),
                "width": _short(box.width),
                "height": _short(box.height),
            }
            for box in annotations
        ],
        "categories": [{"class_id": number, "name": name} for name, number in ids.items()],
    }


def _read_size(sizes: object) -> tuple[int, int]:
    if isinstance(sizes, Mapping):
        sizes = [sizes]
    if not isinstance(sizes, list) or len(sizes) != 1:
        raise AnnotationRefused(
            'image_size must be a list of one entry, such as [{"width": 4032, "height": 3024, "depth": 3}]'
        )
    if not isinstance(sizes[0], Mapping):
        raise AnnotationRefused(f"image_size[0] must be an object, not {_kind(sizes[0])}")
    return _read_side(sizes[0], "width"), _read_side(sizes[0], "height")


def _read_side(size: Mapping[str, Any], name: str) -> int:
    value = _read_number("image_size[0]", size, name)
    if not value.is_integer() or not 1 <= value <= MAX_SIDE:
        raise AnnotationRefused(
            f"image_size[0].{name} is {_shown(size[name])}; it must be a whole number of pixels, 1 or more"
        )
    return int(value)


def _read_categories(entries: object) -> dict[int, str]:
    if not isinstance(entries, list):
        raise AnnotationRefused(f"categories must be a list, not {_kind(entries)}")
    if len(entries) > MAX_CATEGORIES:
        raise AnnotationRefused(f"categories has {len(entries)} entries; {MAX_CATEGORIES} are taken")
    names: dict[int, str] = {}
    for place, entry in enumerate(entries):
        where = f"categories[{place}]"
        if not isinstance(entry, Mapping):
            raise AnnotationRefused(f"{where} must be an object, not {_kind(entry)}")
        number = _read_class_id(where, entry)
        name = entry.get("name")
        if (
            not isinstance(name, str)
            or not LABEL_PATTERN.fullmatch(name.strip())
            or _drop_unstorable(name) != name
        ):
            raise AnnotationRefused(
                f"{where}.name is {_shown(name)}; a label has 1 to 100 characters, without slashes and "
                "control characters",
                code="bad-label",
            )
        if names.setdefault(number, name.strip()) != name.strip():
            raise AnnotationRefused(
                f"{where}.class_id {number} is {name.strip()!r}, but an earlier entry says {names[number]!r}",
                code="bad-label",
            )
    return names


def _read_box(where: str, entry: object, names: Mapping[int, str], width: int, height: int) -> Annotation:
    if not isinstance(entry, Mapping):
        raise AnnotationRefused(f"{where} must be an object, not {_kind(entry)}")
    number = _read_class_id(where, entry)
    if number not in names:
        known = ", ".join(f"{key} ({name})" for key, name in list(names.items())[:10]) or "none"
        raise AnnotationRefused(
            f"{where}.class_id is {number}, which categories does not list; it lists: {known}",
            code="unknown-class",
        )
    left, top = _read_number(where, entry, "left"), _read_number(where, entry, "top")
    wide, high = _read_number(where, entry, "width"), _read_number(where, entry, "height")
    for name, value in (("width", wide), ("height", high)):
        if value <= 0:
            raise AnnotationRefused(
                f"{where}.{name} is {_shown(entry[name])}; a box must be wider and higher than 0 pixels",
                code="empty-box",
            )
    left, wide = _cut(where, ("left", "right"), left, wide, width)
    top, high = _cut(where, ("top", "bottom"), top, high, height)
    return Annotation(label=names[number], left=left, top=top, width=wide, height=high)


def _cut(where: str, edges: tuple[str, str], start: float, length: float, side: int) -> tuple[float, float]:
    """The part of an interval that lies within 0 and `side`; raises when more than ROUNDING lies outside."""
    end = start + length
    beyond = {edges[0]: -start, edges[1]: end - side}
    for edge, pixels in beyond.items():
        if pixels > ROUNDING:
            raise AnnotationRefused(
                f"{where} sticks out of the picture by {pixels:.6g} pixels at the {edge} edge; the picture "
                f"is {side} pixels {'wide' if 'left' in edges else 'high'}",
                code="box-outside",
            )
    if start >= 0 and end <= side:
        return start, length
    kept_start, kept_end = max(0.0, start), min(float(side), end)
    if kept_end <= kept_start:
        raise AnnotationRefused(
            f"{where} lies wholly outside the picture, beyond its {edges[0] if end <= 0 else edges[1]} edge",
            code="box-outside",
        )
    return kept_start, kept_end - kept_start


def _read_class_id(where: str, entry: Mapping[str, Any]) -> int:
    if "class_id" not in entry:
        raise AnnotationRefused(f"{where}.class_id is missing")
    number = entry["class_id"]
    if isinstance(number, bool) or not isinstance(number, int) or abs(number) >= 2**53:
        raise AnnotationRefused(f"{where}.class_id is {_shown(number)}; it must be a whole number")
    return number


def _read_number(where: str, entry: Mapping[str, Any], name: str) -> float:
    if name not in entry:
        raise AnnotationRefused(f"{where}.{name} is missing")
    value = entry[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise AnnotationRefused(f"{where}.{name} is {_shown(value)}; it must be a number of pixels")
    if not math.isfinite(value) if isinstance(value, float) else abs(value) > 10**15:
        raise AnnotationRefused(
            f"{where}.{name} is {_shown(value)}; it must be a finite number of pixels", code="not-a-number"
        )
    return float(value)


def _short(value: float) -> float | int:
    return int(value) if value.is_integer() else value


def _drop_unstorable(text: str) -> str:
    """Without control characters and halves of surrogate pairs, which databases and UTF-8 refuse."""
    return "".join(char for char in text if char >= " " and not "\ud800" <= char <= "\udfff")


def _kind(value: object) -> str:
    if value is None:
        return "missing or null"
    kinds = {bool: "a truth value", int: "a number", float: "a number", str: "text", list: "a list"}
    return kinds.get(type(value), "an object")


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:
        return "a number of more than 4,000 digits"
    return text if len(text) <= 60 else text[:57] + "…"
