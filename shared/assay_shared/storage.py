"""The object store, through the `minio` client. Every failure to reach it is `StoreUnavailable`."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import certifi
import orjson
import urllib3
from minio import Minio
from minio.commonconfig import CopySource
from minio.credentials.credentials import Credentials
from minio.credentials.providers import IamAwsProvider, Provider, StaticProvider
from minio.deleteobjects import DeleteObject
from minio.error import MinioException, S3Error

from assay_shared.errors import NotFound, StoreUnavailable
from assay_shared.settings import StoreSettings

ABSENT = {"NoSuchKey", "NoSuchObject", "NoSuchBucket", "NoSuchVersion"}


@dataclass(frozen=True)
class StoredObject:
    """What the store says of an object; `size` in bytes, `etag` without quotes."""

    bucket: str
    key: str
    etag: str
    size: int


def connect(settings: StoreSettings) -> Minio:
    """The `minio` client itself, for what `ObjectStore` has no words for; its timeouts are the settings'. It
    calls buckets as the store does: `settings.name_bucket`."""
    url = urlsplit(settings.endpoint)
    return Minio(
        url.netloc,
        credentials=make_credentials(settings),
        secure=url.scheme == "https",
        region=settings.region,
        http_client=make_pool(settings),
    )


def make_credentials(settings: StoreSettings) -> Provider:
    """The settings' keys, or without any those of the role that this machine has in AWS."""
    if settings.access_key:
        secret, token = settings.secret_key.get_secret_value(), settings.session_token.get_secret_value()
        return StaticProvider(settings.access_key, secret, token or None)
    return RoleProvider(make_pool(settings))


class RoleProvider(Provider):
    """Keys that AWS lends this machine or container for its role, fetched anew before they are over.

    Raises StoreUnavailable where there is no role. Safe to share between threads.
    """

    def __init__(self, pool: urllib3.PoolManager) -> None:
        self._provider = IamAwsProvider(http_client=pool)
        self._lock = threading.Lock()

    def retrieve(self) -> Credentials:
        """The keys of now."""
        try:
            with self._lock:
                return self._provider.retrieve()
        except (ValueError, LookupError, OSError, urllib3.exceptions.HTTPError) as error:
            raise StoreUnavailable(
                f"AWS gives this machine no keys for its role: {error}. Attach an instance profile and allow "
                "containers to ask for it (hop limit 2), or set S3_ACCESS_KEY and S3_SECRET_KEY"
            ) from error


def make_pool(settings: StoreSettings) -> urllib3.PoolManager:
    """The HTTP connections of a client; what is safe to send again is sent three times."""
    timeout = urllib3.Timeout(connect=min(3.0, settings.timeout_seconds), read=settings.timeout_seconds)
    return urllib3.PoolManager(
        timeout=timeout,
        maxsize=16,
        retries=urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=[502, 503, 504]),
        cert_reqs="CERT_REQUIRED",
        ca_certs=certifi.where(),
    )


class ObjectStore:
    """The five buckets, by Assay's own names, whatever prefix they have in the store; other buckets by
    theirs. All calls block; safe to share between threads.

    Raises NotFound for what is not there and StoreUnavailable for anything that the store does wrong.
    """

    def __init__(self, settings: StoreSettings) -> None:
        self._client = connect(settings)
        self._settings = settings

    def name_bucket(self, bucket: str) -> str:
        """What a bucket is called in the store, such as for an `s3://` address."""
        return self._settings.name_bucket(bucket)

    def put(
        self, bucket: str, key: str, data: bytes, content_type: str = "application/octet-stream"
    ) -> StoredObject:
        """Stores bytes whole."""
        return self.put_stream(bucket, key, io.BytesIO(data), len(data), content_type)

    def put_stream(
        self,
        bucket: str,
        key: str,
        stream: BinaryIO,
        size: int,
        content_type: str = "application/octet-stream",
    ) -> StoredObject:
        """Stores `size` bytes read from a stream."""
        with _translated(bucket, key):
            done = self._client.put_object(
                self.name_bucket(bucket), key, stream, size, content_type=content_type
            )
        return StoredObject(bucket, key, (done.etag or "").strip('"'), size)

    def put_file(
        self, bucket: str, key: str, path: Path, content_type: str = "application/octet-stream"
    ) -> StoredObject:
        """Stores a file."""
        with path.open("rb") as stream:
            return self.put_stream(bucket, key, stream, path.stat().st_size, content_type)

    def put_json(self, bucket: str, key: str, value: object) -> StoredObject:
        """Stores a value as JSON."""
        return self.put(
            bucket, key, orjson.dumps(value, option=orjson.OPT_INDENT_2), content_type="application/json"
        )

    def get(self, bucket: str, key: str, limit: int | None = None) -> bytes:
        """The bytes of an object, at most `limit` of them."""
        with self.open(bucket, key) as stream:
            return stream.read(limit) if limit is not None else stream.read()

    def get_json(self, bucket: str, key: str) -> object:
        """The value of a JSON object."""
        value: object = orjson.loads(self.get(bucket, key))
        return value

    @contextmanager
    def open(self, bucket: str, key: str) -> Iterator[urllib3.BaseHTTPResponse]:
        """A readable stream of an object; `.stream(n)` gives chunks."""
        with _translated(bucket, key):
            response = self._client.get_object(self.name_bucket(bucket), key)
            try:
                yield response
            finally:
                response.close()
                response.release_conn()

    def get_file(self, bucket: str, key: str, path: Path) -> None:
        """Fetches an object into a file, which appears whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        with self.open(bucket, key) as stream, partial.open("wb") as file:
            for chunk in stream.stream(1 << 20):
                file.write(chunk)
        partial.replace(path)

    def stat(self, bucket: str, key: str) -> StoredObject | None:
        """What the store says of an object, or None when there is none."""
        try:
            with _translated(bucket, key):
                found = self._client.stat_object(self.name_bucket(bucket), key)
        except NotFound:
            return None
        return StoredObject(bucket, key, (found.etag or "").strip('"'), found.size or 0)

    def list(
        self, bucket: str, prefix: str = "", *, after: str | None = None, recursive: bool = True
    ) -> Iterator[StoredObject]:
        """All objects under a prefix, by key; without `recursive` also the folders, with a closing slash."""
        with _translated(bucket, prefix):
            for found in self._client.list_objects(
                self.name_bucket(bucket), prefix=prefix, recursive=recursive, start_after=after
            ):
                key = found.object_name or ""
                yield StoredObject(bucket, key, (found.etag or "").strip('"'), found.size or 0)

    def copy(self, source: tuple[str, str], target: tuple[str, str]) -> None:
        """Copies an object inside the store, from (bucket, key) to (bucket, key)."""
        with _translated(*source):
            self._client.copy_object(
                self.name_bucket(target[0]), target[1], CopySource(self.name_bucket(source[0]), source[1])
            )

    def delete(self, bucket: str, key: str) -> None:
        """Deletes an object; one that is not there is no error."""
        with _translated(bucket, key):
            self._client.remove_object(self.name_bucket(bucket), key)

    def delete_prefix(self, bucket: str, prefix: str) -> None:
        """Deletes every object under a prefix."""
        names = [DeleteObject(found.key) for found in self.list(bucket, prefix)]
        with _translated(bucket, prefix):
            for error in self._client.remove_objects(self.name_bucket(bucket), names):
                raise StoreUnavailable(f"{bucket}/{error.name} cannot be deleted: {error.message}")

    def make_buckets(self, buckets: tuple[str, ...]) -> None:
        """Makes the buckets that are missing."""
        for bucket in buckets:
            with _translated(bucket, ""):
                if not self._client.bucket_exists(self.name_bucket(bucket)):
                    self._client.make_bucket(self.name_bucket(bucket))

    def check(self) -> None:
        """Raises StoreUnavailable unless the store answers."""
        with _translated("", ""):
            self._client.list_buckets()


@contextmanager
def _translated(bucket: str, key: str) -> Iterator[None]:
    try:
        yield
    except S3Error as error:
        if error.code in ABSENT:
            raise NotFound(f"There is no object {bucket}/{key} in the store") from error
        raise StoreUnavailable(f"The object store refuses {bucket}/{key}: {error.code}") from error
    except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
        raise StoreUnavailable(f"The object store does not answer for {bucket}/{key}") from error
