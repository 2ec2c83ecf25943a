"""A worker that dies at any call loses nothing, and whoever repeats the work comes to the same end."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, cast

import pytest

from assay_shared.errors import Unavailable
from assay_shared.keys import QUARANTINE, UPLOADS
from assay_shared.registry_client import RegistryClient
from assay_shared.storage import ObjectStore
from tests.integration.ingest.support import Inbox
from tests.integration.ingest.test_archives import SETS, packed
from tests.integration.ingest.test_bad_input import GOOD, box, document, photo


class Killed(BaseException):
    """The worker is gone."""


class Fuse:
    """Kills at the call that has this number, counted over everything that it is put into."""

    def __init__(self, number: int) -> None:
        self.left = number

    def put_into(self, real: Any) -> Any:
        return _Fused(real, self)


class _Fused:
    def __init__(self, real: Any, fuse: Fuse) -> None:
        self._real = real
        self._fuse = fuse

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self._fuse.left -= 1
            if self._fuse.left < 0:
                raise Killed
            return getattr(self._real, name)(*args, **kwargs)

        return call


def ingest_with_deaths(inbox: Inbox, name: str) -> str:
    """Handles a file again and again, dying one call later each time, until once it comes to its end."""
    for number in range(60):
        fuse = Fuse(number)
        mortal = replace(
            inbox.clients,
            store=cast(ObjectStore, fuse.put_into(inbox.clients.store)),
            registry=cast(RegistryClient, fuse.put_into(inbox.clients.registry)),
        )
        try:
            return replace(inbox, clients=mortal).ingest(name)
        except Killed:
            continue
    raise AssertionError("it never came to its end")


def test_an_image_and_its_annotation(inbox: Inbox) -> None:
    inbox.put("a.jpg", photo(1))
    inbox.put("a.json", GOOD)
    ingest_with_deaths(inbox, "a.jpg")
    ingest_with_deaths(inbox, "a.json")
    assert len(inbox.images("accepted")) == 1
    assert inbox.upload_record()["counts"].get("accepted") == 2
    for name in inbox.waiting():
        inbox.ingest(name)
    assert inbox.waiting() == []


@pytest.mark.parametrize(
    ("name", "data"), [("a.jpg", photo(1)[:-200]), ("a.json", document(box(width=0))), ("a.txt", b"x")]
)
def test_a_refused_file(name: str, data: bytes, inbox: Inbox) -> None:
    inbox.put(name, data)
    ingest_with_deaths(inbox, name)
    assert inbox.waiting() == []
    assert inbox.quarantined()[name][1] == data
    assert inbox.upload_record()["counts"] == {"quarantined": 1}


def test_an_archive(inbox: Inbox) -> None:
    inbox.put("set.zip", packed(SETS["ours"]))
    ingest_with_deaths(inbox, "set.zip")
    for name in inbox.waiting():
        inbox.ingest(name)
    assert inbox.waiting() == []
    assert len(inbox.images("accepted")) == 2


def test_a_file_of_an_unknown_brand(inbox: Inbox) -> None:
    stranger = Inbox(inbox.clients, inbox.registry, inbox.brand + "-unknown")
    stranger.put("a.jpg", photo(1))
    ingest_with_deaths(stranger, "a.jpg")
    assert list(inbox.store.list(UPLOADS, f"{stranger.brand}/")) == []
    kept = [found.key for found in inbox.store.list(QUARANTINE, f"_unknown/{stranger.brand}/")]
    assert [key for key in kept if key.endswith("/a.jpg")]


def test_the_same_events_to_many_workers_at_once(inbox: Inbox) -> None:
    def ingest_patiently(name: str) -> str:
        """As the worker does: what is busy now is asked again."""
        for _ in range(20):
            try:
                return inbox.ingest(name)
            except Unavailable:
                time.sleep(0.2)
        return inbox.ingest(name)

    files = {"a.jpg": photo(1), "a.json": GOOD, "b.jpg": photo(2)[:-200], "set.zip": packed(SETS["ours"])}
    for name, data in files.items():
        inbox.put(name, data)
    with ThreadPoolExecutor(8) as workers:
        list(workers.map(ingest_patiently, [*files] * 4))
        list(workers.map(ingest_patiently, inbox.waiting() * 4))
    assert inbox.waiting() == []
    assert len(inbox.images("accepted")) == 3
    assert inbox.upload_record()["counts"] == {"accepted": 7, "quarantined": 1}
    assert {name: original for name, (_, original) in inbox.quarantined().items()} == {
        "b.jpg": files["b.jpg"]
    }
