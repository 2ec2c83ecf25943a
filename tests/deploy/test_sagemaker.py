"""docs/sagemaker.md on a box: its lines as they stand, the real images, AWS by the simulator of this machine.

`make sagemaker-push` alone is not run, for there is no registry to push to: the simulator runs the box's own.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import boto3
import pytest

from deploy.local.photos.dataset import training_photos
from tests.deploy.test_scaling import bridge_address
from tests.support.box import REPOSITORY, Box, docker
from tests.support.sagemaker import Endpoints, Jobs, Platform
from tests.support.sagemaker.aws import make_account
from tests.support.stack import LENIENT, PHOTO_SIZE, PHOTOS, TINY_OPTIONS, photo_to_judge

PAGE = REPOSITORY / "docs/sagemaker.md"
NOT_HERE = {"make sagemaker-push"}
pytestmark = pytest.mark.timeout(2400)


@dataclass(frozen=True)
class Amazon:
    """AWS, where containers of this machine reach it, and what its stack said."""

    platform: Platform
    jobs: Jobs
    endpoints: Endpoints
    settings: dict[str, str]


@pytest.fixture(scope="module")
def amazon(tmp_path_factory: pytest.TempPathFactory, box: Box) -> Iterator[Amazon]:
    platform = Platform(bridge_address())
    platform.start()
    folder = tmp_path_factory.mktemp("amazon")
    images = {name: build_for_sagemaker(box, name) for name in ("trainer", "engine")}
    jobs = Jobs(platform, folder / "jobs", image=images["trainer"])
    endpoints = Endpoints(platform, folder / "endpoints", image=images["engine"])
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in platform.environment().items():
                patch.setenv(name, value)
            settings = make_account(boto3, "assay-box")
        keys = {name: value for name, value in platform.environment().items() if not value.startswith("/")}
        yield Amazon(platform, jobs, endpoints, {**settings, **keys, "ASSAY_SAGEMAKER_POLL_SECONDS": "1"})
    finally:
        jobs.stop()
        endpoints.stop()
        platform.stop()


def build_for_sagemaker(box: Box, name: str) -> str:
    """One of the box's images as `make sagemaker-push` pushes it; its name."""
    made = f"assay-{name}-sagemaker:{box.version}"
    given = f"IMAGE=assay-{name}:{box.version}"
    subprocess.run(
        ["docker", "build", "-q", "--build-arg", given, "-t", made, "-"],
        input=(box.folder / "deploy/sagemaker/Dockerfile").read_bytes(),
        check=True,
        capture_output=True,
    )
    return made


def read_page() -> list[tuple[str, list[str]]]:
    """The page's blocks in their order: `settings` or `commands`, and their lines."""
    blocks = re.findall(r"^```(sh)?\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [("commands" if kind else "settings", text.splitlines()) for kind, text in blocks]


def test_the_page_line_by_line(box: Box, amazon: Amazon, figures: dict[str, float]) -> None:
    before = {name: box.setting(name) for name in ("COMPOSE_FILE",)}
    blocks = read_page()
    assert len(blocks) >= 7
    told: dict[str, str] = {}
    client = None
    try:
        for kind, lines in blocks:
            if kind == "settings":
                # The page's values are examples; those of this account take their place.
                names = dict(line.split("=", 1) for line in lines)
                box.set(**{name: amazon.settings.get(name, value) for name, value in names.items()})
                box.set(**amazon.settings)
                continue
            for line in lines:
                if line not in NOT_HERE:
                    told[line] = box.run(line.split())
            backends = box.setting("ASSAY_TRAINING_BACKEND"), box.setting("ASSAY_INFERENCE_BACKEND")
            if lines == ["docker compose up -d"]:
                box.make("up")
                if backends == ("sagemaker", "") and client is None:
                    client = box.new_brand("abroad", LENIENT)
                    upload = client.start_upload()
                    for photo in training_photos(client.brand, PHOTOS, **PHOTO_SIZE):
                        client.upload_by_http(upload, photo)
                    run = client.watch_run(client.finish(TINY_OPTIONS), 600)
                    client.wait_until_live(run["model_version"], 60)
                    assert len(amazon.jobs.jobs) == 1
                if client is not None and backends[1] == "sagemaker":
                    photo = photo_to_judge(client.brand)
                    client.wait_until_judging(photo.data, 60)
                    answer = client.verify(photo.data, brand="abroad")
                    assert answer.status == 200, answer.body
                    assert answer.body["model_version"] == run["model_version"]
                    assert amazon.endpoints.invocations
        assert client is not None
        asked = len(amazon.endpoints.invocations)
        answer = client.verify(photo_to_judge(client.brand).data, brand="abroad")
        assert answer.status == 200, answer.body
        assert len(amazon.endpoints.invocations) == asked  # at home again
    finally:
        box.set(**before, ASSAY_TRAINING_BACKEND="celery", ASSAY_INFERENCE_BACKEND="torchserve")
        box.set(TORCHSERVE_REPLICAS="1")
        box.make("up")
        if client is not None:
            client.__exit__(None, None, None)
    assert "nothing is missing" in told["make sagemaker-check"]
    assert "training run" in told["make sagemaker-cost"]
    assert amazon.endpoints.left() == []
    assert amazon.jobs.running() == amazon.endpoints.running() == []


def test_images_say_what_sagemaker_looks_for(box: Box) -> None:
    image = build_for_sagemaker(box, "engine")
    labels = docker("inspect", "--format", "{{.Config.Labels}}", image)
    assert "com.amazonaws.sagemaker.capabilities.multi-models:true" in labels


def test_a_job_that_is_none_says_so(box: Box) -> None:
    """`docker run IMAGE train` without network and without SageMaker's folder: a clear word, not a trace."""
    command = ["docker", "run", "--rm", "--network", "none", f"assay-trainer:{box.version}", "train"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "channel" in done.stderr or "/opt/ml" in done.stderr
