"""What faults get, on real processes: nothing acknowledged is lost, nothing hangs, all heals by itself."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psutil
import pytest

from deploy.local.brand_client import Answer, files_of
from deploy.local.photos.dataset import DemoPhoto, training_photos
from deploy.local.stack import Stack
from tests.support.stack import (
    PHOTO_SIZE,
    PHOTOS,
    TINY_OPTIONS,
    TaughtBrand,
    new_brand,
    photo_to_judge,
    small_photo,
)
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(300)
OUTAGE_SECONDS = 20.0


@pytest.fixture(scope="module")
def photo(taught_brand: TaughtBrand) -> DemoPhoto:
    return photo_to_judge(taught_brand.client.brand)


def test_killed_ingest_worker_loses_and_doubles_nothing(stack: Stack) -> None:
    count = 200
    with new_brand(stack, "ingest-fault") as client:
        upload = client.start_upload()
        photos = [small_photo(client, number) for number in range(count)]
        with ThreadPoolExecutor(4) as pool:
            sending = [pool.submit(client.upload_by_s3, upload, photo) for photo in photos]
            wait_until(lambda: len(client.images("accepted")) >= count // 10, 60, "ingestion is under way")
            stack.kill("ingest-worker")
            for sent in sending:
                sent.result()
        accepted = wait_until(
            lambda: found if len(found := client.images("accepted")) >= count else None, 120, "all accepted"
        )
        assert sorted(image["name"] for image in accepted) == [photo.name for photo in photos]


def test_killed_trainer_resumes_from_its_checkpoint(stack: Stack) -> None:
    with new_brand(stack, "trainer-fault") as client:
        upload = client.start_upload()
        for photo in training_photos(client.brand, PHOTOS, **PHOTO_SIZE):
            client.upload_by_http(upload, photo)
        run = client.finish({**TINY_OPTIONS, "epochs": 8})

        def epoch() -> int:
            return int(client.call("GET", f"/training-runs/{run}")["progress"]["epoch"])

        wait_until(lambda: epoch() >= 2, 120, "two epochs are done")
        stack.kill("trainer")
        done = client.watch_run(run, 150)
        epochs = [entry["epoch"] for entry in done["history"]]
        assert epochs == sorted(set(epochs)), "an epoch was trained twice after its checkpoint was stored"
        assert epochs[-1] == 8
        assert "resuming from" in client.run_log(run)


def test_killed_engine_worker_hangs_nobody(stack: Stack, taught_brand: TaughtBrand, photo: DemoPhoto) -> None:
    client, slug = taught_brand.client, taught_brand.client.brand.slug
    assert client.verify(photo.data, brand=slug).status == 200

    def verify(_number: int) -> Answer:
        return client.verify(photo.data, brand=slug)

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(verify, number) for number in range(24)]
        wait_until(lambda: any(answer.done() for answer in asked), 30, "verifications are under way")
        engine_worker(stack).kill()
        answers = [answer.result(timeout=60) for answer in asked]
    assert {answer.status for answer in answers} <= {200, 503}
    assert all(answer.retry_after for answer in answers if answer.status == 503)
    wait_until(lambda: client.verify(photo.data, brand=slug).status == 200, 60, "healthy again")


def engine_worker(stack: Stack) -> psutil.Process:
    """A process of TorchServe's that runs the engine."""
    for process in stack.process("torchserve").children(recursive=True):
        if any("model_service_worker" in part for part in process.cmdline()):
            return process
    raise AssertionError("TorchServe has no worker process")


def test_stopped_store_loses_nothing_acknowledged(
    stack: Stack, taught_brand: TaughtBrand, photo: DemoPhoto
) -> None:
    slug = taught_brand.client.brand.slug
    with new_brand(stack, "store-fault") as client:
        upload = client.start_upload()
        acknowledged: list[str] = []
        refused: list[int] = []
        over = threading.Event()

        def send_on() -> None:
            for number in range(1000, 3000):
                if over.is_set():
                    return
                sent = small_photo(client, number)
                statuses = [client.try_upload(upload, name, data) for name, data in files_of(sent)]
                if statuses == [202, 202]:
                    acknowledged.append(sent.name)
                refused.extend(status for status in statuses if status != 202)
                time.sleep(0.25)

        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(send_on)
            try:
                wait_until(lambda: len(acknowledged) >= 4, 30, "some are acknowledged")
                stack.down("store")
                started = time.monotonic()
                wait_until(lambda: refused, 60, "uploads are refused")
                answer = taught_brand.client.verify(photo.data, brand=slug)
                time.sleep(max(0.0, OUTAGE_SECONDS - (time.monotonic() - started)))
                stack.up("store")
                enough = len(acknowledged) + 4
                wait_until(lambda: len(acknowledged) >= enough, 60, "uploads go on")
            finally:
                over.set()
            sending.result(timeout=60)
        assert answer.status == 200, "verification goes on without the store"
        assert set(refused) == {503}

        def missing() -> set[str]:
            return set(acknowledged) - {image["name"] for image in client.images("accepted")}

        wait_until(lambda: not missing(), 90, "all that was acknowledged is accepted")


def test_stopped_registry_does_not_stop_verification(
    stack: Stack, taught_brand: TaughtBrand, photo: DemoPhoto
) -> None:
    client, slug = taught_brand.client, taught_brand.client.brand.slug
    stack.down("registry")
    try:
        answers: list[dict[str, Any]] = []
        for _ in range(5):
            answer = client.verify(photo.data, brand=slug)
            assert answer.status == 200, answer.body
            answers.append(answer.body)
        down = httpx.get(f"{stack.api}/v1/brands/{slug}", trust_env=False)
        assert (down.status_code, down.headers["Retry-After"]) == (503, "5")
    finally:
        stack.up("registry")

    def logged() -> set[str]:
        return {item["id"] for item in client.call("GET", "/verifications")["items"]}

    wait_until(lambda: {body["id"] for body in answers} <= logged(), 60, "the log arrives")
