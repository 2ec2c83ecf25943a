"""How this tool talks to MinIO, and how it says what MinIO refuses."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import urllib3
from minio import Minio, MinioAdmin
from minio.error import MinioAdminException, MinioException, S3Error

from assay_shared.errors import InvalidRequest, NotAuthenticated, StoreUnavailable
from assay_shared.settings import StoreSettings
from assay_shared.storage import connect, make_credentials, make_pool

WRONG_KEYS = {"InvalidAccessKeyId", "SignatureDoesNotMatch"}


def refuse_amazon(settings: StoreSettings) -> None:
    """Raises InvalidRequest where the store is Amazon S3, which has no accounts of MinIO's and whose buckets
    others make."""
    if settings.is_amazon:
        raise InvalidRequest(
            f"The store at {settings.endpoint} is Amazon S3: buckets, events and rights come from "
            "deploy/aws/store.yml (docs/aws-store.md), and brands upload through the API or with roles of "
            "their own"
        )


def connect_admin(settings: StoreSettings) -> MinioAdmin:
    """A client of MinIO's admin API, as root. Raises InvalidRequest where the store is no MinIO."""
    refuse_amazon(settings)
    url = urlsplit(settings.endpoint)
    return MinioAdmin(
        endpoint=url.netloc,
        credentials=make_credentials(settings),
        region=settings.region,
        secure=url.scheme == "https",
        http_client=make_pool(settings),
    )


def wait_until_ready(client: Minio, endpoint: str, seconds: float = 60.0) -> None:
    """Waits for MinIO to answer.

    Raises StoreUnavailable when it does not, and NotAuthenticated at once when it knows other keys.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            client.list_buckets()
            return
        except S3Error as error:
            if error.code in WRONG_KEYS:
                raise NotAuthenticated(
                    f"MinIO at {endpoint} has another root user: S3_ACCESS_KEY and S3_SECRET_KEY must be its "
                    "MINIO_ROOT_USER and MINIO_ROOT_PASSWORD"
                ) from error
            reason = f"it answers {error.code}"
        except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
            reason = type(error).__name__
        if time.monotonic() > end:
            raise StoreUnavailable(
                f"MinIO at {endpoint} is not ready after {seconds:.0f} s ({reason}); see its log"
            )
        time.sleep(0.3)


def accepts(settings: StoreSettings) -> bool:
    """Whether the store knows this access key with this secret, whatever it may do."""
    try:
        with explained(f"Signing in as {settings.access_key}"):
            connect(settings).list_buckets()
    except StoreUnavailable as refusal:
        code = refusal.extra.get("code")
        if code in WRONG_KEYS:
            return False
        if code != "AccessDenied":
            raise
    return True


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turns a failure of the store into StoreUnavailable, `extra["code"]` its code where it gave one.

    `what` names what was done and with which object. An OSError of a local file passes: it is no matter of
    the store.
    """
    try:
        yield
    except S3Error as error:
        raise StoreUnavailable(
            f"{what}: the store answers {error.code}, {error.message}", code=error.code
        ) from error
    except MinioAdminException as error:
        code, message = _admin_answer(error)
        raise StoreUnavailable(f"{what}: MinIO answers {code}, {message}", code=code) from error
    except (MinioException, urllib3.exceptions.HTTPError) as error:
        raise StoreUnavailable(f"{what}: the store does not answer ({type(error).__name__})") from error


def _admin_answer(error: MinioAdminException) -> tuple[str, str]:
    try:
        told = json.loads(error._body)
        return str(told["Code"]), str(told["Message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {error._code}", str(error._body)[:200]
