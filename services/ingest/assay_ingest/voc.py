"""Pascal VOC: one XML for each picture, corners counted from 1, the last pixel included
(VOC2012 development kit, section 4)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from assay_ingest.names import stem_of
from assay_ingest.unzip import ArchiveRefused
from assay_shared.annotations import to_document
from assay_shared.wire import Annotation

if TYPE_CHECKING:
    from assay_ingest.datasets import Pictures

MAX_BYTES = 4_000_000


def read_voc(data: bytes, origin: str, pictures: Pictures) -> tuple[str, dict[str, Any]] | None:
    """The picture that a VOC file annotates and its document; None when the XML is no VOC annotation or its
    picture is not in the archive. Raises ArchiveRefused."""
    root = _parse(data, origin)
    if root.tag != "annotation":
        return None
    called = (root.findtext("filename") or "").strip()
    stem = stem_of(origin).rpartition("/")[2]
    own = [name for name in pictures.names if stem_of(name).rpartition("/")[2] == stem]
    picture = (pictures.find(called, origin) if called else None) or (own[0] if len(own) == 1 else None)
    if picture is None:
        return None
    boxes = [
        _read_object(node, f"{origin}: object[{place}]") for place, node in enumerate(root.iter("object"))
    ]
    width, height = _read_size(root, origin) or pictures.size(picture) or (0, 0)
    return picture, to_document(boxes, width, height, picture)


def _read_object(node: Element, where: str) -> Annotation:
    name, box = (node.findtext("name") or "").strip(), node.find("bndbox")
    if not name or box is None:
        raise ArchiveRefused(f"{where} lacks its {'name' if not name else 'bndbox'}")
    left, top, right, bottom = (_number(box, edge, where) for edge in ("xmin", "ymin", "xmax", "ymax"))
    return Annotation(label=name, left=left - 1, top=top - 1, width=right - left + 1, height=bottom - top + 1)


def _read_size(root: Element, origin: str) -> tuple[int, int] | None:
    size = root.find("size")
    if size is None:
        return None
    width, height = int(_number(size, "width", origin)), int(_number(size, "height", origin))
    return (width, height) if width and height else None


def _number(node: Element, name: str, where: str) -> float:
    text = (node.findtext(name) or "").strip()
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ArchiveRefused(f"{where}.{name} is {text[:40]!r}, not a number")
    return value


def _parse(data: bytes, origin: str) -> Element:
    """The root of an XML file. A document type is refused, and with it every entity: nothing can expand and
    nothing is fetched."""
    if len(data) > MAX_BYTES:
        raise ArchiveRefused(
            f"{origin!r} has {len(data) / 1e6:.1f} MB, too much for one picture's annotation"
        )
    builder = TreeBuilder()

    def refuse(*_declaration: object) -> None:
        raise ArchiveRefused(f"{origin!r} declares a document type, which annotations do not need")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError) as error:
        raise ArchiveRefused(f"{origin!r} is not XML: {error}") from error
    return builder.close()
