"""The secrets of an embedded stack: made once for a data folder, kept there for its owner alone."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import SecretStr

from assay_shared.auth import make_key
from assay_shared.settings import StoreSettings


@dataclass(frozen=True)
class Credentials:
    """What people and services prove themselves with."""

    admin_key: str
    service_token: str
    webhook_token: str
    broker_password: str
    s3_access_key: str
    s3_secret_key: str

    @classmethod
    def of(cls, path: Path) -> Credentials:
        """The credentials in this file, made if it is not there."""
        if not path.exists():
            made = cls(
                admin_key=make_key(),
                service_token=secrets.token_hex(24),
                webhook_token=secrets.token_hex(24),
                broker_password=secrets.token_hex(24),
                s3_access_key="assay",
                s3_secret_key=secrets.token_urlsafe(30),
            )
            write_private(path, asdict(made))
        return cls(**json.loads(path.read_text()))

    def store_settings(self, endpoint: str, bucket_prefix: str) -> StoreSettings:
        """How to reach the object store at this address."""
        return StoreSettings(
            endpoint=endpoint,
            access_key=self.s3_access_key,
            secret_key=SecretStr(self.s3_secret_key),
            bucket_prefix=bucket_prefix,
        )


def write_private(path: Path, content: object) -> None:
    """Writes JSON that its owner alone may read, whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file, indent=2)
    partial.replace(path)
