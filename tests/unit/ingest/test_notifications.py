"""Whose events are taken: those of Assay's buckets, by the names that the store gives them."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from assay_ingest.notifications import take_own, task_for
from assay_shared.events import ObjectCreated
from assay_shared.queue import INGEST_OBJECT, MODEL_ARRIVED


def event(bucket: str, key: str = "acme/u1/a.jpg") -> ObjectCreated:
    return ObjectCreated(bucket=bucket, key=key, etag="e1", size=7, sequencer="0A")


@pytest.mark.parametrize("prefix", ["", "acme-", "uploads-"])
def test_a_task_has_assays_own_name_of_the_bucket(prefix: str) -> None:
    own = take_own(event(f"{prefix}uploads"), prefix)
    assert own == event("uploads")
    assert task_for(own) == INGEST_OBJECT
    model = take_own(event(f"{prefix}models", "acme/v1/model.json"), prefix)
    assert model is not None
    assert task_for(model) == MODEL_ARRIVED


@pytest.mark.parametrize("bucket", ["uploads", "acme-", "acme-backups", "other-uploads", "acme-acme-uploads"])
def test_the_event_of_a_bucket_of_others_is_left_alone_and_said(bucket: str) -> None:
    with capture_logs() as lines:
        assert take_own(event(bucket), "acme-") is None
    assert [(line["bucket"], line["bucket_prefix"]) for line in lines] == [(bucket, "acme-")]
