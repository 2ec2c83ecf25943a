"""What each account may do in the store: exactly what its code does there.

S3 answers 403 instead of 404 for a missing object unless the caller may list the bucket, so whoever reads or
stats may list as well. A copy needs GetObject on its source. Uploads in parts that fail are aborted, which
is a right of its own.
"""

from __future__ import annotations

from typing import Any

from assay_shared.keys import BUCKETS, KEPT_PICTURES, UPLOADS, name_bucket

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


def service_policies(bucket_prefix: str) -> dict[str, Policy]:
    """The policy of each service, in a store whose buckets have this prefix."""
    uploads, images, quarantine, models, live = (name_bucket(bucket, bucket_prefix) for bucket in BUCKETS)
    registry = [
        FIND_BUCKETS,
        _list(uploads, images, models, live),
        _allow(READ, uploads, images, models, live),
        _allow(WRITE, uploads, images, quarantine, live),
        _allow(DELETE, uploads, images, quarantine),
    ]
    ingest = [
        FIND_BUCKETS,
        _list(uploads, images, models),
        _allow(READ, uploads, images, models),
        _allow(WRITE, uploads, images, quarantine),
        _allow(DELETE, uploads, quarantine),
    ]
    trainer = [
        FIND_BUCKETS,
        _list(images, models, live),
        _allow(READ, images, models, live),
        _allow(WRITE, models),
        # Old checkpoints are all that it deletes.
        {"Effect": "Allow", "Action": DELETE, "Resource": [_arn(f"{models}/*/training/*")]},
    ]
    reader = [_list(live), _allow(READ, live)]
    # The pictures that brands keep go to ingest by the upload that is reserved for them.
    keeper = {"Effect": "Allow", "Action": WRITE, "Resource": [_arn(f"{uploads}/*/{KEPT_PICTURES}/*")]}
    return {
        "registry": _policy(registry),
        "ingest": _policy(ingest),
        "trainer": _policy(trainer),
        "inference": _policy([*reader, keeper]),
        "engine": _policy(reader),
    }


def brand_policy(brand: str, *, listing: bool, bucket_prefix: str) -> Policy:
    """What a brand's own credentials may do: read and write `uploads/{brand}/*`, but for the reserved upload:
    what lies there was not sanitised yet, and other people took it.

    `listing` adds ListBucket under `{brand}/`; see `BrandListing` for when that is safe.
    """
    uploads = name_bucket(UPLOADS, bucket_prefix)
    statements: list[Statement] = [
        {"Effect": "Allow", "Action": ["s3:GetBucketLocation"], "Resource": [_arn(uploads)]},
        {"Effect": "Allow", "Action": [*READ, *WRITE], "Resource": [_arn(f"{uploads}/{brand}/*")]},
        {
            "Effect": "Deny",
            "Action": [*READ, *WRITE],
            "Resource": [_arn(f"{uploads}/{brand}/{KEPT_PICTURES}/*")],
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
                "Resource": [_arn(uploads)],
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
