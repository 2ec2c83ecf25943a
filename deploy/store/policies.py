"""What each account may do in the store: exactly what its code does there.

S3 answers 403 instead of 404 for a missing object unless the caller may list the bucket, so whoever reads or
stats may list as well. A copy needs GetObject on its source. Uploads in parts that fail are aborted, which
is a right of its own.
"""

from __future__ import annotations

from typing import Any

from assay_shared.keys import IMAGES, KEPT_PICTURES, LIVE, MODELS, QUARANTINE, UPLOADS

Statement = dict[str, Any]
Policy = dict[str, Any]

READ = ["s3:GetObject"]
WRITE = ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
DELETE = ["s3:DeleteObject"]

NO_ADMIN: Statement = {"Effect": "Deny", "Action": ["admin:*"]}
"""MinIO lets every account change its own secret and make further keys for itself unless that is denied."""
FIND_BUCKETS: Statement = {
    "Effect": "Allow",
    "Action": ["s3:ListAllMyBuckets"],
    "Resource": ["arn:aws:s3:::*"],
}
"""`ObjectStore.check()` lists the buckets."""


def service_policies() -> dict[str, Policy]:
    """The policy of each service."""
    registry = [
        FIND_BUCKETS,
        _list(UPLOADS, IMAGES, MODELS, LIVE),
        _allow(READ, UPLOADS, IMAGES, MODELS, LIVE),
        _allow(WRITE, UPLOADS, IMAGES, QUARANTINE, LIVE),
        _allow(DELETE, UPLOADS, IMAGES, QUARANTINE),
    ]
    ingest = [
        FIND_BUCKETS,
        _list(UPLOADS, IMAGES, MODELS),
        _allow(READ, UPLOADS, IMAGES, MODELS),
        _allow(WRITE, UPLOADS, IMAGES, QUARANTINE),
        _allow(DELETE, UPLOADS, QUARANTINE),
    ]
    trainer = [
        FIND_BUCKETS,
        _list(IMAGES, MODELS, LIVE),
        _allow(READ, IMAGES, MODELS, LIVE),
        _allow(WRITE, MODELS),
        # Old checkpoints are all that it deletes.
        {"Effect": "Allow", "Action": DELETE, "Resource": [_arn(f"{MODELS}/*/training/*")]},
    ]
    reader = [_list(LIVE), _allow(READ, LIVE)]
    # The pictures that brands keep go to ingest by the upload that is reserved for them.
    keeper = {"Effect": "Allow", "Action": WRITE, "Resource": [_arn(f"{UPLOADS}/*/{KEPT_PICTURES}/*")]}
    return {
        "registry": _policy(registry),
        "ingest": _policy(ingest),
        "trainer": _policy(trainer),
        "inference": _policy([*reader, keeper]),
        "engine": _policy(reader),
    }


def brand_policy(brand: str, *, listing: bool) -> Policy:
    """What a brand's own credentials may do: read and write `uploads/{brand}/*`, but for the reserved upload:
    what lies there was not sanitised yet, and other people took it.

    `listing` adds ListBucket under `{brand}/`; see `BrandListing` for when that is safe.
    """
    statements: list[Statement] = [
        {"Effect": "Allow", "Action": ["s3:GetBucketLocation"], "Resource": [_arn(UPLOADS)]},
        {"Effect": "Allow", "Action": [*READ, *WRITE], "Resource": [_arn(f"{UPLOADS}/{brand}/*")]},
        {
            "Effect": "Deny",
            "Action": [*READ, *WRITE],
            "Resource": [_arn(f"{UPLOADS}/{brand}/{KEPT_PICTURES}/*")],
        },
    ]
    if listing:
        condition = {
            # Of two prefixes in one request MinIO lists the first: all of them must be the brand's.
            "ForAllValues:StringLike": {"s3:prefix": [f"{brand}/*"]},
            # All of none would be true.
            "Null": {"s3:prefix": [False]},
        }
        statements.append(
            {
                "Effect": "Allow",
                "Action": ["s3:ListBucket"],
                "Resource": [_arn(UPLOADS)],
                "Condition": condition,
            }
        )
    return _policy(statements)


def same_policy(one: object, other: object) -> bool:
    """Whether two policies say the same; MinIO gives lists back in another order."""
    return _canonical(one) == _canonical(other)


def _policy(statements: list[Statement]) -> Policy:
    return {"Version": "2012-10-17", "Statement": [NO_ADMIN, *statements]}


def _allow(actions: list[str], *buckets: str) -> Statement:
    return {"Effect": "Allow", "Action": actions, "Resource": [_arn(f"{bucket}/*") for bucket in buckets]}


def _list(*buckets: str) -> Statement:
    return {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": [_arn(bucket) for bucket in buckets]}


def _arn(place: str) -> str:
    return f"arn:aws:s3:::{place}"


def _canonical(value: object) -> object:
    if isinstance(value, dict):
        return sorted((key, repr(_canonical(inner))) for key, inner in value.items())
    if isinstance(value, list):
        return sorted(repr(_canonical(inner)) for inner in value)
    # A list of one may come back as the one.
    return [repr(value)]
