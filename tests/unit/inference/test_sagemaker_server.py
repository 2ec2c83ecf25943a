from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
import uvicorn

from assay_engine import framing, service
from assay_engine.framing import Found, Item
from assay_engine.sagemaker_server import MAX_BODY, ServerSettings, create_app
from assay_engine.selfcheck import Choice
from tests.support.live_model import describe_model
from tests.support.telling import SIDE, TellingRuntime, telling_number, telling_weights


def write_model(folder: Path, brand: str, version: str, weights: bytes | None = None) -> str:
    """A model version as SageMaker unpacks it; its folder."""
    folder.mkdir(parents=True)
    data = telling_weights(brand, version)
    described = describe_model(brand, version, data, SIDE)
    (folder / "model.json").write_text(described.model_dump_json())
    (folder / "model.safetensors").write_bytes(weights if weights is not None else data)
    return str(folder)


def frame_of(brand: str, version: str) -> bytes:
    """A request for one grey picture."""
    return framing.write_request([Item(brand, version, np.full((SIDE, SIDE, 3), 90, np.uint8))])


@contextmanager
def serve(settings: ServerSettings) -> Iterator[httpx.Client]:
    """The server on a port of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(create_app(settings), log_level="error"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            address = f"http://127.0.0.1:{listening.getsockname()[1]}"
            with httpx.Client(base_url=address, timeout=20, trust_env=False) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """A multi-model server whose detectors tell whose they are, with room for two."""
    monkeypatch.setattr(service, "choose_runtime", lambda *_: Choice(TellingRuntime(), "telling"))
    monkeypatch.setenv("ASSAY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("ASSAY_SAGEMAKER_ENDPOINT_MODE", "multi-model")
    monkeypatch.setenv("ASSAY_ENGINE_MEMORY_BYTES", "2500")
    with serve(ServerSettings()) as started:
        give_up = time.monotonic() + 20
        while started.get("/ping").status_code != 200:
            assert time.monotonic() < give_up
            time.sleep(0.01)
        yield started


def load(client: httpx.Client, name: str, url: str) -> int:
    return client.post("/models", json={"model_name": name, "url": url}).status_code


def test_models_are_loaded_asked_listed_and_unloaded(client: httpx.Client, tmp_path: Path) -> None:
    folders = {name: write_model(tmp_path / name, name, "mdl_1") for name in ("acme", "bolt")}
    assert [load(client, name, url) for name, url in folders.items()] == [200, 200]
    assert load(client, "acme", folders["acme"]) == 409
    for brand in folders:
        answer = client.post(f"/models/{brand}/invoke", content=frame_of(brand, "mdl_1"))
        [found] = framing.read_response(answer.content)
        assert isinstance(found, Found)
        assert found.labels.tolist() == [telling_number(brand, "mdl_1")]
    first = client.get("/models?limit=1").json()
    assert [one["modelName"] for one in first["models"]] == ["acme"]
    second = client.get(f"/models?limit=1&next_page_token={first['nextPageToken']}").json()
    assert [one["modelName"] for one in second["models"]] == ["bolt"]
    assert "nextPageToken" not in second
    assert client.get("/models/acme").json() == {"modelName": "acme", "modelUrl": folders["acme"]}
    assert client.delete("/models/acme").status_code == 200
    assert client.delete("/models/acme").status_code == 404
    assert client.get("/models/acme").status_code == 404
    assert client.post("/models/acme/invoke", content=frame_of("acme", "mdl_1")).status_code == 404


def test_a_model_without_room_is_507_until_another_is_unloaded(client: httpx.Client, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert load(client, name, write_model(tmp_path / name, name, "mdl_1")) == 200
    third = write_model(tmp_path / "c", "c", "mdl_1")
    assert load(client, "c", third) == 507
    client.delete("/models/a")
    assert load(client, "c", third) == 200


def test_a_model_answers_for_its_own_brand_and_version_alone(client: httpx.Client, tmp_path: Path) -> None:
    load(client, "acme", write_model(tmp_path / "acme", "acme", "mdl_1"))
    for brand, version in (("bolt", "mdl_1"), ("acme", "mdl_2")):
        answer = client.post("/models/acme/invoke", content=frame_of(brand, version))
        [refused] = framing.read_response(answer.content)
        assert not isinstance(refused, Found)
        assert refused.type == "invalid-request"


def test_what_is_no_model_is_refused(client: httpx.Client, tmp_path: Path) -> None:
    tampered = write_model(tmp_path / "tampered", "acme", "mdl_1", telling_weights("bolt", "mdl_1"))
    assert load(client, "tampered", tampered) == 503
    assert load(client, "missing", str(tmp_path / "missing")) == 404
    assert client.post("/models", content=b"{}").status_code == 422
    assert client.post("/models", content=b"no json").status_code == 422
    assert client.get("/models").json() == {"models": []}


def test_bodies_are_limited_and_bad_frames_named(client: httpx.Client, tmp_path: Path) -> None:
    load(client, "acme", write_model(tmp_path / "acme", "acme", "mdl_1"))
    assert client.post("/models/acme/invoke", content=b"x" * (MAX_BODY + 1)).status_code == 413
    answer = client.post("/models/acme/invoke", content=b"nonsense")
    assert answer.status_code == 422
    assert "AQ02" in json.dumps(answer.json())
    # This endpoint is multi-model: without a model's name nobody can answer.
    assert client.post("/invocations", content=frame_of("acme", "mdl_1")).status_code == 503


def test_a_server_that_cannot_start_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Choice:
        raise RuntimeError("no such device")

    monkeypatch.setattr(service, "choose_runtime", fail)
    monkeypatch.setenv("ASSAY_DATA_DIR", str(tmp_path))
    with serve(ServerSettings(sagemaker_bucket="acme-assay")) as started:
        give_up = time.monotonic() + 20
        while (answer := started.get("/ping")).status_code == 503:
            assert time.monotonic() < give_up
            time.sleep(0.01)
        assert answer.status_code == 500
        assert "no such device" in answer.text
