"""Where things lie in the object store (design, section 3). Keys are made here and nowhere else."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

UPLOADS = "uploads"
IMAGES = "images"
QUARANTINE = "quarantine"
MODELS = "models"
LIVE = "live"
BUCKETS = (UPLOADS, IMAGES, QUARANTINE, MODELS, LIVE)
"""Assay's own names of its buckets. What they are called in a store: `name_bucket`."""
KEPT_PICTURES = "kept-pictures"
"""The upload of each brand that is reserved for pictures of verifications: the verify API writes there, and
nobody else."""


def name_bucket(bucket: str, prefix: str) -> str:
    """What a bucket is called in a store: one of Assay's has the store's prefix (`S3_BUCKET_PREFIX`) before
    its name, any other its own name."""
    return prefix + bucket if bucket in BUCKETS else bucket


def read_bucket(name: str, prefix: str) -> str | None:
    """Assay's own name of a bucket that a store calls so; None for a bucket that is none of Assay's."""
    bucket = name.removeprefix(prefix)
    return bucket if name.startswith(prefix) and bucket in BUCKETS else None


@dataclass(frozen=True)
class UploadKey:
    """The parts of a key in bucket `uploads`: `{brand}/{upload}/{name}`; the name may hold slashes."""

    brand: str
    upload: str
    name: str

    def __str__(self) -> str:
        return f"{self.brand}/{self.upload}/{self.name}"


def parse_upload_key(key: str) -> UploadKey | None:
    """The parts of an upload's key, or None when it has not the form `{brand}/{upload}/{name}`."""
    brand, _, rest = key.partition("/")
    upload, _, name = rest.partition("/")
    return UploadKey(brand, upload, name) if brand and upload and name else None


def kept_picture_key(brand: str, verification: str, extension: str) -> UploadKey:
    """Where the verify API puts the picture of a verification, for `ingest` to sanitise."""
    return UploadKey(brand, KEPT_PICTURES, f"{verification}.{extension}")


def image_key(brand: str, sha256: str, extension: str) -> str:
    """Where a sanitised image lies in bucket `images`."""
    return f"{brand}/{sha256}.{extension}"


def annotation_key(brand: str, sha256: str) -> str:
    """Where the annotation of an image lies in bucket `images`."""
    return f"{brand}/{sha256}.json"


def quarantine_key(upload: UploadKey, etag: str) -> str:
    """Where a refused original lies in bucket `quarantine`; the etag keeps two of one name apart.

    A name so long that no store would take the key of its reason (1,024 bytes, 255 between slashes) is cut.
    """
    name = upload.name
    if len(name.encode()) > 600 or any(len(part.encode()) > 200 for part in name.split("/")):
        start = name.rpartition("/")[2].encode()[:100].decode(errors="ignore")
        name = f"{start}~{hashlib.sha256(name.encode()).hexdigest()[:32]}"
    return f"{upload.brand}/{upload.upload}/{etag}/{name}"


def reason_key(quarantined: str) -> str:
    """Where the reason of a quarantined original lies, beside it."""
    return f"{quarantined}.reason.json"


def model_folder(brand: str, version: str) -> str:
    """The folder of a model version in the buckets `models` and `live`, with its closing slash."""
    return f"{brand}/{version}/"


def model_json_key(brand: str, version: str) -> str:
    """The file whose arrival says that a model version is whole."""
    return f"{brand}/{version}/model.json"


def pointer_key(brand: str) -> str:
    """The pointer to the live model version, in bucket `live`."""
    return f"{brand}/current.json"


def brand_key(brand: str) -> str:
    """What verifying needs to know of a brand (`wire.PublishedBrand`), in bucket `live`."""
    return f"{brand}/brand.json"
