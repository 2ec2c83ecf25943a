from __future__ import annotations

import io
import json
import zipfile

import pytest

from assay_shared.keys import UPLOADS
from tests.integration.ingest.support import Inbox
from tests.support.pictures import save, upright_picture


def photo(seed: int) -> bytes:
    return save(upright_picture(100, 80, seed), "JPEG")


def packed(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, data in files.items():
            file.writestr(name, data)
    return out.getvalue()


def coco(*names: str) -> bytes:
    return json.dumps(
        {
            "images": [
                {"id": number, "file_name": name, "width": 100, "height": 80}
                for number, name in enumerate(names)
            ],
            "annotations": [
                {"id": number, "image_id": number, "category_id": 1, "bbox": [10, 10, 30, 30]}
                for number in range(len(names))
            ],
            "categories": [{"id": 1, "name": "bottle"}],
        }
    ).encode()


VOC = b"""<annotation><filename>a.jpg</filename><size><width>100</width><height>80</height></size><object>
<name>bottle</name><bndbox><xmin>11</xmin><ymin>11</ymin><xmax>40</xmax><ymax>40</ymax></bndbox></object>
</annotation>"""
OWN = json.dumps(
    {
        "file": "a.jpg",
        "image_size": [{"width": 100, "height": 80, "depth": 3}],
        "annotations": [{"class_id": 0, "left": 10, "top": 10, "width": 30, "height": 30}],
        "categories": [{"class_id": 0, "name": "bottle"}],
    }
).encode()
SETS: dict[str, dict[str, bytes]] = {
    "coco": {
        "train/a.jpg": photo(1),
        "train/_annotations.coco.json": coco("a.jpg"),
        "valid/b.jpg": photo(2),
        "valid/_annotations.coco.json": coco("b.jpg"),
    },
    "yolo": {
        "data.yaml": b"names: [bottle]",
        "train/images/a.jpg": photo(1),
        "train/labels/a.txt": b"0 0.25 0.3125 0.3 0.375",
        "valid/images/b.jpg": photo(2),
        "valid/labels/b.txt": b"0 0.25 0.3125 0.3 0.375",
    },
    "voc": {"train/a.jpg": photo(1), "train/a.xml": VOC, "test/a.jpg": photo(2), "test/a.xml": VOC},
    "ours": {"train/a.jpg": photo(1), "train/a.json": OWN, "val/b.jpg": photo(2), "val/b.json": OWN},
}


@pytest.mark.parametrize("files", SETS.values(), ids=SETS.keys())
def test_a_data_set_becomes_images_with_boxes_and_its_own_split(
    files: dict[str, bytes], inbox: Inbox
) -> None:
    inbox.put("my set.zip", packed(files))
    inbox.ingest("my set.zip")
    members = inbox.waiting()
    assert len(members) == 4
    assert all(name.startswith("my set/") for name in members)
    for name in members:
        inbox.ingest(name)
    assert inbox.waiting() == []
    assert inbox.quarantined() == {}
    images = inbox.images("accepted")
    assert sorted(image["split"] for image in images) == ["train", "val"]
    for image in images:
        assert image["annotations"] == [{"label": "bottle", "left": 10, "top": 10, "width": 30, "height": 30}]


def test_an_archive_delivered_twice_gives_the_same(inbox: Inbox) -> None:
    data = packed(SETS["ours"])
    for _ in range(2):
        inbox.put("set.zip", data)
        inbox.ingest("set.zip")
        for name in inbox.waiting():
            inbox.ingest(name)
        assert inbox.waiting() == []
        assert len(inbox.images("accepted")) == 2


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (packed({"../a.jpg": photo(1)}), "unsafe-member", "../a.jpg"),
        (packed({"a.jpg": photo(1), "x.json": b"{"}), "not-json", "'x.json' in the archive"),
        (
            packed({"a.jpg": photo(1), "a.txt": b"0 1", "data.yaml": b"names: [x]"}),
            "archive-invalid",
            "a.txt, line 1",
        ),
        (packed({"readme.txt": b"hello"}), "unsupported-format", "neither pictures nor annotations"),
        (
            packed({"x" * 150 + "/" + "y" * 150 + "/" * 1 + ("z" * 200 + "/") * 4 + "a.jpg": photo(1)}),
            "bad-name",
            "long",
        ),
    ],
)
def test_an_archive_is_taken_whole_or_not_at_all(data: bytes, code: str, words: str, inbox: Inbox) -> None:
    inbox.put("set.zip", data)
    assert inbox.ingest("set.zip") == "quarantined"
    reason, original = inbox.quarantined()["set.zip"]
    assert reason["code"] == code
    assert words in reason["reason"]
    assert original == data
    assert list(inbox.store.list(UPLOADS, f"{inbox.brand}/")) == []
