from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay_registry import arrivals
from assay_registry.context import Context
from assay_registry.pairing import count_pending, quarantine_unpaired
from assay_shared.errors import StoreUnavailable
from assay_shared.keys import IMAGES, QUARANTINE, UPLOADS, annotation_key, parse_upload_key, reason_key
from assay_shared.storage import ObjectStore
from assay_shared.wire import (
    AnnotationArrival,
    ArchiveArrival,
    Arrival,
    ImageArrival,
    QuarantineArrival,
    Source,
)
from tests.integration.registry.support import (
    Registry,
    both_databases,
    document,
    sha256_of,
)


def names(sources: list[Source]) -> set[str]:
    return {source.name for source in sources}


def inbox(registry: Registry) -> set[str]:
    found = registry.context.store.list(UPLOADS, f"{registry.brand}/")
    return {key.name for stored in found if (key := parse_upload_key(stored.key))}


def quarantined(registry: Registry) -> list[str]:
    return [stored.key for stored in registry.context.store.list(QUARANTINE, f"{registry.brand}/")]


def settle(registry: Registry, arrival: Arrival) -> None:
    """Deletes settled originals, as `ingest` does."""
    for source in arrival.settled:
        registry.context.store.delete(UPLOADS, f"{source.brand}/{source.upload}/{source.name}")


@both_databases
def test_image_then_annotation(registry: Registry) -> None:
    photo, boxes = registry.source("a.jpg", b"a"), registry.source("a.json", b"boxes")
    waiting = registry.tell_image(photo, b"a")
    assert (waiting.state, waiting.settled) == ("received", [])
    assert registry.list_images()[0]["state"] == "received"
    paired = registry.tell_annotation(boxes, document("logo", "seal"))
    assert (paired.state, names(paired.settled)) == ("accepted", {"a.jpg", "a.json"})
    image = registry.list_images("accepted")[0]
    assert [box["label"] for box in image["annotations"]] == ["logo", "seal"]
    mirror = registry.context.store.get_json(IMAGES, annotation_key(registry.brand, image["sha256"]))
    assert isinstance(mirror, dict)
    assert len(mirror["annotations"]) == 2
    labels = registry.client.get(f"{registry.address}/labels").json()["items"]
    assert labels == [{"name": "logo", "role": "product"}, {"name": "seal", "role": "product"}]
    assert registry.tell_image(photo, b"a").state == "accepted"
    assert names(registry.tell_annotation(boxes, document("other")).settled) == {"a.jpg", "a.json"}
    assert [box["label"] for box in registry.list_images()[0]["annotations"]] == ["logo", "seal"]


def test_annotation_then_image(registry: Registry) -> None:
    assert (
        registry.tell_annotation(registry.source("x/a.json", b"boxes"), document("logo")).state == "received"
    )
    assert registry.tell_image(registry.source("x/a.jpg", b"a"), b"a").state == "accepted"
    upload = registry.client.get(f"{registry.address}/uploads/up1").json()
    assert upload["counts"] == {"accepted": 2}


def test_halves_of_two_uploads_do_not_pair(registry: Registry) -> None:
    registry.tell_image(registry.source("a.jpg", b"a", "up1"), b"a")
    answer = registry.tell_annotation(registry.source("a.json", b"boxes", "up2"), document("logo"))
    assert answer.state == "received"


@both_databases
def test_the_same_photo_twice_is_one_image(registry: Registry) -> None:
    registry.tell_image(registry.source("a.jpg", b"a", "up1"), b"a")
    again = registry.tell_image(registry.source("b.jpg", b"a", "up2"), b"a")
    assert (again.state, names(again.settled)) == ("accepted", {"b.jpg"})
    assert len(registry.list_images()) == 1
    # The annotation may come with either; the file that waited is done with as well.
    paired = registry.tell_annotation(registry.source("b.json", b"boxes", "up2"), document("logo"))
    assert (paired.state, names(paired.settled)) == ("accepted", {"a.jpg", "b.jpg", "b.json"})


def test_another_photo_of_one_name_is_refused(registry: Registry) -> None:
    registry.tell_image(registry.source("a.jpg", b"a"), b"a")
    second = registry.source("a.png", b"b")
    for _ in range(2):
        answer = registry.tell_image(second, b"b")
        assert (answer.state, answer.code) == ("quarantined", "duplicate-name")
        assert "'a.jpg'" in (answer.reason or "")
        assert [refusal.source.name for refusal in answer.refused] == ["a.png"]
    moved = QuarantineArrival(source=second, code=answer.code or "", reason=answer.reason or "")
    assert registry.tell("quarantines", moved).state == "quarantined"
    assert registry.tell_annotation(registry.source("a.json", b"x"), document("logo")).state == "accepted"
    assert [image["name"] for image in registry.list_images()] == ["a.jpg"]


def test_boxes_that_may_be_a_refused_photos_replace_nothing(registry: Registry) -> None:
    registry.tell_image(registry.source("a.jpg", b"a"), b"a")
    registry.tell_annotation(registry.source("a.json", b"1"), document("logo"))
    registry.tell_image(registry.source("a.jpg", b"b"), b"b")
    theirs = registry.source("a.json", b"2")
    for _ in range(2):
        answer = registry.tell_annotation(theirs, document("seal"))
        assert (answer.state, answer.code) == ("quarantined", "duplicate-name")
        assert theirs in [refusal.source for refusal in answer.refused]
    assert [box["label"] for box in registry.list_images()[0]["annotations"]] == ["logo"]


def test_near_duplicates_are_linked_to_the_first(registry: Registry) -> None:
    likeness = int(secrets.token_hex(8), 16)
    first = sha256_of(b"a")
    registry.tell_image(registry.source("a.jpg", b"a"), b"a", f"{likeness:016x}")
    registry.tell_image(registry.source("b.jpg", b"b"), b"b", f"{likeness ^ 0b111111:016x}")
    registry.tell_image(registry.source("c.jpg", b"c"), b"c", f"{likeness ^ 0b111111111111:016x}")
    registry.tell_image(registry.source("d.jpg", b"d"), b"d", f"{likeness ^ (0b1111111 << 20):016x}")
    found = {image["name"]: image["near_duplicate_of"] for image in registry.list_images()}
    assert found == {"a.jpg": None, "b.jpg": first, "c.jpg": first, "d.jpg": None}
    registry.client.delete(f"{registry.address}/images/{first}")
    found = {image["name"]: image["near_duplicate_of"] for image in registry.list_images()}
    assert found == {"b.jpg": None, "c.jpg": sha256_of(b"b"), "d.jpg": None}


def test_a_later_annotation_replaces_the_earlier(registry: Registry) -> None:
    registry.tell_image(registry.source("a.jpg", b"a"), b"a")
    registry.tell_annotation(registry.source("a.json", b"1"), document("logo"))
    answer = registry.tell_annotation(registry.source("a.json", b"2"), document("seal"))
    assert answer.state == "accepted"
    assert [box["label"] for box in registry.list_images()[0]["annotations"]] == ["seal"]


@pytest.mark.parametrize("annotation_first", [True, False])
def test_an_annotation_that_contradicts_its_picture_is_refused(
    registry: Registry, annotation_first: bool
) -> None:
    photo, boxes = registry.source("a.jpg", b"a"), registry.source("a.json", b"1")
    wrong = document("logo", width=300, height=400)
    if annotation_first:
        registry.tell_annotation(boxes, wrong)
        answer = registry.tell_image(photo, b"a")
        assert answer.state == "received"
    else:
        registry.tell_image(photo, b"a")
        answer = registry.tell_annotation(boxes, wrong)
        assert (answer.state, answer.code) == ("quarantined", "size-contradicts")
    assert [(refusal.source.name, refusal.code) for refusal in answer.refused] == [
        ("a.json", "size-contradicts")
    ]
    assert "300x400" in answer.refused[0].reason
    assert registry.list_images()[0]["state"] == "received"
    assert registry.client.get(f"{registry.address}/labels").json()["items"] == []
    right = registry.tell_annotation(registry.source("a.json", b"2"), document("logo"))
    assert right.state == "accepted"


def test_an_invalid_annotation_names_its_entry(registry: Registry) -> None:
    wrong = document("logo")
    wrong["annotations"][0]["class_id"] = 7
    answer = registry.tell_annotation(registry.source("a.json", b"1"), wrong)
    assert answer.state == "quarantined"
    assert "annotations[0].class_id" in answer.refused[0].reason


def test_an_unknown_brand_is_not_found(registry: Registry) -> None:
    source = Source(brand="nobody", upload="u", name="a.jpg", etag="e", size=1)
    body = QuarantineArrival(source=source, code="x", reason="y").model_dump(mode="json")
    assert registry.service.post("/internal/quarantines", json=body).status_code == 404


def test_long_names_are_kept(registry: Registry) -> None:
    upload, name = "u" * 250, "/".join(["ü" * 100] * 3) + "/a b+c.jpg"
    assert registry.tell_image(registry.source(name, b"a", upload), b"a").state == "received"
    assert registry.list_images()[0]["name"] == name


def test_an_archive_makes_its_members_known(registry: Registry) -> None:
    archive, member = registry.source("all.zip", b"zip"), registry.put_raw("all/a.jpg", b"a")
    told = ArchiveArrival(source=archive, members=[member], ignored=["notes.txt"])
    for _ in range(2):
        answer = registry.tell("archives", told)
        assert (answer.state, answer.settled) == ("accepted", [archive])
    upload = registry.client.get(f"{registry.address}/uploads/up1").json()
    assert upload["counts"] == {"accepted": 1, "received": 1}
    assert "notes.txt" in next(file["reason"] for file in upload["files"] if file["name"] == "all.zip")
    assert count_pending(registry.context, registry.brand) == 1
    assert ask_unknown(registry, [member]) == [member]


def ask_unknown(registry: Registry, sources: list[Source]) -> list[Source]:
    answer = registry.service.post(
        "/internal/sources/unknown", json=[source.model_dump(mode="json") for source in sources]
    )
    return [Source.model_validate(source) for source in answer.json()]


def test_only_what_is_still_to_do_is_unknown(registry: Registry) -> None:
    new, waiting, refused = (registry.put_raw(f"{name}.jpg", name.encode()) for name in "abc")
    paired, boxes = registry.put_raw("d.jpg", b"d"), registry.put_raw("d.json", b"{}")
    registry.tell_image(waiting, b"b")
    registry.tell("quarantines", QuarantineArrival(source=refused, code="truncated", reason="cut"))
    registry.tell_image(paired, b"d")
    registry.tell_annotation(boxes, document("logo"))
    asked = [new, waiting, refused, paired, boxes]
    # What was to leave the inbox is still there, so its worker died in between.
    assert ask_unknown(registry, asked) == [new, refused, paired, boxes]
    assert ask_unknown(registry, [waiting.model_copy(update={"etag": "newer"})]) != []
    assert count_pending(registry.context, registry.brand) == 1
    kept = registry.context.settings.model_copy(update={"keep_raw_uploads": True})
    registry.app.state.context = replace(registry.context, settings=kept)
    assert ask_unknown(registry, asked) == [new, refused]


@both_databases
def test_what_stays_alone_is_quarantined_and_taken_up_again(registry: Registry) -> None:
    photo, boxes = registry.put_raw("a.jpg", b"a"), registry.put_raw("b.json", b"{}")
    registry.tell_image(photo, b"a")
    registry.tell_annotation(boxes, document("logo"))
    assert quarantine_unpaired(registry.context, registry.brand) == 2
    assert quarantine_unpaired(registry.context, registry.brand) == 0
    assert inbox(registry) == set()
    assert len(quarantined(registry)) == 4
    reason_of_photo = next(key for key in quarantined(registry) if key.endswith("/a.jpg.reason.json"))
    told = registry.context.store.get_json(QUARANTINE, reason_of_photo)
    assert isinstance(told, dict)
    assert told["code"] == "unannotated"
    assert "'a.json'" in told["reason"]
    assert registry.context.store.get(QUARANTINE, reason_of_photo.removesuffix(".reason.json")) == b"a"
    upload = registry.client.get(f"{registry.address}/uploads/up1").json()
    assert upload["counts"] == {"quarantined": 2}
    assert {file["code"] for file in upload["files"]} == {"unannotated", "no-image"}
    assert registry.list_images("quarantined")[0]["code"] == "unannotated"
    late = registry.put_raw("a.json", b"{ }")
    settle(registry, registry.tell_annotation(late, document("logo")))
    late = registry.put_raw("b.jpg", b"b")
    settle(registry, registry.tell_image(late, b"b"))
    assert len(registry.list_images("accepted")) == 2
    assert (inbox(registry), quarantined(registry)) == (set(), [])
    upload = registry.client.get(f"{registry.address}/uploads/up1").json()
    assert upload["counts"] == {"accepted": 4}
    assert all(file["code"] is None and file["reason"] is None for file in upload["files"])


def test_a_photo_that_was_given_up_may_be_uploaded_again(registry: Registry) -> None:
    photo = registry.put_raw("a.jpg", b"a")
    registry.tell_image(photo, b"a")
    quarantine_unpaired(registry.context, registry.brand)
    photo = registry.put_raw("a.jpg", b"a")
    assert ask_unknown(registry, [photo]) == [photo]
    assert registry.tell_image(photo, b"a").state == "received"
    assert registry.list_images()[0]["state"] == "received"
    settle(registry, registry.tell_annotation(registry.put_raw("a.json", b"{}"), document("logo")))
    assert (inbox(registry), quarantined(registry)) == (set(), [])


def test_giving_up_survives_a_store_that_dies_at_any_call(registry: Registry) -> None:
    photo = registry.put_raw("a.jpg", b"a")
    registry.tell_image(photo, b"a")
    for calls in itertools.count():
        try:
            quarantine_unpaired(dying_after(registry.context, calls), registry.brand)
        except StoreUnavailable:
            copies = {key.rpartition("/")[2] for key in quarantined(registry)}
            assert inbox(registry) == {"a.jpg"} or "a.jpg" in copies
            continue
        break
    assert calls >= 4
    assert inbox(registry) == set()
    assert len(quarantined(registry)) == 2
    assert reason_key(quarantined(registry)[0]) == quarantined(registry)[1]


def dying_after(context: Context, calls: int) -> Context:
    """The same context, whose store dies after so many calls."""
    real, left = context.store, itertools.count(calls, -1)

    class Dying(ObjectStore):
        def __init__(self) -> None:
            pass

        def __getattribute__(self, name: str) -> Callable[..., object]:
            def call(*arguments: object, **named: object) -> object:
                if next(left) <= 0:
                    raise StoreUnavailable("dead")
                return getattr(real, name)(*arguments, **named)

            return call

    return replace(context, store=Dying())


def test_a_repeat_finishes_what_a_dead_store_kept_undone(
    registry: Registry, without_store: Callable[[], Context]
) -> None:
    registry.tell_image(registry.source("a.jpg", b"a"), b"a")
    boxes = registry.source("a.json", b"1")
    without_store()
    told = {"source": boxes.model_dump(mode="json"), "document": document("logo")}
    assert registry.service.post("/internal/annotations", json=told).status_code == 503
    registry.app.state.context = registry.context
    answer = registry.tell_annotation(boxes, document("logo"))
    assert names(answer.settled) == {"a.jpg", "a.json"}
    assert registry.context.store.stat(IMAGES, annotation_key(registry.brand, sha256_of(b"a"))) is not None


@both_databases
def test_halves_that_come_at_once_find_each_other(registry: Registry) -> None:
    def tell(number: int) -> None:
        stem = f"photo-{number // 2}"
        if number % 2:
            registry.tell_image(registry.source(f"{stem}.jpg", stem.encode()), stem.encode())
        else:
            registry.tell_annotation(registry.source(f"{stem}.json", stem.encode()), document("logo", "seal"))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(tell, [*range(16), *range(16)]))
    assert len(registry.list_images("accepted")) == 8


class Direct:
    """Calls what the internal routes call, without HTTP in between: many orders in little time."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def post(self, path: str, json: dict[str, Any]) -> httpx.Response:
        if path == "/internal/images":
            answer = arrivals.record_image(self._context, ImageArrival.model_validate(json))
        else:
            answer = arrivals.record_annotation(self._context, AnnotationArrival.model_validate(json))
        return httpx.Response(200, text=answer.model_dump_json())


STEPS = ("photo a", "boxes a", "photo b", "boxes b", "photo a again", "other photo a", "give up")


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(order=st.permutations(STEPS), repeats=st.lists(st.sampled_from(STEPS), max_size=4))
def test_any_order_and_any_repeat_end_the_same(
    registry: Registry, order: list[str], repeats: list[str]
) -> None:
    """Whatever order the news comes in, however often: two images accepted, one file refused, none lost."""
    slug = f"b{secrets.token_hex(6)}"
    registry.client.post("/v1/brands", json={"slug": slug, "name": "A brand"})
    mine = replace(registry, brand=slug, service=Direct(registry.context))  # type: ignore[arg-type]
    sources = {
        "photo a": mine.put_raw("a.jpg", b"a"),
        "boxes a": mine.put_raw("a.json", b"{}"),
        "photo b": mine.put_raw("b.jpg", b"b"),
        "boxes b": mine.put_raw("b.json", b"{}"),
        "photo a again": mine.put_raw("copy.jpg", b"a", "up2"),
        "other photo a": mine.put_raw("a.png", b"c", "up1"),
    }
    steps: dict[str, Callable[[], Arrival | int]] = {
        "photo a": lambda: mine.tell_image(sources["photo a"], b"a", "0" * 16),
        "boxes a": lambda: mine.tell_annotation(sources["boxes a"], document("logo")),
        "photo b": lambda: mine.tell_image(sources["photo b"], b"b", "f" * 16),
        "boxes b": lambda: mine.tell_annotation(sources["boxes b"], document("seal")),
        "photo a again": lambda: mine.tell_image(sources["photo a again"], b"a", "0" * 16),
        "other photo a": lambda: mine.tell_image(sources["other photo a"], b"c", "0f" * 8),
        "give up": lambda: quarantine_unpaired(mine.context, slug),
    }
    for step in [*order, *repeats]:
        steps[step]()
    images = {image["sha256"]: image for image in mine.list_images()}
    by_name = {
        file["name"]: file["state"]
        for upload in ("up1", "up2")
        for file in mine.client.get(f"{mine.address}/uploads/{upload}").json()["files"]
    }
    assert images[sha256_of(b"b")]["state"] == "accepted"
    # Of two photos under one stem the first keeps it; when it was given up, the other may have it.
    winners = [sha for sha in (sha256_of(b"a"), sha256_of(b"c")) if sha in images]
    assert "accepted" in {images[sha]["state"] for sha in winners}
    assert len(by_name) == 6
    assert by_name["b.jpg"] == by_name["b.json"] == by_name["a.json"] == "accepted"
