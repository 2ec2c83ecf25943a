"""Each container in turn dies, while pictures are verified, photos are uploaded and a model is trained."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.support.box import Box, TaughtBrand, docker
from tests.support.load import Load
from tests.support.stack import LENIENT
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(2400)
SERVICES = (
    "gateway",
    "registry",
    "ingest",
    "ingest-worker",
    "inference",
    "torchserve",
    "redis",
    "postgres",
    "minio",
    "trainer",
)
ENDLESS = {"image_size": 96, "epochs": 1000, "batch": 8}


@pytest.fixture(scope="module")
def load(box: Box, taught: TaughtBrand) -> Iterator[Load]:
    """The load, from before the first death until after the last."""
    with Load(taught.client, taught.test_photos[0].data) as running:
        yield running


@pytest.fixture(scope="module")
def run(taught: TaughtBrand) -> Iterator[str]:
    """A training run that goes on for as long as these tests."""
    client = taught.client
    client.call_as_admin("PATCH", "/v1/brands/taught", json={"settings": LENIENT})
    begun = client.finish(ENDLESS)
    wait_until(lambda: client.call("GET", f"/training-runs/{begun}")["progress"]["epoch"] >= 1, 180)
    yield begun
    client.call("DELETE", f"/training-runs/{begun}")
    wait_until(lambda: client.call("GET", f"/training-runs/{begun}")["state"] == "cancelled", 90)


@pytest.mark.parametrize("service", SERVICES)
def test_a_dead_container_comes_back_and_nothing_is_lost(
    box: Box, taught: TaughtBrand, load: Load, run: str, service: str, figures: dict[str, float]
) -> None:
    client = taught.client
    verified, uploaded = load.verifying, load.uploading
    before = (verified.answered, verified.retried, uploaded.answered, uploaded.retried)
    name = box.kill(service)
    wait_until(lambda: box.restarts(name) > 0, 60, f"{service} is started again")
    box.wait_until_healthy()
    epoch = client.call("GET", f"/training-runs/{run}")["progress"]["epoch"]
    answered = verified.answered, uploaded.answered
    wait_until(
        lambda: verified.answered > answered[0] and uploaded.answered > answered[1], 90, "load goes on"
    )
    wait_until(
        lambda: client.call("GET", f"/training-runs/{run}")["progress"]["epoch"] > epoch,
        240,
        "training goes on",
    )
    figures[f"{service} killed: verifications answered"] = verified.answered - before[0]
    figures[f"{service} killed: verifications tried again"] = verified.retried - before[1]
    figures[f"{service} killed: uploads tried again"] = uploaded.retried - before[3]
    assert (verified.failed, uploaded.failed) == (0, 0), (verified, uploaded)


def test_a_stopped_trainer_saves_and_gives_the_run_back(box: Box, taught: TaughtBrand, run: str) -> None:
    client = taught.client
    container = box.containers("trainer")[0]["Name"]
    box.compose("stop", "trainer")
    try:
        assert docker("inspect", "--format", "{{.State.ExitCode}}", container).strip() == "0"
        given_back = client.call("GET", f"/training-runs/{run}")
        assert given_back["state"] == "queued", given_back
    finally:
        box.compose("start", "trainer")
    epoch = given_back["progress"]["epoch"]
    wait_until(
        lambda: client.call("GET", f"/training-runs/{run}")["progress"]["epoch"] > epoch,
        240,
        "training goes on",
    )
    assert "resuming from epoch-" in client.run_log(run)
    box.wait_until_healthy()


def test_all_that_was_acknowledged_is_there(
    box: Box, taught: TaughtBrand, load: Load, figures: dict[str, float]
) -> None:
    # The load goes on meanwhile: what it sends from here on is still under way at any moment.
    acknowledged, judged = set(load.acknowledged), set(load.judged)
    assert acknowledged
    assert judged
    # What a part had in hand when it died (an event, a task, a second of Redis' log) is found by the scan.
    # Its timer is an hour here, so that nothing else hides behind it; a start scans at once.
    box.compose("restart", "ingest")
    started = time.monotonic()

    def missing_photos() -> set[str]:
        return acknowledged - {image["name"] for image in taught.client.images("accepted")}

    def missing_verifications() -> set[str]:
        return judged - {item["id"] for item in taught.client.call_all("/verifications")}

    wait_until(lambda: not missing_photos(), 120, lambda: f"all photos accepted; not: {missing_photos()}")
    figures["all acknowledged photos accepted, s after ingest's start"] = time.monotonic() - started
    wait_until(
        lambda: not missing_verifications(),
        120,
        lambda: f"all verifications in the log; not: {missing_verifications()}",
    )


def test_everything_stops_by_itself_when_it_is_told_to(box: Box) -> None:
    box.compose("stop")
    killed = [item["Name"] for item in box.inspect() if item["State"]["ExitCode"] == 137]
    try:
        assert killed == []
    finally:
        # What `make init` made is enough for Compose alone.
        box.compose("up", "-d", "--wait")
    assert not box.unhealthy()
