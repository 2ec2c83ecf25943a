"""Events: whoever watches the job looks again, whatever came."""

from __future__ import annotations

import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_trainer.sagemaker_events import DETAIL_TYPE, EventQueue, read_event
from assay_trainer.sagemaker_jobs import JobState, QuotaReached

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def event(name: object, detail_type: str = DETAIL_TYPE, source: str = "aws.sagemaker") -> str:
    return json.dumps(
        {"detail-type": detail_type, "source": source, "detail": {"TrainingJobName": name, "Other": 1}}
    )


def test_the_watcher_of_the_job_is_woken_and_no_other() -> None:
    queue = EventQueue("https://sqs", "eu-west-1")
    mine, other = threading.Event(), threading.Event()
    queue.watch("assay-run-1", mine)
    queue.watch("assay-run-2", other)
    assert queue.handle(event("assay-run-1")) == "assay-run-1"
    assert mine.is_set()
    assert not other.is_set()
    queue.forget("assay-run-2")
    queue.forget("assay-run-9")
    assert queue.handle(event("assay-run-2")) == "assay-run-2"
    assert not other.is_set()


@pytest.mark.parametrize(
    "body",
    [
        *("", "{", "[]", "1", "null", '"text"', "{}", "[" * 100_000),
        event("assay-run-1", source="aws.events"),
        event("assay-run-1", detail_type="Scheduled Event"),
        event(None),
        event(["assay-run-1"]),
        json.dumps({"detail-type": DETAIL_TYPE, "source": "aws.sagemaker", "detail": None}),
    ],
)
def test_what_is_no_such_event_is_told_apart(body: str) -> None:
    assert read_event(body) is None


@given(st.text(max_size=40) | JSON.map(json.dumps))
def test_nothing_in_a_message_raises(body: str) -> None:
    assert read_event(body) is None


@pytest.mark.parametrize(
    ("reason", "failure", "passes"),
    [
        ("AlgorithmError: too few pictures, exit code: 1", "too few pictures", False),
        (
            "AlgorithmError: , exit code: 137",
            "the training job j failed: AlgorithmError: , exit code: 137",
            False,
        ),
        ("CapacityError: Unable to provision", "the training job j failed: CapacityError: Unable", True),
        ("InternalServerError: We encountered", "the training job j failed: InternalServerError", True),
        ("ClientError: Data download failed", "the training job j failed: ClientError: Data", False),
        ("", "AWS gives no reason", False),
    ],
)
def test_why_a_job_failed(reason: str, failure: str, passes: bool) -> None:
    state = JobState("j", "Failed", "Failed", reason)
    assert failure in state.failure
    assert state.may_pass is passes


def test_a_quota_of_none_does_not_come_by_waiting() -> None:
    assert not QuotaReached("limit 'x' is 0 Instances, with current utilization of 0 Instances").may_pass
    assert QuotaReached("limit 'x' is 10 Instances, with current utilization of 10 Instances").may_pass
