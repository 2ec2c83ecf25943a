"""AWS S3 as Assay's own store: from a brand's upload to its live model, the job reading where photos lie."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import SecretStr

from assay_ingest.app import create_app
from assay_ingest.clients import Clients, make_clients
from assay_ingest.objects import ingest_object, judge_arrived_model
from assay_ingest.settings import IngestSettings
from assay_shared.errors import StoreUnavailable
from assay_shared.events import ObjectCreated
from assay_shared.keys import BUCKETS, IMAGES, LIVE, MODELS, UPLOADS, UploadKey
from assay_shared.queue import EVENTS, INGEST
from assay_shared.settings import StoreSettings
from assay_shared.storage import ObjectStore
from assay_trainer.sagemaker_request import name_job
from tests.integration.ingest.support import queued, served
from tests.integration.trainer.conftest import Aws, MakeTrainer
from tests.integration.trainer.support import HANGS, Assay
from tests.support.sagemaker.platform import REGION
from tests.support.waiting import wait_until

PREFIX = "acme-"


@pytest.fixture
def store_settings(aws: Aws) -> StoreSettings:
    """Assay's own store: moto's S3, its buckets as `deploy/aws/store.yml` makes them."""
    settings = StoreSettings(
        endpoint=aws.platform.moto_url,
        access_key="test",
        secret_key=SecretStr("test-secret"),
        region=REGION,
        bucket_prefix=PREFIX,
    )
    ObjectStore(settings).make_buckets(BUCKETS)
    return settings


@dataclass(frozen=True)
class Ingest:
    """The service of `ingest`, and what its broker was given."""

    clients: Clients
    broker: str

    def wait_for(self, queue: str, key: str) -> ObjectCreated:
        """The task of this object, which an event has told of."""

        def look() -> ObjectCreated | None:
            found = [ObjectCreated.model_validate(one) for one in queued(self.broker, queue)]
            return next((one for one in found if one.key == key), None)

        return wait_until(look, HANGS, f"a task for {key}")


@pytest.fixture
def ingest(
    assay: Assay, aws: Aws, store_settings: StoreSettings, valkey: str, tmp_path: Path
) -> Iterator[Ingest]:
    """The running service, told by a queue of AWS alone: its scan does not come again."""
    s3, sqs = aws.client("s3"), aws.client("sqs")
    url = sqs.create_queue(QueueName="store-events")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    only_models = {"Filter": {"Key": {"FilterRules": [{"Name": "suffix", "Value": "model.json"}]}}}
    for bucket, which in ((UPLOADS, {}), (MODELS, only_models)):
        told = {"QueueArn": arn, "Events": ["s3:ObjectCreated:*"], **which}
        s3.put_bucket_notification_configuration(
            Bucket=PREFIX + bucket, NotificationConfiguration={"QueueConfigurations": [told]}
        )
    settings = IngestSettings(
        data_dir=tmp_path,
        service_token=SecretStr(assay.token),
        admin_key_sha256="0" * 64,
        broker_url=SecretStr(valkey),
        registry_url=assay.url,
        webhook_token=SecretStr("a-token-of-the-webhook"),
        store_events_queue_url=url,
        reconcile_seconds=3600,
        store=store_settings,
    )
    with served(create_app(settings)):
        clients = make_clients(settings)
        yield Ingest(clients, valkey)
        clients.registry.close()


def make_photo() -> tuple[bytes, bytes]:
    """A JPEG of noise and its annotation file."""
    pixels = np.random.default_rng(7).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((64, 48), Image.Resampling.NEAREST).save(buffer, "JPEG")
    annotation = {
        "file": "photo.jpg",
        "image_size": [{"width": 64, "height": 48, "depth": 3}],
        "annotations": [{"class_id": 0, "left": 8, "top": 8, "width": 40, "height": 30}],
        "categories": [{"class_id": 0, "name": "carton"}],
    }
    return buffer.getvalue(), json.dumps(annotation).encode()


def judge(clients: Clients, event: ObjectCreated) -> bool:
    """Judges as the worker does, which comes again when the store does not answer: the trainer has the model
    promoted too, and moto, not S3, fails where one object is copied twice at the same time."""
    try:
        judge_arrived_model(clients, event)
    except StoreUnavailable:
        return False
    return True


def test_from_an_upload_to_the_live_model_in_amazons_buckets(
    assay: Assay, aws: Aws, ingest: Ingest, make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    s3 = aws.client("s3")
    assay.teach(tmp_path / "pictures")
    photo, annotation = make_photo()
    for name, data in (("photo.json", annotation), ("photo.jpg", photo)):
        key = str(UploadKey(assay.brand, "bulk-1", name))
        s3.put_object(Bucket=f"{PREFIX}{UPLOADS}", Key=key, Body=data)
        event = ingest.wait_for(INGEST, key)
        assert event.bucket == UPLOADS
        assert ingest_object(ingest.clients, event) in ("received", "accepted")
        assert ingest_object(ingest.clients, event) == "gone" or assay.store.stat(UPLOADS, key)
    images = assay.http.get(f"{assay.address}/images?state=accepted").json()["items"]
    (taken,) = [one for one in images if one["upload"] == "bulk-1"]
    assert assay.store.stat(IMAGES, f"{assay.brand}/{taken['sha256']}.jpg")
    assert list(assay.store.list(UPLOADS, f"{assay.brand}/")) == []

    run = assay.finish(epochs=2)
    make_trainer(reads_store=True).take(run)
    wait_until(lambda: name_job(run) in aws.jobs.jobs, HANGS, "the job is there")
    place = f"assay/training/{assay.brand}/{run}/images.manifest"
    manifest = json.loads(s3.get_object(Bucket=aws.bucket, Key=place)["Body"].read())
    assert manifest[0] == {"prefix": f"s3://{PREFIX}{IMAGES}/{assay.brand}/"}
    assert f"{taken['sha256']}.jpg" in manifest[1:]
    assert len(manifest) == 1 + 13
    assert aws.keys(f"assay/training/{assay.brand}/images/") == []

    version = assay.read(run)["model_version"]
    arrived = ingest.wait_for(EVENTS, f"{assay.brand}/{version}/model.json")
    assert arrived.bucket == MODELS
    for _ in range(2):  # an event that comes twice
        wait_until(lambda: judge(ingest.clients, arrived), HANGS, "the model is judged")
    found = assay.read(run)
    assert (found["state"], found["reason"]) == ("succeeded", None)
    assert assay.http.get(f"{assay.address}/live").json()["version"] == version
    live = s3.get_object(Bucket=f"{PREFIX}{LIVE}", Key=f"{assay.brand}/current.json")["Body"].read()
    assert json.loads(live)["version"] == version
    assert {one["Name"] for one in s3.list_buckets()["Buckets"]} == {
        aws.bucket,
        *(f"{PREFIX}{bucket}" for bucket in BUCKETS),
    }
