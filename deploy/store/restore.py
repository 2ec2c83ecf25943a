"""Makes the store equal to a backup."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from minio import Minio
from minio.datatypes import Object
from pydantic import SecretStr

from assay_shared.keys import BUCKETS
from assay_shared.settings import StoreSettings
from assay_shared.storage import ObjectStore, connect
from deploy.store.accounts import Accounts
from deploy.store.archive import HashingReader, MemberReader
from deploy.store.brand_accounts import brand_of, restore_credentials
from deploy.store.checking import Backup
from deploy.store.clients import explained
from deploy.store.errors import ArchiveDamaged
from deploy.store.manifest import ObjectEntry
from deploy.store.parallel import in_order

DEFAULT_PART = 5 << 20
"""The part size of the `minio` client, and so of `ObjectStore.put_stream`."""
LARGEST_PART = 32 << 20
"""Eight of these may be in memory at once."""


@dataclass
class _Plan:
    """What a bucket needs: versions to delete, entries to put, and how many are right as they are."""

    delete: list[Object] = field(default_factory=list)
    put: list[ObjectEntry] = field(default_factory=list)
    kept: int = 0


def restore_objects(
    settings: StoreSettings, master: SecretStr, backup: Backup, *, listing: bool, accounts: bool
) -> Iterator[str]:
    """Deletes, from every bucket, what the backup does not have or has with other bytes, and old versions;
    puts what is missing; makes the brands' accounts again, also those removed since. Done as it is iterated;
    a line for each bucket and account. Without `accounts` the store has none of MinIO's, and each that the
    backup has is named as left out.

    The backup must have been checked. Run it again when it was interrupted. MinIO's notifications go on
    meanwhile, and may: `ingest` acts on each object once, by its key and etag, and the registry on each
    model version. Raises StoreUnavailable with the object's name; InvalidRequest, before anything is
    changed, for an account that cannot be a brand's.
    """
    for access_key in backup.manifest.brand_access_keys:
        brand_of(access_key)
    client = connect(settings)
    made = Accounts(settings) if accounts else None
    ObjectStore(settings).make_buckets(BUCKETS)
    for bucket in BUCKETS:
        wanted = {entry.key: entry for entry in backup.manifest.objects if entry.bucket == bucket}
        name = settings.name_bucket(bucket)
        plan = _make_plan(client, name, wanted)
        deleted = sum(1 for _ in in_order(lambda version: _delete(client, version), plan.delete))
        put = sum(1 for _ in in_order(partial(_put, client, backup, name), plan.put))
        yield f"bucket {bucket}: {put} put, {deleted} deleted, {plan.kept} kept"
    for access_key in backup.manifest.brand_access_keys:
        if made is None:
            yield f"account {access_key}: left out, this store has no accounts"
        else:
            yield from restore_credentials(made, master, access_key, listing=listing)


def _make_plan(client: Minio, name: str, wanted: dict[str, ObjectEntry]) -> _Plan:
    plan, missing = _Plan(), dict(wanted)
    with explained(f"Listing bucket {name}"):
        for version in client.list_objects(name, recursive=True, include_version=True):
            entry = wanted.get(version.object_name or "")
            if entry is not None and _is_current(version, entry):
                plan.kept += 1
                del missing[entry.key]
            else:
                plan.delete.append(version)
    plan.put = list(missing.values())
    return plan


def _is_current(version: Object, entry: ObjectEntry) -> bool:
    latest = version.is_latest == "true" and not version.is_delete_marker
    return latest and version.size == entry.size and (version.etag or "").strip('"') == entry.etag


def _delete(client: Minio, version: Object) -> None:
    # One by one: a key may hold control characters, which fit no XML and so no request for many.
    with explained(f"Deleting {version.bucket_name}/{version.object_name}"):
        client.remove_object(version.bucket_name, version.object_name or "", version_id=version.version_id)


def _put(client: Minio, backup: Backup, name: str, entry: ObjectEntry) -> None:
    with MemberReader(backup.path, backup.members[entry.member]) as source:
        reader = HashingReader(source)
        with explained(f"Writing {entry.bucket}/{entry.key}"):
            client.put_object(
                name,
                entry.key,
                reader,  # type: ignore[arg-type]
                entry.size,
                content_type=entry.content_type,
                part_size=_part_size(entry),
                num_parallel_uploads=1,
            )
    if reader.sha256() != entry.sha256:
        with explained(f"Deleting {entry.bucket}/{entry.key}"):
            client.remove_object(name, entry.key)
        raise ArchiveDamaged(
            f"{backup.path}: member {entry.member!r} is damaged: its SHA-256 is not the manifest's; "
            f"the object {entry.bucket}/{entry.key} was left out"
        )


def _part_size(entry: ObjectEntry) -> int:
    """The part size that gives the original's etag, by which `ingest` knows it; 0 lets the client choose.

    A part is held in memory, so what was sent in larger ones than `LARGEST_PART` gets another etag.
    """
    _, dash, parts = entry.etag.partition("-")
    if not dash:
        # Sent whole; MinIO takes no part smaller than 5 MiB, and the client none of 0 bytes.
        return max(entry.size, DEFAULT_PART) if entry.size <= LARGEST_PART else 0
    for size in (entry.part_size, DEFAULT_PART):
        if size and DEFAULT_PART <= size <= LARGEST_PART and math.ceil(entry.size / size) == int(parts):
            return size
    return 0
