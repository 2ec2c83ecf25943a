"""The servers of `bench.engine_peers`: the engine as it is shipped, and its peers; and how each is asked."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np

from assay_engine import framing
from assay_engine.framing import Found, Item
from assay_engine.probe import LABELS, Probe
from assay_engine.settings import count_cores
from assay_engine.torchserve import find_java
from assay_engine.torchserve_files import find_torchserve
from assay_inference.engine_client import EngineClient
from bench import peer_torchserve
from bench.many_brands import VERSION, slug
from deploy.local.ports import Ports
from deploy.local.supervisor import Program, Supervisor

START_SECONDS = 600.0
"""Eight workers that import torch on a busy machine."""
REPOSITORY = Path(__file__).parents[1]

Ask = Callable[[int], None]
"""Sends one picture of a brand and checks the answer."""


@contextmanager
def running(folder: Path, programs: Sequence[Program]) -> Iterator[tuple[httpx.Client, dict[str, int]]]:
    """The programs, ready; a client for them, and their process ids by name."""
    supervisor = Supervisor(folder / "logs")
    try:
        supervisor.start(list(programs))
        with httpx.Client(trust_env=False, timeout=120) as http:
            yield http, supervisor.pids()
    finally:
        supervisor.stop()


def ours_program(
    folder: Path, models: Path, ports: Ports, workers: int, name: str = "ours", streams: int = 1
) -> Program:
    """The engine in TorchServe; its disk tier holds all brands, so it asks no store."""
    home = folder / name
    home.mkdir(parents=True)
    (home / "models").symlink_to(models)
    return Program(
        name,
        [sys.executable, "-m", "assay_engine.torchserve"],
        {
            **base_environment(),
            "S3_ENDPOINT": "http://127.0.0.1:9",
            "S3_ACCESS_KEY": "none",
            "S3_SECRET_KEY": "none",
            "ASSAY_DATA_DIR": str(home),
            "ASSAY_ENGINE_WORKERS": str(workers),
            "ASSAY_ENGINE_STREAMS": str(streams),
            "ASSAY_ENGINE_DEVICE": "cpu",
            # Four servers that start at once mislead the self-check: a worker was seen to stay with PyTorch.
            "ASSAY_ENGINE_RUNTIME": "openvino",
            "ASSAY_ENGINE_DISK_BYTES": str(1 << 40),
            "ASSAY_ENGINE_MEMORY_BYTES": str(2 << 30),
            # Nobody here asks again, as the verify API does.
            "ASSAY_ENGINE_LOAD_WAIT_SECONDS": "10",
            "ASSAY_TORCHSERVE_PORT": str(ports.get(name)),
            "ASSAY_TORCHSERVE_MANAGEMENT_PORT": str(ports.get(f"{name}-management")),
            "ASSAY_TORCHSERVE_METRICS_PORT": str(ports.get(f"{name}-metrics")),
        },
        home,
        ready=answers(f"http://127.0.0.1:{ports.get(name)}/predictions/engine", framing.write_request([])),
        ready_seconds=START_SECONDS,
    )


def peer_program(folder: Path, models: Path, ports: Ports, brands: list[str] | None) -> Program:
    """TorchServe with a model a brand, or with one for all."""
    home = folder / "peer"
    (home / "store").mkdir(parents=True)
    for brand in brands or []:
        weights = models / brand / VERSION / "model.safetensors"
        peer_torchserve.write_model(home / "store", brand, peer_torchserve.ONE_BRAND, weights)
    if brands is None:
        peer_torchserve.write_model(home / "store", "many", peer_torchserve.MANY_BRANDS, None)
    threads = count_cores() if brands is None else 1
    last = brands[-1] if brands else "many"
    picture = np.zeros((480, 640, 3), np.uint8).tobytes()
    probe = picture if brands else slug(0).ljust(32).encode() + picture
    return Program(
        "peer",
        peer_torchserve.command(home, find_torchserve(), find_java(), ports, "peer"),
        {
            **base_environment(),
            "OMP_NUM_THREADS": str(threads),
            "PEER_MODELS": str(models),
            "PEER_LABELS": str(LABELS),
        },
        home,
        ready=answers(f"http://127.0.0.1:{ports.get('peer')}/predictions/{last}", probe),
        ready_seconds=START_SECONDS,
    )


def base_environment() -> dict[str, str]:
    """What all servers get: no spinning threads, no calls home."""
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "HOME": str(Path.home()),
        "JAVA_HOME": str(Path(find_java()).parents[1]),
        "PYTHONPATH": os.pathsep.join(
            str(REPOSITORY / name) for name in ("shared", "services/inference", ".")
        ),
        "OMP_WAIT_POLICY": "PASSIVE",
        "YOLO_OFFLINE": "1",
        "YOLO_AUTOINSTALL": "0",
    }


def answers(url: str, body: bytes) -> Callable[[str], bool]:
    """Whether a server answers a request with 200."""

    def ask(_log: str) -> bool:
        try:
            headers = {"Content-Type": framing.CONTENT_TYPE}
            return httpx.post(url, content=body, headers=headers, timeout=60, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    return ask


def ask_ours(http: httpx.Client, port: int, probe: Probe) -> Ask:
    """One picture in one frame."""

    def ask(number: int) -> None:
        frame = framing.write_request([Item(slug(number), VERSION, probe.pictures[0])])
        headers = {"Content-Type": framing.CONTENT_TYPE}
        answer = http.post(f"http://127.0.0.1:{port}/predictions/engine", content=frame, headers=headers)
        [found] = framing.read_response(answer.raise_for_status().content)
        assert isinstance(found, Found), found

    return ask


@contextmanager
def gathering(port: int, workers: int, streams: int, probe: Probe) -> Iterator[Ask]:
    """The verify API's way to an engine: one picture a call, and what has come while all workers are busy
    goes as one request."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="engine client")
    thread.start()

    async def connect() -> EngineClient:
        client = EngineClient(
            [f"http://127.0.0.1:{port}"], [workers], 16, 64, 60, streams=streams, silence_seconds=60
        )
        client.start()
        return client

    client = asyncio.run_coroutine_threadsafe(connect(), loop).result()

    def ask(number: int) -> None:
        item = Item(slug(number), VERSION, probe.pictures[0])
        asyncio.run_coroutine_threadsafe(client.detect(item, 120), loop).result()

    try:
        yield ask
    finally:
        asyncio.run_coroutine_threadsafe(client.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def ask_peer(http: httpx.Client, port: int, probe: Probe, *, many: bool = False) -> Ask:
    """The same picture, without the grey borders that ours has."""
    picture = np.ascontiguousarray(probe.pictures[0][80:560]).tobytes()

    def ask(number: int) -> None:
        name, body = ("many", slug(number).ljust(32).encode() + picture) if many else (slug(number), picture)
        headers = {"Content-Type": framing.CONTENT_TYPE}
        answer = http.post(f"http://127.0.0.1:{port}/predictions/{name}", content=body, headers=headers)
        assert len(answer.raise_for_status().content) % 24 == 0

    return ask
