from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest

from assay_engine import framing
from assay_engine.settings import TorchServeSettings, count_cores
from assay_engine.torchserve import count_workers, find_java, worker_environment
from assay_engine.torchserve_files import write_files
from assay_engine.tree import stop_tree
from assay_engine.watchdog import MISSING_SECONDS, Watchdog
from tests.support.waiting import wait_until


class Engine(ThreadingHTTPServer):
    """Answers like TorchServe: probes while `healthy`, and scaling, which heals it if `curable`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.healthy = True
        self.curable = True
        self.ready = 3
        self.scaled: list[int] = []


class _Handler(BaseHTTPRequestHandler):
    server: Engine

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200 if self.server.healthy else 503, framing.write_response([]))

    def do_GET(self) -> None:
        ready = [{"id": str(place), "status": "READY"} for place in range(self.server.ready)]
        answer = [{"modelName": "engine", "workers": [*ready, {"id": "9999", "status": "UNLOADING"}]}]
        self._answer(200, json.dumps(answer).encode())

    def do_PUT(self) -> None:
        workers = int(parse_qs(urlsplit(self.path).query)["min_worker"][0])
        self.server.scaled.append(workers)
        if workers and self.server.curable:
            self.server.healthy = True
            self.server.ready = workers
        self._answer(200, b"{}")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def engine() -> Iterator[Engine]:
    server = Engine()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def watchdog(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watchdog]:
    monkeypatch.setattr("assay_engine.watchdog.STARTUP_SECONDS", 0.0)
    port = engine.server_address[1]
    settings = TorchServeSettings(
        data_dir=tmp_path,
        torchserve_port=port,
        torchserve_management_port=port,
        hang_seconds=0.01,
        alive_file=tmp_path / "alive",
    )
    watchdog = Watchdog(settings, 3)
    watchdog.start()
    yield watchdog
    watchdog.stop()


def test_nothing_is_done_while_predictions_are_answered(engine: Engine, watchdog: Watchdog) -> None:
    assert all(watchdog.keep_answering() for _ in range(3))
    assert engine.scaled == []


def test_a_file_is_touched_only_while_predictions_are_answered(
    engine: Engine, watchdog: Watchdog, tmp_path: Path
) -> None:
    engine.healthy = False
    watchdog.keep_answering()
    assert not (tmp_path / "alive").exists()
    engine.healthy = True
    watchdog.keep_answering()
    assert (tmp_path / "alive").exists()


def test_silent_workers_are_scaled_away_and_back(engine: Engine, watchdog: Watchdog) -> None:
    engine.healthy = False
    wait_until(lambda: watchdog.keep_answering() and engine.scaled, 5)
    assert engine.scaled == [0, 3]
    assert watchdog.keep_answering()
    assert engine.scaled == [0, 3]


def test_what_does_not_recover_is_started_anew(engine: Engine, watchdog: Watchdog) -> None:
    engine.healthy = engine.curable = False
    wait_until(lambda: not watchdog.keep_answering(), 5)
    assert engine.scaled == [0, 3]
    watchdog.start()
    wait_until(lambda: not watchdog.keep_answering(), 5)
    assert engine.scaled == [0, 3, 0, 3]


def test_a_worker_may_take_as_long_as_at_the_start_before_it_is_started_anew(
    engine: Engine, watchdog: Watchdog, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr("assay_engine.watchdog.time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr("assay_engine.watchdog.STARTUP_SECONDS", 120.0)
    watchdog.start()
    engine.healthy = engine.curable = False
    watchdog.keep_answering()
    now += 50
    engine.healthy = True
    watchdog.keep_answering()
    engine.healthy = False
    now += 99
    watchdog.keep_answering()
    assert engine.scaled == []
    now += 2
    watchdog.keep_answering()
    assert engine.scaled == [0, 3]


def test_workers_that_were_given_up_are_started_anew_though_others_answer(
    engine: Engine, watchdog: Watchdog, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr("assay_engine.watchdog.time", SimpleNamespace(monotonic=lambda: now))
    engine.ready = 2
    watchdog.keep_answering()
    now += MISSING_SECONDS - 1
    engine.ready = 3
    watchdog.keep_answering()
    now += MISSING_SECONDS - 1
    engine.ready = 2
    watchdog.keep_answering()
    assert engine.scaled == []
    now += MISSING_SECONDS
    assert watchdog.keep_answering()
    assert engine.scaled == [0, 3]
    now += MISSING_SECONDS
    assert watchdog.keep_answering()
    assert engine.scaled == [0, 3]


def test_a_tree_is_stopped_whole_even_if_it_ignores_sigterm() -> None:
    script = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print('up', flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, start_new_session=True
    ) as leader:
        assert leader.stdout is not None
        leader.stdout.readline()
        tree = [psutil.Process(leader.pid), *psutil.Process(leader.pid).children()]
        assert len(tree) == 2
        stop_tree(leader.pid, 0.3)
        assert psutil.wait_procs(tree, 5)[1] == []


def test_the_configuration_has_no_batching_and_no_open_management(tmp_path: Path) -> None:
    settings = TorchServeSettings(data_dir=tmp_path, host="0.0.0.0", engine_device="cpu")
    arguments = write_files(settings, 2)
    home = tmp_path / "torchserve"
    config = (home / "config.properties").read_text()
    assert "management_address=http://127.0.0.1:8081" in config
    assert "inference_address=http://0.0.0.0:8080" in config
    assert "number_of_gpu=0" in config
    model = (home / "store" / "engine" / "model-config.yaml").read_text()
    assert "batchSize: 1\n" in model
    assert "maxWorkers: 2\n" in model
    assert (home / "store" / "engine" / "assay_engine_handler.py").is_file()
    assert str(home / "config.properties") in arguments


def test_sockets_move_where_a_path_is_too_long(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 90)
    deep.mkdir()
    arguments = write_files(TorchServeSettings(data_dir=deep), 1)
    [sockets] = [value.split("=")[1] for value in arguments if value.startswith("-Djava.io.tmpdir=")]
    assert len(sockets) < 60
    assert Path(sockets).is_dir()
    Path(sockets).rmdir()


def test_workers_and_their_threads_share_the_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    settings = TorchServeSettings(data_dir=tmp_path, engine_device="cpu", engine_workers=None)
    assert count_workers(settings) == count_cores()
    assert worker_environment(count_cores())["OMP_NUM_THREADS"] == "1"
    assert worker_environment(1)["OMP_NUM_THREADS"] == str(count_cores())
    assert worker_environment(1)["OMP_WAIT_POLICY"] == "PASSIVE"


def test_java_is_found_without_java_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert Path(find_java()).is_file()
