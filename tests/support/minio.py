"""MinIO, built from source, with a webhook for bucket notifications."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from minio import Minio
from minio.notificationconfig import NotificationConfig, QueueConfig
from pydantic import SecretStr

from assay_shared.keys import BUCKETS
from assay_shared.settings import StoreSettings
from assay_shared.storage import ObjectStore
from deploy.local.minio import minio_binary
from deploy.local.parts import answers_at
from deploy.local.ports import free_port
from deploy.local.supervisor import Program, Supervisor

QUEUE_ARN = "arn:minio:sqs:us-east-1:assay:webhook"


@dataclass(frozen=True)
class MinioServer:
    """A running MinIO with the five buckets; it delivers events to `webhook_url` from the moment that
    `notify` was called. Serve that address on `webhook_port`, and expect `Bearer {webhook_token}`."""

    settings: StoreSettings
    client: Minio
    store: ObjectStore
    webhook_port: int
    webhook_url: str
    webhook_token: str

    def notify(self, bucket: str) -> None:
        """Has every object created in this bucket told to the webhook."""
        rule = QueueConfig(queue=QUEUE_ARN, events=["s3:ObjectCreated:*"])
        self.client.set_bucket_notification(bucket, NotificationConfig(queue_config_list=[rule]))


@contextmanager
def running_minio(supervisor: Supervisor, folder: Path, webhook_path: str) -> Iterator[MinioServer]:
    """A MinIO whose webhook is `http://127.0.0.1:{webhook_port}{webhook_path}`."""
    port, webhook_port = free_port(), free_port()
    settings = StoreSettings(
        endpoint=f"http://127.0.0.1:{port}",
        access_key="assay-tests",
        secret_key=SecretStr(secrets.token_hex(20)),
    )
    webhook_url, token = f"http://127.0.0.1:{webhook_port}{webhook_path}", secrets.token_hex(20)
    (folder / "data").mkdir(parents=True)
    environment = {
        "HOME": str(folder),
        "MINIO_ROOT_USER": settings.access_key,
        "MINIO_ROOT_PASSWORD": settings.secret_key.get_secret_value(),
        "MINIO_BROWSER": "off",
        "MINIO_CALLHOME_ENABLE": "off",
        "MINIO_UPDATE": "off",
        "MINIO_NOTIFY_WEBHOOK_ENABLE_assay": "on",
        "MINIO_NOTIFY_WEBHOOK_ENDPOINT_assay": webhook_url,
        "MINIO_NOTIFY_WEBHOOK_AUTH_TOKEN_assay": token,
        "MINIO_NOTIFY_WEBHOOK_QUEUE_DIR_assay": str(folder / "events"),
        "MINIO_NOTIFY_WEBHOOK_QUEUE_LIMIT_assay": "100000",
    }
    command = [str(minio_binary()), "server", "--address", f"127.0.0.1:{port}", str(folder / "data")]
    ready = answers_at(f"{settings.endpoint}/minio/health/ready")
    supervisor.start([Program("minio", command, environment, folder, ready)])
    store = ObjectStore(settings)
    store.make_buckets(BUCKETS)
    client = Minio(
        f"127.0.0.1:{port}",
        access_key=settings.access_key,
        secret_key=settings.secret_key.get_secret_value(),
        secure=False,
    )
    yield MinioServer(settings, client, store, webhook_port, webhook_url, token)
    supervisor.down("minio")
