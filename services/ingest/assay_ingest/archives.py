"""One uploaded .zip: a data set of a known form, or simply photos with their annotation files.

Its pictures go back into the inbox as `{archive without .zip}/{member}`, each with its annotation in our
form beside it, and are then ingested like any other upload. An archive is taken whole or not at all.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

from assay_ingest.clients import Clients
from assay_ingest.datasets import DataSet, read_data_set
from assay_ingest.inbox import key_of, make_source
from assay_ingest.names import stem_of
from assay_ingest.quarantine import quarantine_source
from assay_ingest.settings import IngestSettings
from assay_ingest.settle import settle
from assay_ingest.unzip import Archive, ArchiveRefused, Limits, open_archive
from assay_shared.errors import NotFound
from assay_shared.keys import UPLOADS, UploadKey
from assay_shared.wire import ArchiveArrival, Arrival, Source

MAX_KEY_BYTES = 1024
"""Of S3 (Amazon S3 user guide, "Naming objects")."""
IGNORED_SHOWN = 100
LEFT_BEHIND_SECONDS = 3_600
"""No task lasts as long, so a folder of this age belongs to none."""


def ingest_archive(clients: Clients, source: Source) -> Arrival | None:
    """Unpacks one archive into the inbox; gives the registry's answer, or None when the archive is gone.

    An archive that cannot be taken goes to quarantine. Raises Unavailable; NotFound for an unknown brand.
    """
    settings = clients.settings
    folder = _make_folder(settings)
    try:
        _check_size(source.size, settings.max_archive_bytes)
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            path = Path(temporary) / "archive.zip"
            try:
                clients.store.get_file(UPLOADS, key_of(source), path)
            except NotFound:
                return None
            with open_archive(path, _limits(settings)) as archive:
                archive.verify()
                data_set = read_data_set(archive)
                _check_names(source, data_set)
                members = _put_back(clients, source, archive, data_set)
    except ArchiveRefused as refusal:
        arrival = quarantine_source(clients, source, refusal.code, refusal.detail)
    else:
        ignored = data_set.ignored[:IGNORED_SHOWN]
        arrival = clients.registry.record_archive(
            ArchiveArrival(source=source, members=members, ignored=ignored)
        )
    settle(clients, arrival)
    return arrival


def _make_folder(settings: IngestSettings) -> Path:
    """The folder for archives that are being unpacked, cleared of what killed workers left."""
    folder = settings.data_dir / "archives"
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.iterdir():
        if time.time() - left.stat().st_mtime > LEFT_BEHIND_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
    return folder


def _limits(settings: IngestSettings) -> Limits:
    return Limits(settings.max_archive_members, settings.max_file_bytes, settings.max_unpacked_bytes)


def _put_back(clients: Clients, source: Source, archive: Archive, data_set: DataSet) -> list[Source]:
    """Stores pictures and documents in the inbox. A repeat stores the same under the same keys."""
    stored = []
    for name in data_set.as_they_are:
        upload = _member_key(source, name)
        stored.append((upload, clients.store.put(UPLOADS, str(upload), archive.read(name))))
    for name, document in data_set.documents.items():
        upload = _member_key(source, name)
        stored.append((upload, clients.store.put_json(UPLOADS, str(upload), document)))
    return [make_source(upload, found, source.request_id) for upload, found in stored]


def _member_key(source: Source, member: str) -> UploadKey:
    return UploadKey(source.brand, source.upload, f"{stem_of(source.name)}/{member}")


def _check_names(source: Source, data_set: DataSet) -> None:
    names = [*data_set.as_they_are, *data_set.documents]
    if not names:
        raise ArchiveRefused(
            "The archive holds neither pictures nor annotations that are known here: COCO, YOLO, Pascal VOC, "
            "or one .json for each picture",
            code="unsupported-format",
        )
    for name in names:
        if len(str(_member_key(source, name)).encode()) > MAX_KEY_BYTES:
            raise ArchiveRefused(f"The name {name[:100]!r}… in the archive is too long", code="bad-name")


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise ArchiveRefused(
            f"The archive has {size / 1e6:.0f} MB; {limit / 1e6:.0f} MB are taken. Split it.",
            code="too-large",
        )
