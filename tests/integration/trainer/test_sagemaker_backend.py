"""Runs that train in SageMaker: the same record, the same model, whatever happens on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from assay_shared import keys
from assay_trainer.sagemaker_request import name_job
from tests.integration.trainer.conftest import Aws, MakeTrainer
from tests.integration.trainer.support import HANGS, Assay
from tests.support.waiting import wait_until


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
