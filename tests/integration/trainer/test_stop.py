"""A trainer that is told to stop saves and ends, whether or not the registry is there to hear of it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from assay_shared import keys
from assay_shared.ids import new_id, utc_now
from assay_shared.registry_client import RegistryClient
from assay_shared.storage import ObjectStore
from assay_shared.wire import DatasetManifest, Lease, Release, TrainingOptions
from assay_trainer.heartbeat import Pulse
from assay_trainer.local_backend import LocalBackend
from assay_trainer.run import train_leased_run
from tests.support.waiting import wait_until
from tests.unit.trainer.test_train_child import SIZE, draw_pictures

HANGS = 60.0
"""Seconds after which a trainer that should have ended is taken to hang. Its lease is much longer."""


@pytest.fixture
def silent() -> Iterator[RegistryClient]:
    """A registry that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = RegistryClient(f"http://127.0.0.1:{server.getsockname()[1]}", "token", 3.0)
        yield client
        client.close()


@pytest.fixture
def gone() -> Iterator[RegistryClient]:
    """A registry that is not there."""
    client = RegistryClient("http://127.0.0.1:1", "token", 3.0)
    yield client
    client.close()


def make_lease(dataset: DatasetManifest, epochs: int = 1) -> Lease:
    return Lease(
        run=new_id("run"),
        brand=dataset.brand,
        token="token",
        seconds=600,
        expires_at=utc_now() + timedelta(seconds=600),
        model_version=new_id("mdl"),
        options=TrainingOptions(image_size=SIZE, epochs=epochs, batch=4),
        dataset=dataset,
        live_version=None,
    )


@pytest.mark.parametrize(("registry", "stopped_before"), [("gone", False), ("silent", True)])
def test_a_lease_is_given_up_soon(
    request: pytest.FixtureRequest, registry: str, stopped_before: bool
) -> None:
    stopping = threading.Event()
    lease = make_lease(DatasetManifest(id="dsv_1", brand="acme", labels=[], products=[], items=[]))
    pulse = Pulse(lease, request.getfixturevalue(registry), stopping)
    pulse.start()
    if stopped_before:
        stopping.set()

    def end() -> None:
        pulse.stop()
        pulse.end(Release(token=lease.token, outcome="requeue", reason="the trainer was stopped"))

    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(end)
        try:
            if not stopped_before:
                with pytest.raises(TimeoutError):
                    ended.result(timeout=8)
        finally:
            stopping.set()
        ended.result(timeout=HANGS)


def test_a_run_is_stopped_with_its_checkpoint_stored(
    gone: RegistryClient, object_store: ObjectStore, tmp_path: Path
) -> None:
    dataset = draw_pictures(tmp_path / "pictures").model_copy(update={"brand": new_id("brand")})
    for item in dataset.items:
        path = tmp_path / "pictures" / f"{item.sha256}.{item.extension}"
        object_store.put_file(keys.IMAGES, keys.image_key(dataset.brand, item.sha256, item.extension), path)
    lease = make_lease(dataset, epochs=500)
    backend = LocalBackend(object_store, "", "cpu")
    data_dir = tmp_path / "trainer"
    stopping = threading.Event()
    folder = f"{keys.model_folder(dataset.brand, lease.model_version)}training/"

    def checkpoints() -> list[str]:
        return [found.key for found in object_store.list(keys.MODELS, folder)]

    with ThreadPoolExecutor(1) as pool:
        training = pool.submit(train_leased_run, lease, gone, object_store, backend, data_dir, stopping)
        try:
            wait_until(checkpoints, 120, "a checkpoint is stored")
        finally:
            stopping.set()
        training.result(timeout=HANGS)
    assert checkpoints()
    assert not (data_dir / "runs" / lease.run).exists()
