"""One uploaded annotation file: read, checked as far as it alone can show, recorded.

The registry pairs it with its image, whichever comes first, and checks it against that picture.
"""

from __future__ import annotations

from assay_ingest.clients import Clients
from assay_ingest.documents import read_document
from assay_ingest.inbox import read_source
from assay_ingest.quarantine import quarantine_source
from assay_ingest.settle import settle
from assay_shared.annotations import AnnotationRefused, parse_annotation, to_document
from assay_shared.wire import AnnotationArrival, Arrival, Source


def ingest_annotation(clients: Clients, source: Source) -> Arrival | None:
    """Takes in one annotation file; gives the registry's answer, or None when the original is gone.

    A document that breaks a rule goes to quarantine. Raises Unavailable; NotFound for an unknown brand.
    """
    try:
        _check_size(source.size, clients.settings.max_annotation_bytes)
        read = read_source(clients, source, clients.settings.max_annotation_bytes + 1)
        if read is None:
            return None
        source, data = read
        _check_size(source.size, clients.settings.max_annotation_bytes)
        parsed = parse_annotation(read_document(data))
    except AnnotationRefused as refusal:
        arrival = quarantine_source(clients, source, refusal.code, refusal.detail)
    else:
        document = to_document(parsed.annotations, parsed.width, parsed.height, parsed.file)
        arrival = clients.registry.record_annotation(AnnotationArrival(source=source, document=document))
    settle(clients, arrival)
    return arrival


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise AnnotationRefused(
            f"The file has {size / 1e6:.1f} MB; an annotation of one picture may have {limit / 1e6:.1f} MB. "
            "Upload one file for each picture, or a COCO data set as a .zip",
            code="too-large",
        )
