"""Runs that end otherwise than by going live once: a second version, rollback, cancelling."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.local.photos.dataset import DemoPhoto
from deploy.local.stack import Stack
from tests.support.stack import TINY_OPTIONS, TaughtBrand, photo_to_judge
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def photo(taught_brand: TaughtBrand) -> DemoPhoto:
    return photo_to_judge(taught_brand.client.brand)


def test_a_second_version_goes_live_and_rolls_back(taught_brand: TaughtBrand, photo: DemoPhoto) -> None:
    client, first = taught_brand.client, taught_brand.version

    def judging() -> str:
        answer = client.verify(photo.data, brand=client.brand.slug)
        assert answer.status == 200, answer.body
        return str(answer.body["model_version"])

    run = client.watch_run(client.finish(TINY_OPTIONS), 120)
    client.wait_until_live(run["model_version"], 30)
    version = client.call("GET", f"/model-versions/{run['model_version']}")
    assert version["description"]["live_comparison"]["version"] == first
    assert client.call("GET", f"/model-versions/{first}")["state"] == "retired"
    wait_until(lambda: judging() == run["model_version"], 10, "the new version judges")
    client.call("PUT", "/live", json={"version": first})
    wait_until(lambda: judging() == first, 10, "the old version judges again")


def test_a_running_run_is_cancelled_and_its_process_ends(stack: Stack, taught_brand: TaughtBrand) -> None:
    client = taught_brand.client
    run = client.finish({**TINY_OPTIONS, "epochs": 500})

    def read() -> dict[str, Any]:
        return client.call("GET", f"/training-runs/{run}")

    def children() -> list[str]:
        return [child.name() for child in stack.process("trainer").children(recursive=True)]

    wait_until(lambda: read()["progress"]["epoch"] >= 1, 120, "an epoch is done")
    assert children()
    client.call("DELETE", f"/training-runs/{run}")
    wait_until(lambda: read()["state"] == "cancelled", 60, "the run is cancelled")
    wait_until(lambda: not children(), 30, "the training process has ended")
    assert client.call("GET", "/live")["version"] == taught_brand.version
