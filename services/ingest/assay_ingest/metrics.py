"""What `ingest` counts."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

OBJECTS = Counter("assay_ingest_objects", "raw objects handled, by kind and outcome", ["kind", "outcome"])
IMAGES = Counter("assay_ingest_images", "images sanitised, by method", ["method"])
SECONDS = Histogram(
    "assay_ingest_seconds",
    "seconds to handle one raw object, by kind",
    ["kind"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120, 600),
)
EVENTS = Counter("assay_ingest_events", "notifications received, by what became of them", ["outcome"])
for _outcome in ("queued", "ignored", "buried"):
    # A series that appears with its first event has no increase: whoever watches would miss it.
    EVENTS.labels(_outcome)
RESENT = Counter("assay_ingest_reconciled", "objects that the reconcile scan sent")
