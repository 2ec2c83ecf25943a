"""Live model versions where the endpoint finds them: copied from bucket `live` to its bucket, once each.

A version has keys of its own that are never overwritten, so a rollback finds what it needs still there.
Nothing deletes them: they are 5 MB each. Mode `engine` has the two files, `model.json` last; mode
`multi-model` one archive, as SageMaker wants it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

from pydantic import ValidationError

from assay_engine.bucket_models import place_of
from assay_engine.errors import ModelUnavailable
from assay_inference.sagemaker_settings import EndpointSettings
from assay_shared import logs
from assay_shared.aws import ABSENT, AwsRefused, encrypt_with, make_client, naming
from assay_shared.errors import AssayError, NotFound, Unavailable
from assay_shared.keys import LIVE, model_folder
from assay_shared.model_description import DESCRIPTION_FILE, WEIGHTS_FILE, ModelDescription

Key = tuple[str, str]
"""Brand and version."""
COPIES = 4
"""Versions that are copied at once."""
ARCHIVE_LEVEL = 1
"""Of gzip: weights hardly shrink."""

log = logs.get_logger(__name__)


class LiveStore(Protocol):
    """What is needed of Assay's own object store."""

    def get(self, bucket: str, key: str, limit: int | None = None) -> bytes:
        """The bytes of an object."""


class ModelDelivery:
    """Brings versions to the endpoint's bucket. Each is looked for there once in the life of this process,
    and again when `look_again` says so."""

    def __init__(self, settings: EndpointSettings, store: LiveStore) -> None:
        self._settings = settings
        self._store = store
        self._s3: Any = make_client("s3", settings.region, read_seconds=20)
        self._pool = ThreadPoolExecutor(COPIES, thread_name_prefix="deliver")
        self._lock = threading.Lock()
        self._deliveries: dict[Key, Future[None]] = {}

    def deliver(self, key: Key) -> Future[None]:
        """Done when the version is there. Fails with ModelUnavailable where the version is missing or corrupt
        at home, or home or AWS does not answer; the next call tries again then."""
        with self._lock:
            known = self._deliveries.get(key)
            if known is None or (known.done() and (known.cancelled() or known.exception() is not None)):
                known = self._deliveries[key] = self._pool.submit(self._deliver, key)
            return known

    def look_again(self, key: Key) -> None:
        """Looks for a version anew when it is next asked for: the endpoint says that it is not there."""
        with self._lock:
            known = self._deliveries.get(key)
            if known is not None and known.done():
                del self._deliveries[key]

    def close(self) -> None:
        """Begins no more copies."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _deliver(self, key: Key) -> None:
        try:
            with naming(f"bringing version {key[1]} of brand {key[0]} to the endpoint's bucket"):
                if self._settings.endpoint_mode == "multi-model":
                    self._deliver_archive(key)
                else:
                    self._deliver_files(key)
        except AssayError as error:
            log.warning("model was not delivered", brand=key[0], version=key[1], reason=error.detail)
            if isinstance(error, ModelUnavailable):
                raise
            raise ModelUnavailable(error.detail) from error

    def _deliver_files(self, key: Key) -> None:
        folder = place_of(self._settings.prefix, model_folder(*key))
        if self._is_there(folder + DESCRIPTION_FILE):
            return
        described, weights = self._read(key)
        self._put(folder + WEIGHTS_FILE, weights)
        self._put(folder + DESCRIPTION_FILE, described)
        log.info("model delivered", brand=key[0], version=key[1], bytes=len(weights))

    def _deliver_archive(self, key: Key) -> None:
        place = f"{self._settings.prefix}/multi-model/{multi_model_name(key)}"
        if self._is_there(place):
            return
        described, weights = self._read(key)
        self._put(place, pack({DESCRIPTION_FILE: described, WEIGHTS_FILE: weights}))
        log.info("model delivered", brand=key[0], version=key[1], bytes=len(weights))

    def _read(self, key: Key) -> tuple[bytes, bytes]:
        """`model.json` and the weights that it names. Raises ModelUnavailable."""
        folder = model_folder(*key)
        try:
            described = self._store.get(LIVE, folder + DESCRIPTION_FILE)
            weights = self._store.get(LIVE, folder + WEIGHTS_FILE)
            expected = ModelDescription.model_validate_json(described).files.get(WEIGHTS_FILE)
        except NotFound as error:
            raise ModelUnavailable(f"Brand {key[0]!r} has no live version {key[1]!r}") from error
        except Unavailable as error:
            raise ModelUnavailable(
                f"Version {key[1]!r} of brand {key[0]!r} is not at the endpoint yet, and the store does not "
                "answer"
            ) from error
        except ValidationError as error:
            raise ModelUnavailable(
                f"Version {key[1]!r} of brand {key[0]!r}: model.json is corrupt"
            ) from error
        if hashlib.sha256(weights).hexdigest() != expected:
            raise ModelUnavailable(
                f"Version {key[1]!r} of brand {key[0]!r} is corrupt in the object store. Roll back to "
                "another version or train again"
            )
        return described, weights

    def _is_there(self, place: str) -> bool:
        try:
            with naming(f"looking for {place}"):
                self._s3.head_object(Bucket=self._settings.bucket, Key=place)
        except AwsRefused as error:
            if error.extra.get("code") in ABSENT:
                return False
            raise
        return True

    def _put(self, place: str, data: bytes) -> None:
        encryption = encrypt_with(self._settings.kms_key)
        self._s3.put_object(Bucket=self._settings.bucket, Key=place, Body=data, **encryption)


def multi_model_name(key: Key) -> str:
    """The name of a version's archive, as `TargetModel` wants it: relative to the endpoint's prefix."""
    return f"{key[0]}/{key[1]}.tar.gz"


def pack(files: dict[str, bytes]) -> bytes:
    """A `.tar.gz` of files, the same bytes for the same files."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=ARCHIVE_LEVEL, mtime=0) as squeezed,
        tarfile.open(fileobj=squeezed, mode="w") as archive,
    ):
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()
