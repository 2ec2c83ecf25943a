"""What an archive holds: pictures, and annotations in our form, COCO, Pascal VOC or YOLO, told apart by
content. All become one annotation document a picture, in our form.

The parsing is our own, about 60 lines a format. The library that fits best, `supervision`, reads whole data
sets from folders on disk, decodes every picture with OpenCV before it is sanitised, gives up a whole data set
for one bad entry without naming it, and brings opencv-python, scipy and matplotlib with it.

What is wrong with the data set's structure refuses the archive and names the entry. What is wrong with a
single picture's boxes goes into that picture's document and is judged there, like any other upload.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Protocol

from assay_ingest import coco, voc, yolo
from assay_ingest.documents import read_document
from assay_ingest.errors import ImageRefused
from assay_ingest.names import Kind, kind_of, stem_of
from assay_ingest.picture_size import read_size
from assay_ingest.unzip import ArchiveRefused
from assay_shared.annotations import AnnotationRefused


class Members(Protocol):
    """Files by name."""

    @property
    def names(self) -> list[str]:
        """All names."""
        ...

    def read(self, name: str) -> bytes:
        """The bytes of one."""
        ...


@dataclass
class DataSet:
    """What comes out of an archive: member names that are uploaded as they are (pictures, and documents in
    our form), documents by the name they get, and the names that are neither."""

    as_they_are: list[str] = field(default_factory=list)
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)


class Pictures:
    """The pictures of an archive, found by what an annotation file calls them."""

    def __init__(self, members: Members) -> None:
        self._members = members
        self.names = [name for name in members.names if kind_of(name) == Kind.IMAGE]
        self._by_file = defaultdict(list)
        for name in self.names:
            self._by_file[PurePosixPath(name).name].append(name)

    def find(self, called: str, beside: str) -> str | None:
        """The picture that the file `beside` calls `called`, or None. Raises ArchiveRefused if many fit."""
        called = called.replace("\\", "/").removeprefix("./")
        fitting = self._by_file.get(PurePosixPath(called).name, [])
        narrower: tuple[Callable[[str], bool], ...] = (
            lambda name: f"/{name}".endswith(f"/{called}"),
            lambda name: (
                _shared_depth(name, beside) == max(_shared_depth(other, beside) for other in fitting)
            ),
        )
        for fits in narrower:
            if len(fitting) > 1:
                fitting = [name for name in fitting if fits(name)] or fitting
        if len(fitting) > 1:
            raise ArchiveRefused(
                f"{beside!r} names the picture {called!r}, which may be any of {fitting[:5]}"
            )
        return fitting[0] if fitting else None

    def size(self, name: str) -> tuple[int, int] | None:
        """Width and height of the upright picture; None when it cannot be read (it will be refused later)."""
        try:
            return read_size(self._members.read(name), name)
        except ImageRefused:
            return None


def read_data_set(members: Members) -> DataSet:
    """Sorts out what an archive holds. Raises ArchiveRefused that names the file and entry."""
    found, pictures = DataSet(), Pictures(members)
    found.as_they_are.extend(pictures.names)
    stems = {stem_of(name) for name in pictures.names}
    others = [name for name in members.names if kind_of(name) != Kind.IMAGE]
    for name in others:
        if kind_of(name) == Kind.ARCHIVE:
            raise ArchiveRefused(f"The archive holds another one, {name!r}; unpack that first")
    read: dict[str, dict[str, Any]] = {}
    for name in [name for name in others if kind_of(name) == Kind.ANNOTATION]:
        document = _read_json(members, name, paired=stem_of(name) in stems)
        if coco.is_coco(document):
            _join(read, coco.read_coco(document, name, pictures, found.ignored), name)
        elif stem_of(name) in stems or (isinstance(document, dict) and "image_size" in document):
            found.as_they_are.append(name)
        else:
            found.ignored.append(name)
    for name in [name for name in others if name.lower().endswith(".xml")]:
        labelled = voc.read_voc(members.read(name), name, pictures)
        if labelled is None:
            found.ignored.append(name)
        else:
            _join(read, [labelled], name)
    labels, rest = yolo.split_labels(others, pictures.names)
    if labels:
        _join(read, yolo.read_yolo(members, labels, pictures), "the YOLO labels")
    found.ignored.extend(name for name in rest if not name.lower().endswith((".json", ".xml")))
    _name_documents(found, read)
    return found


def _read_json(members: Members, name: str, paired: bool) -> Any:
    try:
        return read_document(members.read(name))
    except AnnotationRefused as error:
        if paired:
            return None
        raise ArchiveRefused(f"{name!r} in the archive: {error.detail}", code=error.code) from error


def _join(read: dict[str, dict[str, Any]], more: list[tuple[str, dict[str, Any]]], origin: str) -> None:
    for picture, document in more:
        if picture in read:
            raise ArchiveRefused(
                f"The picture {picture!r} is annotated twice, the second time by {origin}; keep one of them"
            )
        read[picture] = document


def _name_documents(found: DataSet, read: dict[str, dict[str, Any]]) -> None:
    taken = set(found.as_they_are)
    for picture, document in read.items():
        name = stem_of(picture) + ".json"
        if name in taken or name in found.documents:
            raise ArchiveRefused(
                f"The picture {picture!r} would get the annotation {name!r}, which another file has already; "
                "give the pictures names that differ in more than the extension"
            )
        found.documents[name] = document


def _shared_depth(left: str, right: str) -> int:
    depth = 0
    for one, other in zip(left.split("/")[:-1], right.split("/")[:-1], strict=False):
        if one != other:
            break
        depth += 1
    return depth
