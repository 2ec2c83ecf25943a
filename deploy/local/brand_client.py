"""What a brand does, over HTTP and S3 only: register, upload, say "finished", watch, verify.

The demo and the end-to-end tests act through this. Nothing is tried twice: what fails, fails.
"""

from __future__ import annotations

import copy
import io
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import httpx
from minio import Minio

from deploy.local.photos.catalog import DemoBrand, brand_labels
from deploy.local.photos.dataset import DemoPhoto

SCOPES = ["upload", "train", "manage", "verify"]
POLL_SECONDS = 0.5


class BrandFailed(Exception):
    """Assay did not do what the brand was promised."""


@dataclass(frozen=True)
class Answer:
    """How a verification was answered: HTTP status, body, and milliseconds seen by the caller."""

    status: int
    body: dict[str, Any]
    milliseconds: float
    retry_after: str | None = None


class BrandClient:
    """One brand's person at one stack; `access` as in `.assay/access.json`. Close it, or use `with`.

    Methods raise BrandFailed with Assay's own words when an answer is not the promised one.
    """

    def __init__(self, access: Mapping[str, str], brand: DemoBrand) -> None:
        self.brand = brand
        self._http = httpx.Client(base_url=access["api"], timeout=60, trust_env=False)
        self._admin = {"Authorization": f"Bearer {access['admin_key']}"}
        self._key: dict[str, str] = {}
        self.store = Minio(
            access["s3_endpoint"].removeprefix("http://"),
            access_key=access["s3_access_key"],
            secret_key=access["s3_secret_key"],
            secure=False,
            region="us-east-1",
        )

    def at(self, api: str) -> BrandClient:
        """The same person with the same keys, at another address."""
        other = copy.copy(self)
        other._http = httpx.Client(base_url=api, timeout=60, trust_env=False)
        return other

    def __enter__(self) -> BrandClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    @property
    def _path(self) -> str:
        return f"/v1/brands/{self.brand.slug}"

    def register(self, settings: Mapping[str, Any] | None = None) -> None:
        """The admin makes the brand and its key; the brand makes its products and the labels' roles."""
        new = {"slug": self.brand.slug, "name": self.brand.name, "settings": dict(settings or {})}
        self._call("POST", "/v1/brands", headers=self._admin, json=new)
        key = self._call(
            "POST", f"{self._path}/keys", headers=self._admin, json={"name": "demo", "scopes": SCOPES}
        )
        self._key = {"Authorization": f"Bearer {key['key']}"}
        for product in self.brand.products:
            body = {"name": product.name, "label": product.label}
            self.call("PUT", f"/products/{product.gtin}", json=body)
        for label, role in brand_labels(self.brand).items():
            self.call("PUT", f"/labels/{label}", json={"role": role})

    def change_settings(self, settings: Mapping[str, Any]) -> None:
        """The admin replaces the brand's settings."""
        self._call("PATCH", self._path, headers=self._admin, json={"settings": dict(settings)})

    def start_upload(self) -> str:
        """A new upload's id."""
        return str(self.call("POST", "/uploads")["id"])

    def upload_by_http(self, upload: str, photo: DemoPhoto) -> None:
        """Uploads a photo and its annotation through the API."""
        for name, data in files_of(photo):
            self.call("PUT", f"/uploads/{upload}/files/{name}", content=data)

    def try_upload(self, upload: str, name: str, data: bytes) -> int:
        """Uploads one file through the API; returns the HTTP status, whatever it is."""
        url = f"{self._path}/uploads/{upload}/files/{name}"
        return self._http.put(url, headers=self._key, content=data).status_code

    def upload_by_s3(self, upload: str, photo: DemoPhoto) -> None:
        """Writes a photo and its annotation into the bucket `uploads`, as bulk users do."""
        for name, data in files_of(photo):
            key = f"{self.brand.slug}/{upload}/{name}"
            self.store.put_object("uploads", key, io.BytesIO(data), len(data))

    def finish(self, options: Mapping[str, Any]) -> str:
        """Says "the brand has finished"; returns the id of the training run."""
        return str(self.call("POST", "/training-runs", json={"options": dict(options)})["id"])

    def watch_run(
        self,
        run: str,
        timeout: float,
        on_progress: Callable[[dict[str, Any]], None] = lambda _run: None,
    ) -> dict[str, Any]:
        """Waits for the end of a run, telling every look at it; returns the run, which succeeded."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            seen = self.call("GET", f"/training-runs/{run}")
            on_progress(seen)
            if seen["state"] == "succeeded":
                return seen
            if seen["state"] in ("failed", "cancelled"):
                raise BrandFailed(f"The run {seen['state']}: {seen['reason']}")
            time.sleep(POLL_SECONDS)
        raise BrandFailed(f"The run did not end within {timeout:.0f} s; it is {seen['state']}")

    def run_log(self, run: str) -> str:
        """What a run logged."""
        return self.read(f"/training-runs/{run}/log").decode()

    def read(self, path: str) -> bytes:
        """The bytes that a route of the brand answers with."""
        response = self._http.get(f"{self._path}{path}", headers=self._key)
        response.raise_for_status()
        return response.content

    def wait_until_live(self, version: str, timeout: float) -> dict[str, Any]:
        """Waits until a model version has passed its gate and is live; returns it."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            seen = self.call("GET", f"/model-versions/{version}")
            if seen["state"] == "live":
                return seen
            if seen["state"] == "rejected":
                raise BrandFailed(f"The gate rejected the model: {'; '.join(seen['reasons'])}")
            time.sleep(POLL_SECONDS)
        raise BrandFailed(f"The model is not live after {timeout:.0f} s; it is {seen['state']}")

    def wait_until_judging(self, picture: bytes, timeout: float) -> float:
        """Waits until the verify API has picked the live model up, within seconds; returns them."""
        started = time.monotonic()
        while time.monotonic() < started + timeout:
            if self.verify(picture, brand=self.brand.slug).status != httpx.codes.CONFLICT:
                return time.monotonic() - started
            time.sleep(POLL_SECONDS)
        raise BrandFailed(f"The verify API has not picked the live model up after {timeout:.0f} s")

    def images(self, state: str) -> list[dict[str, Any]]:
        """All the brand's images in a state."""
        return self.call_all("/images", state=state)

    def wait_until_ingested(self, uploads: Sequence[str], timeout: float) -> list[dict[str, Any]]:
        """Waits until no file of these uploads is still `received`; returns the uploads."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            seen = [self.call("GET", f"/uploads/{upload}") for upload in uploads]
            if not any(upload["counts"].get("received", 0) for upload in seen):
                return seen
            time.sleep(POLL_SECONDS)
        raise BrandFailed(f"Not ingested after {timeout:.0f} s: {[upload['counts'] for upload in seen]}")

    def verify(self, image: bytes, name: str = "photo.jpg", **fields: str) -> Answer:
        """Has a picture judged, as the website does; `fields`: brand, gtin, or none. Any status is told."""
        started = time.perf_counter()
        response = self._http.post(
            "/v1/verifications", headers=self._key, files={"image": (name, image)}, data=fields
        )
        milliseconds = (time.perf_counter() - started) * 1000
        return Answer(
            response.status_code, response.json(), milliseconds, response.headers.get("Retry-After")
        )

    def explain(self, verification: str) -> bytes | None:
        """The picture that explains a verification (JPEG); None where there is none."""
        response = self._http.get(f"/v1/verifications/{verification}/explanation", headers=self._key)
        return response.content if response.status_code == 200 else None

    def read_verification(self, verification: str) -> dict[str, Any]:
        """A verification as the log has it."""
        return self._call("GET", f"/v1/verifications/{verification}", headers=self._key)

    def review(self, verification: str, truth: str) -> dict[str, Any]:
        """Says what the picture of a verification showed; returns the verification."""
        path = f"/v1/verifications/{verification}/review"
        return self._call("POST", path, headers=self._key, json={"truth": truth})

    def call(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        """Calls a route of the brand with its key; the JSON of the answer, empty for none."""
        return self._call(method, f"{self._path}{path}", headers=self._key, **request)

    def call_all(self, path: str, **query: str) -> list[dict[str, Any]]:
        """Everything that a route of the brand lists, through every page."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.call("GET", path, params=query)
            found += page["items"]
            if not page["next_cursor"]:
                return found
            query["cursor"] = page["next_cursor"]

    def call_as_admin(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        """Calls any route with the admin key."""
        return self._call(method, path, headers=self._admin, **request)

    def call_any(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        """Calls any route with the brand's key, its own or another's."""
        return self._call(method, path, headers=self._key, **request)

    def _call(self, method: str, url: str, **request: Any) -> dict[str, Any]:
        response = self._http.request(method, url, **request)
        if not response.is_success:
            raise BrandFailed(f"{method} {url} answered {response.status_code}: {response.text[:500]}")
        answer: dict[str, Any] = response.json() if response.content else {}
        return answer


def files_of(photo: DemoPhoto) -> list[tuple[str, bytes]]:
    """A photo as the two files that a brand uploads: the picture, and its boxes beside it."""
    stem = photo.name.rsplit(".", 1)[0]
    return [(photo.name, photo.data), (f"{stem}.json", json.dumps(photo.annotation).encode())]
