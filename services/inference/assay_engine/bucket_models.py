"""Bucket `live` as it is kept for the endpoint in AWS: under a prefix of one S3 bucket, read with the role of
the instance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from assay_shared.aws import ABSENT, AwsRefused, make_client, naming
from assay_shared.errors import NotFound, StoreUnavailable, Unavailable
from assay_shared.keys import LIVE

READ_SECONDS = 10


class BucketModels:
    """What `ModelCache` needs of a store; `prefix` is Assay's in that bucket."""

    def __init__(self, region: str, bucket: str, prefix: str) -> None:
        self._s3: Any = make_client("s3", region, read_seconds=READ_SECONDS)
        self._bucket, self._prefix = bucket, prefix

    def get_file(self, bucket: str, key: str, path: Path) -> None:
        """Fetches an object into a file, whole or not at all. Raises NotFound and StoreUnavailable."""
        aside = path.with_name(path.name + ".part")
        try:
            with naming(f"reading {key}"):
                answer = self._s3.get_object(Bucket=self._bucket, Key=place_of(self._prefix, key))
                path.parent.mkdir(parents=True, exist_ok=True)
                with aside.open("wb") as file:
                    for part in answer["Body"].iter_chunks(1 << 20):
                        file.write(part)
            aside.rename(path)
        except AwsRefused as error:
            if error.extra.get("code") in ABSENT:
                raise NotFound(f"{key} is not in the endpoint's bucket") from error
            raise StoreUnavailable(error.detail) from error
        except Unavailable as error:
            raise StoreUnavailable(error.detail) from error
        finally:
            aside.unlink(missing_ok=True)


def place_of(prefix: str, key: str) -> str:
    """The key in the endpoint's bucket of an object of bucket `live`."""
    return f"{prefix}/{LIVE}/{key}"
