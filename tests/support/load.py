"""A client under whose load a box is broken: it verifies and uploads without pause, and insists."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from json import JSONDecodeError
from types import TracebackType

import httpx

from deploy.local.brand_client import BrandClient, files_of
from deploy.local.photos.dataset import DemoPhoto
from tests.support.stack import small_photo

LATER = {429, 502, 503, 504}
GIVE_UP_SECONDS = 120.0


@dataclass
class Counts:
    """What a client saw: requests answered, attempts that had to be repeated, requests given up, and the
    statuses of all refused attempts."""

    answered: int = 0
    retried: int = 0
    failed: int = 0
    refusals: dict[str, int] = field(default_factory=dict)


class Load:
    """Verifies one picture and uploads ever new photos, on two threads, between `with` and its end.

    `acknowledged` are the names of photos whose both files were answered 202, `judged` the ids of answered
    verifications.
    """

    def __init__(self, client: BrandClient, picture: bytes) -> None:
        self._client, self._picture = client, picture
        self.upload = client.start_upload()
        self.verifying, self.uploading = Counts(), Counts()
        self.acknowledged: list[str] = []
        self.judged: list[str] = []
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._verify_on, daemon=True),
            threading.Thread(target=self._upload_on, daemon=True),
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(timeout=GIVE_UP_SECONDS + 60)

    def _verify_on(self) -> None:
        while not self._over.wait(0.1):
            self._insist(self.verifying, self._verify, wanted=200)

    def _verify(self) -> int:
        answer = self._client.verify(self._picture, brand=self._client.brand.slug)
        if answer.status == 200:
            self.judged.append(answer.body["id"])
        return answer.status

    def _upload_on(self) -> None:
        number = 10_000
        while not self._over.wait(0.5):
            photo = small_photo(self._client, number)
            if all(self._send(photo)):
                self.acknowledged.append(photo.name)
            number += 1

    def _send(self, photo: DemoPhoto) -> list[bool]:
        return [
            self._insist(
                self.uploading,
                lambda name=name, data=data: self._client.try_upload(self.upload, name, data),  # type: ignore[misc]
                wanted=202,
            )
            for name, data in files_of(photo)
        ]

    def _insist(self, counts: Counts, attempt: Callable[[], int], wanted: int) -> bool:
        """Tries until the wanted answer comes, as a patient client does; False when that takes too long, or
        the answer is one that says it will never come."""
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while True:
            try:
                status = attempt()
                what = str(status)
            except (httpx.TransportError, JSONDecodeError) as error:
                status, what = 503, type(error).__name__
            if status == wanted:
                counts.answered += 1
                return True
            counts.refusals[what] = counts.refusals.get(what, 0) + 1
            if status not in LATER or time.monotonic() > deadline:
                counts.failed += 1
                return False
            counts.retried += 1
            time.sleep(0.5)
