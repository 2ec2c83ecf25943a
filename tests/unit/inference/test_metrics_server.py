from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from assay_engine.metrics_server import FOLDER, clear_figures, serve_figures
from deploy.local.ports import Ports

WORKER = """
import sys
from assay_engine.metrics import TierMetrics, RUN_PICTURES, count_choice
from assay_engine.selfcheck import Choice, Trial
tier = TierMetrics("resident", 1000)
tier.load()
tier.hold(300, 3)
RUN_PICTURES.observe(4)
count_choice(Choice(None, "openvino f32", (Trial("torch", 50.0), Trial("openvino f32", 30.0, 1.0))))
print("ready", flush=True)
sys.stdin.readline()
"""


def read(port: int) -> dict[tuple[str, str | None], list[float]]:
    """Values by name and tier or strategy, one a worker."""
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    found: dict[tuple[str, str | None], list[float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = sample.name, sample.labels.get("tier", sample.labels.get("strategy"))
            found.setdefault(key, []).append(sample.value)
    return found


def test_workers_figures_are_added_up_and_the_dead_hold_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    clear_figures(folder)
    port = Ports().get("metrics")
    serve_figures(folder, "127.0.0.1", port)
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER],
            env={**os.environ, FOLDER: str(folder), "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in range(2)
    ]
    try:
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == b"ready\n"
        found = read(port)
        assert found["assay_engine_tier_loads_total", "resident"] == [2]
        assert found["assay_engine_tier_bytes", "resident"] == [300, 300]
        assert found["assay_engine_tier_limit_bytes", "resident"] == [1000, 1000]
        assert found["assay_engine_strategy", "openvino f32"] == [1, 1]
        assert found["assay_engine_trial_seconds", "torch"] == [0.05, 0.05]
        assert found["assay_engine_run_pictures_sum", None] == [8]
        workers[0].send_signal(signal.SIGKILL)
        workers[0].wait()
        found = read(port)
        assert found["assay_engine_tier_loads_total", "resident"] == [2]
        assert found["assay_engine_tier_bytes", "resident"] == [300]
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()


def test_a_port_that_is_taken_is_no_reason_not_to_verify(tmp_path: Path) -> None:
    clear_figures(tmp_path / "metrics")
    port = Ports().get("metrics")
    for _ in range(2):
        serve_figures(tmp_path / "metrics", "127.0.0.1", port)
    assert httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).status_code == 200
