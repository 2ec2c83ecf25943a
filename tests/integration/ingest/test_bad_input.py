"""Whatever is uploaded ends accepted or quarantined with a reason, its original kept; nothing is dropped."""

from __future__ import annotations

import json
import math
import struct
import zlib
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from assay_ingest.crashes import MAX_REDELIVERIES, quarantine_killer
from assay_ingest.objects import ingest_object
from assay_shared.events import ObjectCreated
from assay_shared.keys import IMAGES, QUARANTINE, UPLOADS
from tests.integration.ingest.support import Inbox
from tests.support.pictures import (
    gps_exif,
    jpeg_full_of_metadata,
    png_chunk,
    save,
    upright_picture,
    with_png_chunks,
)

WIDTH, HEIGHT = 96, 64


def photo(seed: int = 0, kind: str = "JPEG", **options: Any) -> bytes:
    return save(upright_picture(WIDTH, HEIGHT, seed), kind, **options)


def document(*boxes: dict[str, Any], width: int = WIDTH, height: int = HEIGHT) -> bytes:
    return json.dumps(
        {
            "file": "photo",
            "image_size": [{"width": width, "height": height, "depth": 3}],
            "annotations": list(boxes),
            "categories": [{"class_id": 0, "name": "bottle"}],
        }
    ).encode()


def box(**changes: Any) -> dict[str, Any]:
    return {"class_id": 0, "left": 10, "top": 10, "width": 20, "height": 20, **changes}


def huge_png() -> bytes:
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", b"") + png_chunk(b"IEND", b"")
    )


def png_with_a_bomb() -> bytes:
    return with_png_chunks(photo(21, "PNG"), png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(20_000_000))))


def animation(kind: str) -> bytes:
    frames = [upright_picture(WIDTH, HEIGHT, seed) for seed in (1, 2)]
    return save(frames[0], kind, save_all=True, append_images=frames[1:])


def cmyk() -> bytes:
    return save(upright_picture(WIDTH, HEIGHT, 3).convert("CMYK"), "JPEG")


def deep() -> bytes:
    grey = upright_picture(WIDTH, HEIGHT, 4).convert("I").point(lambda value: value * 257)
    return save(grey.convert("I;16"), "PNG")


GOOD = document(box())
LONG_NAME = "/".join(["h" * 245] * 4)
"""With its brand, upload and ending about as long as a key of S3 can be (1,024 bytes)."""
ODD_NAMES = ("a b+c%20&d", "päckchen 中", "sub/fol.der/x", "..x", "f" * 240, LONG_NAME)


@dataclass(frozen=True)
class Case:
    """Files in the order in which they come, what each ends as (`accepted`, `received`, or the code of its
    quarantine), and words that the reason must hold."""

    files: dict[str, bytes]
    ends: dict[str, str]
    words: str = ""
    twice: bool = field(default=False)


CASES: dict[str, Case] = {
    "jpeg": Case(
        {"a.jpg": jpeg_full_of_metadata(upright_picture(WIDTH, HEIGHT, 1)), "a.json": GOOD},
        {"a.jpg": "accepted", "a.json": "accepted"},
    ),
    "every delivery twice": Case(
        {"a.jpg": photo(2), "a.json": GOOD}, {"a.jpg": "accepted", "a.json": "accepted"}, twice=True
    ),
    "cmyk": Case({"a.jpg": cmyk(), "a.json": GOOD}, {"a.jpg": "accepted", "a.json": "accepted"}),
    "16 bits": Case({"a.png": deep(), "a.json": GOOD}, {"a.png": "accepted", "a.json": "accepted"}),
    "png with a bomb in a text chunk": Case(
        {"a.png": png_with_a_bomb(), "a.json": GOOD}, {"a.png": "accepted", "a.json": "accepted"}
    ),
    "webp": Case({"a.webp": photo(5, "WEBP"), "a.json": GOOD}, {"a.webp": "accepted", "a.json": "accepted"}),
    "avif": Case({"a.avif": photo(6, "AVIF"), "a.json": GOOD}, {"a.avif": "accepted", "a.json": "accepted"}),
    "turned": Case(
        {"a.jpg": save(upright_picture(HEIGHT, WIDTH, 7), "JPEG", exif=gps_exif(6)), "a.json": GOOD},
        {"a.jpg": "accepted", "a.json": "accepted"},
    ),
    "truncated": Case({"a.jpg": photo(8)[:-200]}, {"a.jpg": "truncated"}, "cut off"),
    "empty": Case({"a.jpg": b""}, {"a.jpg": "empty"}, "0 bytes"),
    "mislabelled": Case({"a.jpg": photo(9, "PNG")}, {"a.jpg": "mislabelled"}, "content is png"),
    "a text that calls itself a picture": Case({"a.jpg": b"hello"}, {"a.jpg": "unsupported-format"}),
    "too many pixels": Case({"a.png": huge_png()}, {"a.png": "too-many-pixels"}, "50000 x 50000"),
    "animated": Case(
        {"a.webp": animation("WEBP"), "b.png": animation("PNG")}, {"a.webp": "animated", "b.png": "animated"}
    ),
    "too large": Case({"a.jpg": photo(10) + bytes(64_000_000)}, {"a.jpg": "too-large"}, "64.0 MB"),
    "other files": Case(
        {"a.txt": b"x", "b.pdf": b"%PDF", "noextension": photo(11), ".jpg": photo(11)},
        dict.fromkeys(["a.txt", "b.pdf", "noextension", ".jpg"], "unsupported-format"),
        "Upload an",
    ),
    "odd names": Case(
        {
            name + ending: data
            for name in ODD_NAMES
            for ending, data in ((".jpg", photo(len(name))), (".json", GOOD))
        },
        {name + ending: "accepted" for name in ODD_NAMES for ending in (".jpg", ".json")},
    ),
    "refused with a long name": Case(
        {"f" * 240 + ".txt": b"x", "/".join(["g" * 190] * 4) + ".txt": b"x"},
        {"f" * 240 + ".txt": "unsupported-format", "/".join(["g" * 190] * 4) + ".txt": "unsupported-format"},
    ),
    "control characters": Case({"a\nb.jpg": photo(12)}, {"a\nb.jpg": "bad-name"}, "control characters"),
    "annotation first": Case(
        {"a.json": GOOD, "a.jpg": photo(13)}, {"a.jpg": "accepted", "a.json": "accepted"}
    ),
    "never annotated": Case({"a.jpg": photo(14)}, {"a.jpg": "received"}),
    "never followed by an image": Case({"a.json": GOOD}, {"a.json": "received"}),
    "nothing in the picture": Case(
        {"a.jpg": photo(15), "a.json": document()}, {"a.jpg": "accepted", "a.json": "accepted"}
    ),
    "box outside": Case(
        {"a.jpg": photo(16), "a.json": document(box(), box(left=90))},
        {"a.jpg": "received", "a.json": "box-outside"},
        "annotations[1]",
    ),
    "empty box": Case(
        {"a.jpg": photo(17), "a.json": document(box(), box(width=0))},
        {"a.jpg": "received", "a.json": "empty-box"},
        "annotations[1].width is 0",
    ),
    "NaN": Case(
        {"a.jpg": photo(18), "a.json": document(box(left=math.nan))},
        {"a.jpg": "received", "a.json": "not-a-number"},
        "NaN",
    ),
    "unknown class": Case(
        {"a.jpg": photo(19), "a.json": document(box(class_id=9))},
        {"a.jpg": "received", "a.json": "unknown-class"},
        "annotations[0].class_id is 9",
    ),
    "10,000 boxes": Case(
        {"a.jpg": photo(20), "a.json": document(*[box()] * 10_000)},
        {"a.jpg": "received", "a.json": "too-many-boxes"},
        "10000 boxes",
    ),
    "a size that contradicts": Case(
        {"a.jpg": photo(22), "a.json": document(box(), width=960, height=640)},
        {"a.jpg": "received", "a.json": "size-contradicts"},
        "960x640",
    ),
    "the same, annotation first": Case(
        {"a.json": document(box(), width=960, height=640), "a.jpg": photo(23)},
        {"a.jpg": "received", "a.json": "size-contradicts"},
        "960x640",
    ),
    "no json": Case(
        {"a.jpg": photo(24), "a.json": b"{'a': 1}"},
        {"a.jpg": "received", "a.json": "not-json"},
        "line 1, column 2",
    ),
    "a json of another kind": Case(
        {"a.json": b"[1]"}, {"a.json": "annotation-invalid"}, "must be a JSON object"
    ),
    "annotation with a byte order mark": Case(
        {"a.jpg": photo(25), "a.json": b"\xef\xbb\xbf" + GOOD}, {"a.jpg": "accepted", "a.json": "accepted"}
    ),
    "the same photo twice": Case(
        {"a.jpg": photo(26), "a.json": GOOD, "b.jpg": photo(26), "b.json": GOOD},
        dict.fromkeys(["a.jpg", "a.json", "b.jpg", "b.json"], "accepted"),
    ),
    "a broken archive": Case(
        {"a.zip": b"PK\x03\x04 and then nothing"}, {"a.zip": "archive-broken"}, "no .zip"
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_every_file_ends_somewhere(case: Case, inbox: Inbox) -> None:
    for name, data in case.files.items():
        inbox.put(name, data)
        inbox.ingest(name)
        if case.twice:
            inbox.ingest(name)
    quarantined = inbox.quarantined()
    ends = {name: quarantined[name][0]["code"] if name in quarantined else "" for name in case.files}
    recorded = {file["name"]: file for file in inbox.upload_record()["files"]}
    waiting = inbox.waiting()
    for name in case.files:
        if ends[name]:
            assert recorded[name]["state"] == "quarantined"
            assert recorded[name]["reason"] == quarantined[name][0]["reason"]
            assert quarantined[name][1] == case.files[name]
            assert name not in waiting
        else:
            ends[name] = "received" if name in waiting else "accepted"
    assert ends == case.ends
    counts = {state: count for state, count in inbox.upload_record()["counts"].items() if count}
    wanted = [end if end in {"accepted", "received"} else "quarantined" for end in case.ends.values()]
    assert counts == {state: wanted.count(state) for state in set(wanted)}
    if case.words:
        assert any(case.words in reason["reason"] for reason, _ in quarantined.values())


def test_what_is_accepted_carries_neither_place_nor_camera(inbox: Inbox) -> None:
    inbox.put("a.jpg", jpeg_full_of_metadata(upright_picture(WIDTH, HEIGHT), orientation=6))
    inbox.put("a.json", document(box(), width=HEIGHT, height=WIDTH))
    inbox.ingest("a.jpg")
    inbox.ingest("a.json")
    (image,) = inbox.images("accepted")
    assert (image["width"], image["height"]) == (HEIGHT, WIDTH) or (image["width"], image["height"]) == (
        WIDTH,
        HEIGHT,
    )
    clean = inbox.store.get(IMAGES, f"{inbox.brand}/{image['sha256']}.{image['extension']}")
    assert b"Exif" not in clean
    assert b"Telltale" not in clean


def test_two_uploads_of_one_name(inbox: Inbox) -> None:
    for seed in (1, 2):
        inbox.put("a.jpg", photo(seed))
        inbox.put("a.json", GOOD)
        inbox.ingest("a.jpg")
        inbox.ingest("a.json")
    assert inbox.waiting() == []
    assert len(inbox.images("accepted")) == 1
    reason, original = inbox.quarantined()["a.jpg"]
    assert reason["code"] == "duplicate-name"
    assert original == photo(2)


def test_overwritten_after_the_event(inbox: Inbox) -> None:
    inbox.put("a.json", GOOD)
    inbox.ingest("a.json")
    inbox.put("a.jpg", photo(1)[:-200])
    inbox.put("a.jpg", photo(2))
    assert inbox.ingest("a.jpg") == "accepted"
    assert inbox.quarantined() == {}


def test_a_better_annotation_after_a_refused_one(inbox: Inbox) -> None:
    inbox.put("a.jpg", photo(1))
    inbox.put("a.json", document(box(left=-50)))
    inbox.ingest("a.jpg")
    assert inbox.ingest("a.json") == "quarantined"
    inbox.put("a.json", GOOD)
    assert inbox.ingest("a.json") == "accepted"
    assert len(inbox.images("accepted")) == 1
    assert inbox.waiting() == []


def test_what_belongs_to_nobody_is_kept(inbox: Inbox) -> None:
    stranger = Inbox(inbox.clients, inbox.registry, inbox.brand + "-unknown")
    for name, data in {"a.jpg": photo(1), "b.json": GOOD, "c.txt": b"x", "d.zip": b"PK"}.items():
        stranger.put(name, data)
        assert stranger.ingest(name) == "quarantined"
    assert stranger.waiting() == []
    kept = [found.key for found in inbox.store.list(QUARANTINE, f"_unknown/{stranger.brand}/")]
    assert sorted(key.rpartition("/")[2] for key in kept) == [
        "a.jpg", "a.jpg.reason.json", "b.json", "b.json.reason.json",
        "c.txt", "c.txt.reason.json", "d.zip", "d.zip.reason.json",
    ]  # fmt: skip
    assert list(inbox.store.list(QUARANTINE, f"{stranger.brand}/")) == []


def test_a_key_of_another_form_is_kept(inbox: Inbox) -> None:
    key = f"{inbox.brand}-stray.jpg"
    stored = inbox.store.put(UPLOADS, key, b"anything")
    event = ObjectCreated(bucket=UPLOADS, key=key, etag=stored.etag, size=8)
    assert [ingest_object(inbox.clients, event) for _ in range(2)] == ["quarantined", "gone"]
    target = f"_unknown/_stray/{stored.etag}/{key}"
    assert inbox.store.get(QUARANTINE, target) == b"anything"
    reason = inbox.store.get_json(QUARANTINE, f"{target}.reason.json")
    assert isinstance(reason, dict)
    assert reason["code"] == "bad-key"


def test_originals_stay_where_the_setting_says_so(inbox: Inbox) -> None:
    settings = inbox.clients.settings.model_copy(update={"keep_raw_uploads": True})
    keeping = replace(inbox, clients=replace(inbox.clients, settings=settings))
    for name, data in {"a.jpg": photo(1), "a.json": GOOD, "b.txt": b"x"}.items():
        keeping.put(name, data)
        keeping.ingest(name)
    assert keeping.waiting() == ["a.jpg", "a.json"]
    assert keeping.ingest("a.jpg") == "accepted"
    assert len(inbox.images("accepted")) == 1


def test_what_kills_its_worker_again_and_again(inbox: Inbox) -> None:
    inbox.put("a.jpg", photo(1))
    event = ObjectCreated(bucket=UPLOADS, key=inbox.key("a.jpg"), etag="e", size=1)
    came_back = [quarantine_killer(inbox.clients, event) for _ in range(MAX_REDELIVERIES + 1)]
    assert came_back == [False] * MAX_REDELIVERIES + [True]
    assert inbox.quarantined()["a.jpg"][0]["code"] == "unreadable"
    assert inbox.waiting() == []
