"""The internal routes by which `ingest` tells what has arrived."""

from __future__ import annotations

from fastapi import APIRouter

from assay_registry import arrivals
from assay_registry.context import ContextDep
from assay_shared.wire import (
    AnnotationArrival,
    ArchiveArrival,
    Arrival,
    ImageArrival,
    QuarantineArrival,
    Source,
)

internal_router = APIRouter()


@internal_router.post("/images")
def record_image(context: ContextDep, body: ImageArrival) -> Arrival:
    """A sanitised image is stored."""
    return arrivals.record_image(context, body)


@internal_router.post("/annotations")
def record_annotation(context: ContextDep, body: AnnotationArrival) -> Arrival:
    """An annotation file was read."""
    return arrivals.record_annotation(context, body)


@internal_router.post("/quarantines")
def record_quarantine(context: ContextDep, body: QuarantineArrival) -> Arrival:
    """An original was refused and lies in quarantine."""
    return arrivals.record_quarantine(context, body)


@internal_router.post("/archives")
def record_archive(context: ContextDep, body: ArchiveArrival) -> Arrival:
    """An archive was unpacked into the inbox."""
    return arrivals.record_archive(context, body)


@internal_router.post("/sources/unknown")
def select_unknown(context: ContextDep, body: list[Source]) -> list[Source]:
    """Which of these raw objects are still to be ingested."""
    return arrivals.select_unknown(context, body)
