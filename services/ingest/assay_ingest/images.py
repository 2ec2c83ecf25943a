"""One uploaded image: sanitised, stored, recorded; then the original leaves the inbox.

Every step gives the same when it is repeated, and the original goes last, so a kill at any line loses
nothing: the event, or the reconcile scan, brings the image here again.
"""

from __future__ import annotations

from assay_ingest import metrics
from assay_ingest.clients import Clients
from assay_ingest.errors import ImageRefused, check_file_size
from assay_ingest.inbox import read_source
from assay_ingest.names import split_of
from assay_ingest.phash import perceptual_hash
from assay_ingest.quarantine import quarantine_source
from assay_ingest.sanitise import CleanImage, sanitise_image
from assay_ingest.settle import settle
from assay_shared.keys import IMAGES, image_key
from assay_shared.wire import Arrival, ImageArrival, Source

CONTENT_TYPES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}


def ingest_image(clients: Clients, source: Source) -> Arrival | None:
    """Takes in one image; gives the registry's answer, or None when the original is gone.

    A picture that cannot be taken goes to quarantine. Raises Unavailable; NotFound for an unknown brand.
    """
    try:
        check_file_size(source.size, clients.settings.max_file_bytes)
        read = read_source(clients, source, clients.settings.max_file_bytes + 1)
        if read is None:
            return None
        source, data = read
        check_file_size(source.size, clients.settings.max_file_bytes)
        clean = sanitise_image(data, declared_name=source.name, max_pixels=clients.settings.max_image_pixels)
        likeness = perceptual_hash(clean.data)
    except ImageRefused as refusal:
        arrival = quarantine_source(clients, source, refusal.code, refusal.detail)
    else:
        _store_clean(clients, source.brand, clean)
        arrival = clients.registry.record_image(_describe(source, clean, likeness))
        metrics.IMAGES.labels(clean.method).inc()
    settle(clients, arrival)
    return arrival


def _store_clean(clients: Clients, brand: str, clean: CleanImage) -> None:
    # Named by its content: what lies there already is this very image.
    key = image_key(brand, clean.sha256, clean.extension)
    if clients.store.stat(IMAGES, key) is None:
        clients.store.put(IMAGES, key, clean.data, CONTENT_TYPES[clean.extension])


def _describe(source: Source, clean: CleanImage, likeness: str) -> ImageArrival:
    return ImageArrival(
        source=source,
        sha256=clean.sha256,
        extension=clean.extension,
        width=clean.width,
        height=clean.height,
        perceptual_hash=likeness,
        method=clean.method,
        split=split_of(source.name),
    )
