"""What goes to the bucket for a job and comes back from it, through S3's own client."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from assay_shared import keys
from assay_shared.aws import ABSENT, AwsRefused, encrypt_with, naming
from assay_shared.errors import NotFound
from assay_shared.storage import ObjectStore
from assay_shared.wire import DatasetItem, Lease
from assay_trainer.artifact import MAX_BYTES, ArtifactUnusable
from assay_trainer.job_checkpoints import name_slot, read_epoch
from assay_trainer.model_store import InputMissing, fetch_checkpoint, fetch_model, find_base_weights
from assay_trainer.sagemaker_contract import DATASET_FILE, LIVE_FOLDER, WEIGHTS_FOLDER
from assay_trainer.sagemaker_request import Places

FRESH = timedelta(days=21)
"""A copied picture that is older is copied again: the bucket's lifecycle rule may take what lies under
`training/` for 30 days or more, and a job must not lose a picture while it waits for an instance."""
NOTHING_THERE = {*ABSENT, "NoSuchBucket"}


class JobData:
    """One run's data, in the bucket of `places`. All calls may raise the errors of `aws.naming`; those that
    read Assay's own store also StoreUnavailable, and InputMissing for what is not there."""

    def __init__(self, s3: Any, store: ObjectStore, places: Places, kms_key: str) -> None:
        self._s3, self._store, self._places = s3, store, places
        self._encryption = encrypt_with(kms_key)

    def send(
        self,
        lease: Lease,
        pretrained_weights: str,
        work: Path,
        *,
        reads_store: bool,
        is_over: Callable[[], bool],
    ) -> int | None:
        """Puts all that a job of this run reads under the run's prefix; returns how many pictures had to be
        copied. `reads_store`: the job reads them where they lie already. When `is_over` says so it stops
        half-way and returns None: what is there already is not copied again."""
        copied = 0 if reads_store else self._copy_images(lease, is_over)
        if is_over():
            return None
        names = [f"{item.sha256}.{item.extension}" for item in lease.dataset.items]
        images = self._store.name_bucket(keys.IMAGES)
        prefix = f"s3://{images}/{lease.brand}/" if reads_store else self._places.uri(self._places.images)
        self._put(self._places.input + DATASET_FILE, lease.dataset.model_dump_json().encode())
        weights = find_base_weights(pretrained_weights, self._store, work)
        if weights is not None:
            if not weights.is_file():
                raise InputMissing(
                    f"ASSAY_PRETRAINED_WEIGHTS names the asset {weights}, which a job in SageMaker cannot "
                    "fetch: it has no network. Name a file or s3://bucket/key"
                )
            self._put(f"{self._places.input}{WEIGHTS_FOLDER}/{weights.name}", weights.read_bytes())
        live = fetch_model(self._store, lease.brand, lease.live_version, work / "live")
        if live is not None:
            for path in sorted(live.iterdir()):
                self._put(f"{self._places.input}{LIVE_FOLDER}/{path.name}", path.read_bytes())
        self._send_checkpoint(lease, work)
        # Last: with the manifest a job could start.
        self._put(self._places.manifest, json.dumps([{"prefix": prefix}, *names]).encode())
        return copied

    def fetch_artifact(self, uri: str, path: Path) -> Path:
        """Fetches a job's `model.tar.gz` into a file. Raises ArtifactUnusable when it is missing, too large,
        or not where this run's jobs put theirs."""
        key = uri.removeprefix(f"s3://{self._places.bucket}/")
        if not key.startswith(f"{self._places.output}/") or ".." in key:
            raise ArtifactUnusable(
                f"The job says that its model lies at {uri}, which is no place of this run"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with naming(f"fetching {uri}"):
                answer = self._s3.get_object(Bucket=self._places.bucket, Key=key)
                if answer["ContentLength"] > MAX_BYTES:
                    raise ArtifactUnusable(f"The job's model at {uri} is larger than {MAX_BYTES >> 20} MB")
                with path.open("wb") as file:
                    for chunk in answer["Body"].iter_chunks(1 << 20):
                        file.write(chunk)
        except AwsRefused as error:
            if error.extra.get("code") in NOTHING_THERE:
                raise ArtifactUnusable(
                    f"The job has completed, but its model is not at {uri}: was it deleted? Start a new run"
                ) from error
            raise
        return path

    def read_cursor(self) -> dict[str, Any]:
        """What `write_cursor` wrote last; empty without it."""
        try:
            with naming("reading how far the job's log was read"):
                body = self._s3.get_object(Bucket=self._places.bucket, Key=self._places.cursor)["Body"]
                found = json.loads(body.read())
        except AwsRefused as error:
            if error.extra.get("code") in NOTHING_THERE:
                return {}
            raise
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def write_cursor(self, cursor: dict[str, Any]) -> None:
        """Keeps how far the job's log was read, for the run's next owner."""
        self._put(self._places.cursor, json.dumps(cursor).encode())

    def clean(self) -> None:
        """Deletes all under the run's prefix; the brand's pictures stay for its next run."""
        with naming(f"deleting {self._places.uri(self._places.run)}"):
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self._places.bucket, Prefix=self._places.run
            )
            for page in pages:
                for found in page.get("Contents", []):
                    self._s3.delete_object(Bucket=self._places.bucket, Key=found["Key"])

    def _copy_images(self, lease: Lease, is_over: Callable[[], bool]) -> int:
        there = self._list_fresh(self._places.images)

        def copy(item: DatasetItem) -> bool:
            name = f"{item.sha256}.{item.extension}"
            if name in there or is_over():
                return False
            try:
                data = self._store.get(keys.IMAGES, keys.image_key(lease.brand, item.sha256, item.extension))
            except NotFound as error:
                raise InputMissing(
                    f"Image {item.sha256} of dataset version {lease.dataset.id} was deleted; start a new "
                    "training run"
                ) from error
            self._put(self._places.images + name, data)
            return True

        with ThreadPoolExecutor(8) as pool:
            return sum(pool.map(copy, lease.dataset.items))

    def _list_fresh(self, prefix: str) -> set[str]:
        oldest = datetime.now(UTC) - FRESH
        with naming(f"listing {self._places.uri(prefix)}"):
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self._places.bucket, Prefix=prefix
            )
            return {
                found["Key"].removeprefix(prefix)
                for page in pages
                for found in page.get("Contents", [])
                if found["LastModified"] > oldest
            }

    def _send_checkpoint(self, lease: Lease, work: Path) -> None:
        """A run that was begun at home goes on from there."""
        checkpoint = fetch_checkpoint(self._store, lease.brand, lease.model_version, work)
        epoch = read_epoch(checkpoint) if checkpoint is not None else 0
        if checkpoint is not None and epoch:
            self._put(f"{self._places.checkpoints}/{name_slot(epoch)}", checkpoint.read_bytes())

    def _put(self, key: str, data: bytes) -> None:
        with naming(f"writing {self._places.uri(key)}"):
            self._s3.put_object(Bucket=self._places.bucket, Key=key, Body=data, **self._encryption)
