"""Runs that train in SageMaker: the same record, the same model, whatever happens on the way."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from assay_shared import keys
from assay_shared.errors import Conflict
from assay_trainer.aws_clients import AwsClients
from assay_trainer.backend import TrainingBackend
from assay_trainer.local_backend import LocalBackend
from assay_trainer.orphans import stop_orphans
from assay_trainer.sagemaker_request import name_job
from tests.integration.trainer.conftest import Aws, MakeTrainer
from tests.integration.trainer.support import HANGS, Assay, Trainer
from tests.support.sagemaker import Refusal
from tests.support.sagemaker.platform import REGION
from tests.support.waiting import wait_until

THROTTLED = Refusal("ThrottlingException", "Rate exceeded")


@pytest.fixture
def run(assay: Assay, tmp_path: Path) -> str:
    """A queued run of a few epochs."""
    assay.teach(tmp_path / "pictures")
    return assay.finish(epochs=3)


def check_succeeded(assay: Assay, aws: Aws, run: str) -> dict[str, Any]:
    """The model is judged and live, the record whole, and nothing of the run is left in AWS."""
    assay.wait_for(run, "evaluating")
    wait_until(lambda: assay.store.stat(keys.MODELS, place(assay, run, "model.json")), HANGS, "it is stored")
    found = assay.judge(run)
    assert (found["state"], found["reason"]) == ("succeeded", None)
    epochs = found["options"]["epochs"]
    assert [one["epoch"] for one in found["history"]] == list(range(1, epochs + 1))
    assert found["history"][-1]["losses"].keys() == {"box", "cls", "dfl"}
    assert found["metrics"]["images"] > 0
    live = assay.http.get(f"{assay.address}/live").json()
    assert live["version"] == found["model_version"]
    assert aws.jobs.running() == []
    wait_until(lambda: not aws.keys(f"assay/training/{assay.brand}/{run}/"), 30, "the prefix is clean")
    return found


def has_epochs(assay: Assay, run: str, epochs: int) -> bool:
    return len(assay.read(run)["history"]) >= epochs


def has_attempts(aws: Aws, name: str, attempts: int) -> bool:
    return aws.jobs.jobs[name].attempts == attempts


def place(assay: Assay, run: str, name: str) -> str:
    return keys.model_folder(assay.brand, assay.read(run)["model_version"]) + name


def test_a_run_trains_in_aws_and_its_model_goes_live(
    assay: Assay, aws: Aws, make_trainer: MakeTrainer, run: str
) -> None:
    trainer = make_trainer(tags="team=brand", kms_key="1234abcd-12ab-34cd-56ef-1234567890ab")
    trainer.take(run)
    name = name_job(run)
    wait_until(lambda: name in aws.jobs.jobs, 60, "the job is there")
    # While it runs: exactly this dataset version, and no other brand's, is what the job may read.
    channels = aws.jobs.jobs[name].request["InputDataConfig"]
    root = f"s3://{aws.bucket}/assay/training/{assay.brand}/{run}/"
    assert [one["DataSource"]["S3DataSource"]["S3Uri"] for one in channels] == [
        f"{root}images.manifest",
        f"{root}input/",
    ]
    assert len(aws.keys(f"assay/training/{assay.brand}/images/")) == 12
    trainer.wait()
    found = check_succeeded(assay, aws, run)
    assert assay.store.stat(keys.MODELS, place(assay, run, "training/epoch-00003.tar"))
    log = assay.read_log(run)
    assert f"training job {name} started: 1 x ml.g5.xlarge, spot" in log
    assert "12 of 12 pictures were copied to the bucket" in log
    assert [line for line in log if "SageMaker: " in line] == [
        f"SageMaker: {one}" for one in ("Starting", "Downloading", "Training", "Uploading", "Completed")
    ]
    assert found["warnings"] is not None

    # A second run copies nothing, and is compared with the live one.
    second = assay.finish(epochs=1)
    make_trainer().take(second)
    assay.wait_for_line(second, "0 of 12 pictures were copied")
    assay.wait_for(second, "evaluating", "failed")
    wait_until(lambda: assay.store.stat(keys.MODELS, place(assay, second, "model.json")), HANGS, "stored")
    assay.judge(second)
    version = assay.read(second)["model_version"]
    description = assay.store.get_json(keys.MODELS, keys.model_json_key(assay.brand, version))
    assert isinstance(description, dict)
    assert description["live_comparison"]["version"] == found["model_version"]


def test_spot_interruptions_cost_time_and_nothing_else(
    assay: Assay, aws: Aws, make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    assay.teach(tmp_path / "pictures")
    run = assay.finish(epochs=30)
    make_trainer().take(run)
    name = name_job(run)
    for attempt in (2, 3):
        assay.wait_for_lines(run, "resuming from checkpoint-", attempt - 2)
        seen = len(assay.read(run)["history"])
        wait_until(partial(has_epochs, assay, run, seen + 1), HANGS, "a further epoch")
        aws.jobs.interrupt(name)
        wait_until(partial(has_attempts, aws, name, attempt), HANGS, "it goes on")
    check_succeeded(assay, aws, run)
    log = assay.read_log(run)
    assert log.count("SageMaker: Interrupted") == 2
    assert sum("resuming from checkpoint-" in line for line in log) == 2


def test_a_trainer_that_stops_or_dies_leaves_the_job_to_the_next_owner(
    assay: Assay, aws: Aws, make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    assay.teach(tmp_path / "pictures")
    run = assay.finish(epochs=30)
    first, second, third = make_trainer(), make_trainer(), make_trainer()
    first.take(run)
    wait_until(lambda: assay.read(run)["history"], HANGS, "an epoch")
    first.stop()
    queued = assay.read(run)
    assert queued["state"] == "queued"
    assert f"the training job {name_job(run)} goes on in SageMaker" in queued["reason"]
    assert aws.jobs.running() == [name_job(run)]

    second.take(run)
    assay.wait_for_line(run, "going on with the training job")

    def taken() -> bool:
        # As if the second had died: its lease is over, and another takes the run before it hears of that.
        assay.let_expire(run)
        third.take_if_free([run])
        return bool(third.threads)

    wait_until(taken, HANGS, "the third has the run")
    second.wait()
    check_succeeded(assay, aws, run)
    assert [name for name, _ in aws.platform.calls].count("CreateTrainingJob") == 1
    assert aws.jobs.jobs[name_job(run)].attempts == 1
    log = assay.read_log(run)
    told = [line for line in log if line.startswith("SageMaker: ")]
    assert sorted(set(told)) == sorted(told), "nothing is told twice"


def test_a_cancelled_run_stops_its_job(
    assay: Assay, aws: Aws, make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    assay.teach(tmp_path / "pictures")
    run = assay.finish(epochs=500)
    make_trainer().take(run)
    wait_until(lambda: assay.read(run)["history"], HANGS, "an epoch")
    # The first request is refused: stopping is asked for until AWS has heard it.
    aws.platform.fail_next("StopTrainingJob", THROTTLED, 3)
    assay.cancel(run)
    assert assay.wait_for(run, "cancelled")["reason"] == "cancelled by the brand"
    assert aws.jobs.running() == []
    assert aws.jobs.jobs[name_job(run)].status == "Stopped"
    wait_until(lambda: not aws.keys(f"assay/training/{assay.brand}/{run}/"), 30, "the prefix is clean")


def test_a_job_whose_run_was_cancelled_while_nobody_owned_it_is_stopped(
    assay: Assay, aws: Aws, make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    assay.teach(tmp_path / "pictures")
    run = assay.finish(epochs=500)
    trainer = make_trainer()
    trainer.take(run)
    wait_until(lambda: aws.jobs.jobs.get(name_job(run)), 60, "the job is there")
    clients = AwsClients(REGION)
    assert stop_orphans(clients, assay.client) == [], "the run is not over"
    trainer.stop()
    assay.cancel(run)
    assert assay.read(run)["state"] == "cancelled"
    other = aws.jobs.jobs[name_job(run)].request | {"TrainingJobName": "assay-run-0123456789abcdef"}
    aws.client("sagemaker").create_training_job(**other)
    assert stop_orphans(clients, assay.client) == [name_job(run)]
    wait_until(lambda: aws.jobs.running() == [other["TrainingJobName"]], 150, "another Assay's job runs on")
    assert stop_orphans(clients, assay.client) == []


def test_a_run_is_finished_where_it_was_begun(
    assay: Assay, aws: Aws, make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    assay.teach(tmp_path / "pictures")
    # So many that neither place is done before it is stopped.
    run = assay.finish(epochs=40)
    local: TrainingBackend = LocalBackend(assay.store, "", "cpu")
    at_home = Trainer(assay, {"celery": local}, tmp_path / "home")
    at_home.take(run)
    wait_until(lambda: assay.read(run)["history"], HANGS, "an epoch at home")
    at_home.stop()
    assert assay.read(run)["state"] == "queued"
    done_at_home = len(assay.read(run)["history"])

    # The setting changes: the run goes on in AWS, from the checkpoint of home.
    away = make_trainer()
    assert away.take(run).backend == "sagemaker"
    assay.wait_for_line(run, "resuming from checkpoint-")
    away.stop()

    # It changes back: a trainer that cannot reach AWS leaves the run alone, and the run says so.
    with pytest.raises(Conflict, match="as a job in SageMaker"):
        Trainer(assay, {"celery": local}, tmp_path / "home").take(run)
    assert "waits for a trainer that can reach it" in assay.read(run)["reason"]
    # One that can goes on watching the job, though it begins its own runs at home.
    both = Trainer(assay, {"celery": local, "sagemaker": away.backends["sagemaker"]}, tmp_path / "both")
    assert both.take(run).backend == "sagemaker"
    check_succeeded(assay, aws, run)
    both.wait()
    assert [name for name, _ in aws.platform.calls].count("CreateTrainingJob") == 1
    assert done_at_home >= 1


def test_several_runs_at_once_keep_to_themselves(
    assay: Assay, aws: Aws, make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    assay.teach(tmp_path / "pictures")
    other = replace(assay, brand=f"{assay.brand}x")
    other.http.post("/v1/brands", json={"slug": other.brand, "name": "B"}).raise_for_status()
    other.teach(tmp_path / "others")
    runs = [assay.finish(epochs=1), other.finish(epochs=1)]
    trainer = make_trainer()
    trainer.take_if_free(runs)
    trainer.take_if_free(runs)
    wait_until(lambda: len(aws.jobs.jobs) == 2, 60, "two jobs")
    for run, brand, stranger in ((runs[0], assay, other), (runs[1], other, assay)):
        request = aws.jobs.jobs[name_job(run)].request
        assert f"/training/{brand.brand}/{run}/" in str(request)
        assert f"/training/{stranger.brand}/" not in str(request)
    trainer.wait()
    for run, brand in ((runs[0], assay), (runs[1], other)):
        check_succeeded(brand, aws, run)
