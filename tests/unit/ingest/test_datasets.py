from __future__ import annotations

import json
from typing import Any

import pytest

from assay_ingest.datasets import DataSet, read_data_set
from assay_ingest.unzip import ArchiveRefused
from assay_shared.annotations import parse_annotation
from assay_shared.wire import Annotation
from tests.support.pictures import gps_exif, save, upright_picture

PICTURE = save(upright_picture(100, 80), "JPEG")
ON_ITS_SIDE = save(upright_picture(80, 100), "JPEG", exif=gps_exif(6))


class Files(dict[str, bytes]):
    @property
    def names(self) -> list[str]:
        return sorted(self)

    def read(self, name: str) -> bytes:
        return self[name]


def boxes(found: DataSet, name: str) -> list[Annotation]:
    parsed = parse_annotation(found.documents[name])
    assert (parsed.width, parsed.height) == (100, 80)
    return parsed.annotations


BOTTLE = Annotation(label="bottle", left=10, top=20, width=30, height=40)


def coco(**changes: Any) -> dict[str, Any]:
    return {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 80}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 3, "bbox": [10, 20, 30, 40]}],
        "categories": [{"id": 3, "name": "bottle"}],
        **changes,
    }


def test_coco_as_roboflow_packs_it() -> None:
    files = Files({"train/a.jpg": PICTURE, "valid/a.jpg": PICTURE, "README.txt": b"hello"})
    for folder in ("train", "valid"):
        files[f"{folder}/_annotations.coco.json"] = json.dumps(coco()).encode()
    found = read_data_set(files)
    assert found.as_they_are == ["train/a.jpg", "valid/a.jpg"]
    assert boxes(found, "train/a.json") == boxes(found, "valid/a.json") == [BOTTLE]
    assert found.ignored == ["README.txt"]


def test_coco_with_its_json_in_another_folder_and_pictures_without_boxes() -> None:
    document = coco(
        images=[
            {"id": 1, "file_name": "a.jpg"},
            {"id": 2, "file_name": "b.jpg", "width": 100, "height": 80},
            {"id": 9, "file_name": "elsewhere.jpg"},
        ]
    )
    document["annotations"] += [
        {"id": 2, "image_id": 9, "category_id": 3, "bbox": [0, 0, 1, 1]},
        {"id": 3, "image_id": 2, "category_id": 3, "bbox": [0, 0, 1, 1], "iscrowd": 1},
    ]
    found = read_data_set(
        Files(
            {
                "annotations/instances_train2017.json": json.dumps(document).encode(),
                "train2017/a.jpg": ON_ITS_SIDE,
                "train2017/b.jpg": PICTURE,
            }
        )
    )
    assert boxes(found, "train2017/a.json") == [BOTTLE]
    assert boxes(found, "train2017/b.json") == []
    assert found.ignored == ["annotations/instances_train2017.json: elsewhere.jpg (not in the archive)"]


def yolo(**changes: bytes) -> Files:
    return Files(
        {
            "data.yaml": b"names: [bottle, seal]\n",
            "train/images/a.jpg": PICTURE,
            "train/labels/a.txt": b"0 0.25 0.5 0.3 0.5\n",
            "test/images/b.jpg": ON_ITS_SIDE,
            "test/labels/b.txt": b"\n1 0.1 0.25 0.4 0.25 0.4 0.75 0.1 0.75\n",
            "test/images/never.jpg": PICTURE,
            "test/labels/stray.txt": b"",
            **changes,
        }
    )


def test_yolo_boxes_and_polygons_of_upright_pictures() -> None:
    found = read_data_set(yolo())
    assert boxes(found, "train/images/a.json") == [BOTTLE]
    assert boxes(found, "test/images/b.json") == [BOTTLE.model_copy(update={"label": "seal"})]
    assert set(found.documents) == {"train/images/a.json", "test/images/b.json"}
    assert found.ignored == ["test/labels/stray.txt"]


def test_yolo_with_names_by_number_or_a_line_each() -> None:
    assert boxes(read_data_set(yolo(**{"data.yaml": b"names: {0: bottle, 1: seal}"})), "train/images/a.json")
    files = Files({"classes.txt": b"bottle\nseal\n", "a.jpg": PICTURE, "a.txt": b"0 0.25 0.5 0.3 0.5"})
    assert boxes(read_data_set(files), "a.json") == [BOTTLE]


def test_a_yolo_class_without_a_name_is_left_to_its_picture() -> None:
    found = read_data_set(yolo(**{"train/labels/a.txt": b"7 0.25 0.5 0.3 0.5"}))
    assert found.documents["train/images/a.json"]["annotations"][0]["class_id"] == 7


def voc(
    size: str = "<size><width>100</width><height>80</height></size>", edges: str = "11 21 40 60"
) -> bytes:
    corners = "".join(
        f"<{name}>{value}</{name}>"
        for name, value in zip(("xmin", "ymin", "xmax", "ymax"), edges.split(), strict=True)
    )
    return (
        f"<annotation><filename>a.jpg</filename>{size}<object><name>bottle</name>"
        f"<bndbox>{corners}</bndbox></object></annotation>"
    ).encode()


def test_pascal_voc_counts_from_one() -> None:
    found = read_data_set(Files({"JPEGImages/a.jpg": PICTURE, "Annotations/a.xml": voc()}))
    assert boxes(found, "JPEGImages/a.json") == [BOTTLE]


def test_pascal_voc_without_a_size_takes_the_picture_s() -> None:
    for size in ("", "<size><width>0</width><height>0</height></size>"):
        found = read_data_set(Files({"a.jpg": ON_ITS_SIDE, "a.xml": voc(size)}))
        assert boxes(found, "a.json") == [BOTTLE]


def test_documents_in_our_own_form_are_uploaded_as_they_are() -> None:
    files = Files(
        {"a.jpg": PICTURE, "a.json": b"{broken", "alone.json": b'{"image_size": []}', "meta.json": b"{}"}
    )
    found = read_data_set(files)
    assert found.as_they_are == ["a.jpg", "a.json", "alone.json"]
    assert found.ignored == ["meta.json"]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"a.jpg": PICTURE, "x.json": b"{"}, "'x.json' in the archive: The file is not JSON"),
        ({"x.json": json.dumps(coco(images=[{"id": 1}])).encode()}, "x.json: images[0].file_name is missing"),
        (
            {"x.json": json.dumps(coco(annotations=[{"image_id": 7}])).encode()},
            "x.json: annotations[0].image_id is 7, which images does not list",
        ),
        (
            {"a.jpg": PICTURE, "x.json": json.dumps(coco(annotations=[{"image_id": 1}])).encode()},
            "x.json: annotations[0].bbox is missing",
        ),
        ({"x.json": json.dumps(coco(categories=[{}])).encode()}, "x.json: categories[0].id is missing"),
        ({"x.json": json.dumps(coco(images=[3])).encode()}, "x.json: images[0].id is missing"),
        (
            {"p/a.jpg": PICTURE, "q/a.jpg": PICTURE, "x.json": json.dumps(coco()).encode()},
            "may be any of ['p/a.jpg', 'q/a.jpg']",
        ),
        ({"a.jpg": PICTURE, "a.txt": b"0 0 0 1 1"}, "no data.yaml"),
        ({"a.jpg": PICTURE, "a.txt": b"0 0 1", "data.yaml": b"names: [x]"}, "a.txt, line 1: 3 numbers"),
        ({"a.jpg": PICTURE, "a.txt": b"dog 0 0 1 1", "data.yaml": b"names: [x]"}, "a.txt, line 1: 'dog"),
        ({"a.jpg": PICTURE, "a.txt": b"0 nan 0 1 1", "data.yaml": b"names: [x]"}, "a.txt, line 1"),
        ({"a.jpg": PICTURE, "a.txt": b"", "data.yaml": b"names: ["}, "'data.yaml' is not YAML"),
        ({"a.jpg": PICTURE, "a.xml": b"<annotation>"}, "'a.xml' is not XML"),
        ({"a.jpg": PICTURE, "a.xml": voc(edges="x 1 2 3")}, "a.xml: object[0].xmin is 'x', not a number"),
        (
            {"a.jpg": PICTURE, "a.xml": b'<!DOCTYPE a [<!ENTITY b "c">]><annotation/>'},
            "'a.xml' declares a document type",
        ),
        ({"a.jpg": PICTURE, "a.xml": voc(), "x.json": json.dumps(coco()).encode()}, "annotated twice"),
        (
            {"a.jpg": PICTURE, "a.jpeg": PICTURE, "a.txt": b"", "data.yaml": b"names: [x]"},
            "differ in more than the extension",
        ),
        ({"inner.zip": b""}, "holds another one, 'inner.zip'"),
    ],
)
def test_names_what_is_wrong_in_the_structure(files: dict[str, bytes], words: str) -> None:
    with pytest.raises(ArchiveRefused) as caught:
        read_data_set(Files(files))
    assert words in caught.value.detail
