"""What AWS does wrong: each ends in a clear state and message, nothing lost, nothing left that costs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from assay_shared import keys
from assay_trainer.sagemaker_events import EventQueue
from assay_trainer.sagemaker_request import name_job
from tests.integration.trainer.conftest import Aws, MakeTrainer
from tests.integration.trainer.support import HANGS, Assay
from tests.integration.trainer.test_sagemaker_backend import THROTTLED, check_succeeded
from tests.support.sagemaker import Refusal
from tests.support.sagemaker.platform import REGION
from tests.support.waiting import wait_until

EXPIRED = Refusal("ExpiredTokenException", "The security token included in the request is expired")


@pytest.fixture
def run(assay: Assay, tmp_path: Path) -> str:
    """A queued run of one epoch."""
    assay.teach(tmp_path / "pictures")
    return assay.finish(epochs=1)


def check_failed(assay: Assay, aws: Aws, run: str, *words: str) -> None:
    """The run has failed with these words, and nothing of it costs or lies about."""
    reason = assay.wait_for(run, "failed")["reason"]
    for one in words:
        assert one in reason
    wait_until(lambda: not aws.jobs.running(), 150, "nothing runs")
    wait_until(lambda: not aws.keys(f"assay/training/{assay.brand}/{run}/"), 30, "the prefix is clean")


def test_no_capacity_for_a_while(assay: Assay, aws: Aws, make_trainer: MakeTrainer, run: str) -> None:
    aws.jobs.starve(2)
    make_trainer().take(run)
    check_succeeded(assay, aws, run)
    assert list(aws.jobs.jobs) == [name_job(run, attempt) for attempt in (1, 2, 3)]
    assert "attempt 1 of 3, another follows: CapacityError" in "\n".join(assay.read_log(run))


def test_no_capacity_at_all(assay: Assay, aws: Aws, make_trainer: MakeTrainer, run: str) -> None:
    aws.jobs.starve(9)
    trainer = make_trainer()
    trainer.take(run)
    # A new owner goes on with the attempts, it does not begin with them anew.
    assay.wait_for_line(run, "attempt 1 of 3")
    trainer.stop()
    # Unless the first was faster, and has used them up.
    make_trainer().take_if_free([run])
    check_failed(assay, aws, run, "no instance in 3 attempts", "CapacityError", "INSTANCE_TYPE")
    assert len(aws.jobs.jobs) == 3


def test_a_quota_that_others_use_up_is_waited_for_and_none_at_all_is_not(
    assay: Assay, aws: Aws, make_trainer: MakeTrainer, run: str
) -> None:
    words = "The account-level service limit 'ml.g5.xlarge for spot training job usage' is {} Instances"
    aws.platform.fail_next("CreateTrainingJob", Refusal("ResourceLimitExceeded", words.format(1)), 2)
    make_trainer().take(run)
    check_succeeded(assay, aws, run)
    assert "waiting for other jobs to end" in "\n".join(assay.read_log(run))

    second = assay.finish(epochs=1)
    aws.platform.fail_next("CreateTrainingJob", Refusal("ResourceLimitExceeded", words.format(0)))
    make_trainer().take(second)
    check_failed(assay, aws, second, "is 0 Instances", "higher quota")


def test_a_job_that_fails_gives_the_run_its_reason(
    assay: Assay, aws: Aws, make_trainer: MakeTrainer, run: str, tmp_path: Path
) -> None:
    damaged = tmp_path / "mine.safetensors"
    damaged.write_bytes(b"no weights")
    make_trainer(pretrained_weights=str(damaged)).take(run)
    check_failed(assay, aws, run, "Pretrained weights mine.safetensors cannot be had")
    assert assay.read(run)["reason"].startswith("Pretrained"), "the same reason as at home"


def test_what_an_isolated_job_cannot_fetch_is_refused_before_it_costs(
    assay: Assay, aws: Aws, make_trainer: MakeTrainer, run: str
) -> None:
    make_trainer(pretrained_weights="yolov5nu.pt").take(run)
    check_failed(assay, aws, run, "which a job in SageMaker cannot fetch")
    assert aws.jobs.jobs == {}


def test_a_deleted_picture_is_named(assay: Assay, aws: Aws, make_trainer: MakeTrainer, run: str) -> None:
    first = next(assay.store.list(keys.IMAGES, f"{assay.brand}/"))
    assay.store.delete(keys.IMAGES, first.key)
    make_trainer().take(run)
    check_failed(assay, aws, run, "was deleted; start a new training run")


def test_a_model_that_is_missing_or_is_another_is_not_taken(
    assay: Assay, aws: Aws, make_trainer: MakeTrainer, run: str
) -> None:
    aws.jobs.lose_artifact()
    make_trainer().take(run)
    check_failed(assay, aws, run, "has completed, but its model is not at s3://")
    version = assay.read(run)["model_version"]
    assert assay.store.stat(keys.MODELS, keys.model_json_key(assay.brand, version)) is None


def test_throttling_and_credentials_that_are_over_are_waited_for(
    assay: Assay, aws: Aws, make_trainer: MakeTrainer, run: str
) -> None:
    # Each call of ours is three of botocore's where the same may pass.
    aws.platform.fail_next("CreateTrainingJob", THROTTLED, 4)
    aws.platform.fail_next("CreateTrainingJob", EXPIRED, 2)
    aws.platform.fail_next("DescribeTrainingJob", EXPIRED, 30)
    make_trainer().take(run)
    assay.wait_for_line(run, "waiting for AWS: AWS does not allow looking at the training job")
    assert assay.read(run)["state"] in ("preparing", "training")
    check_succeeded(assay, aws, run)
    log = assay.read_log(run)
    assert "AWS answers again" in log
    assert sum("ExpiredTokenException" in line for line in log) <= 4, "each trouble is told once"


def test_an_answer_that_got_lost_starts_no_second_job(
    assay: Assay, aws: Aws, make_trainer: MakeTrainer, run: str
) -> None:
    create = aws.platform.operations["CreateTrainingJob"]

    def create_and_break(request: dict[str, Any]) -> dict[str, Any]:
        create(request)
        raise Refusal("InternalFailure", "an answer that got lost", 500)

    aws.platform.operations["CreateTrainingJob"] = create_and_break
    make_trainer().take(run)
    check_succeeded(assay, aws, run)
    assert list(aws.jobs.jobs) == [name_job(run)]


def test_a_job_that_aws_or_a_person_stopped(
    assay: Assay, aws: Aws, make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    assay.teach(tmp_path / "pictures")
    run = assay.finish(epochs=500)
    make_trainer().take(run)
    wait_until(lambda: assay.read(run)["history"], HANGS, "an epoch")
    aws.client("sagemaker").stop_training_job(TrainingJobName=name_job(run))
    check_failed(assay, aws, run, "was stopped in AWS, not by Assay")

    run = assay.finish(epochs=500)
    make_trainer().take(run)
    wait_until(lambda: assay.read(run)["history"], HANGS, "an epoch")
    aws.jobs.jobs[name_job(run)].request["StoppingCondition"]["MaxRuntimeInSeconds"] = 1
    check_failed(assay, aws, run, "longer than 3600 s", "ASSAY_SAGEMAKER_TRAINING_SECONDS")


def test_without_the_log_progress_comes_from_metrics(
    assay: Assay, aws: Aws, make_trainer: MakeTrainer, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "http://127.0.0.1:1")
    make_trainer().take(run)
    check_succeeded(assay, aws, run)
    log = assay.read_log(run)
    assert sum("the job's log cannot be read, progress comes from metrics" in line for line in log) == 1


def test_a_bucket_that_is_not_there_is_named(
    assay: Assay, aws: Aws, make_trainer: MakeTrainer, run: str
) -> None:
    make_trainer(bucket="nobody-has-made-this").take(run)
    check_failed(assay, aws, run, "NoSuchBucket", "s3://nobody-has-made-this/assay/training/")
    assert aws.jobs.jobs == {}


def test_pictures_are_read_where_they_lie_when_that_is_s3(
    assay: Assay, aws: Aws, make_trainer: MakeTrainer, run: str
) -> None:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=keys.IMAGES, CreateBucketConfiguration={"LocationConstraint": REGION})
    for one in assay.store.list(keys.IMAGES, f"{assay.brand}/"):
        s3.put_object(Bucket=keys.IMAGES, Key=one.key, Body=assay.store.get(keys.IMAGES, one.key))
    make_trainer(reads_store=True).take(run)
    check_succeeded(assay, aws, run)
    assert aws.keys(f"assay/training/{assay.brand}/images/") == []


@contextmanager
def reading(events: EventQueue) -> Iterator[EventQueue]:
    """Reads its queue meanwhile, and not that of the next test."""
    events.start()
    try:
        yield events
    finally:
        events.stop()


def test_events_wake_the_watcher_and_foreign_ones_do_no_harm(
    assay: Assay, aws: Aws, make_trainer: MakeTrainer, run: str
) -> None:
    sqs = aws.client("sqs")
    url = sqs.create_queue(QueueName="events")["QueueUrl"]
    foreign = ("{", "[]", "null", json.dumps({"detail-type": "Scheduled Event", "source": "aws.events"}))
    for body in foreign:
        sqs.send_message(QueueUrl=url, MessageBody=body)
    aws.jobs.queue_url = url
    attributes = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")

    def is_empty() -> bool:
        told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(attributes))["Attributes"]
        return all(told[name] == "0" for name in attributes)

    with reading(EventQueue(url, REGION)) as events:
        # Without events the run would take minutes: each step is a poll.
        make_trainer(events=events, poll_seconds=120).take(run)
        check_succeeded(assay, aws, run)
        wait_until(is_empty, 30, "all messages are deleted")


def test_a_queue_that_is_gone_leaves_polling(
    assay: Assay, aws: Aws, make_trainer: MakeTrainer, run: str
) -> None:
    url = aws.client("sqs").create_queue(QueueName="events")["QueueUrl"]
    aws.jobs.queue_url = url
    with reading(EventQueue(url, REGION, pause_seconds=0.2)) as events:
        aws.client("sqs").delete_queue(QueueUrl=url)
        make_trainer(events=events).take(run)
        check_succeeded(assay, aws, run)
