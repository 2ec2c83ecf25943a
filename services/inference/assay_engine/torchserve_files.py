"""What TorchServe reads: its configuration, its logging and the folder of the model `engine`."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
import tempfile
from pathlib import Path

from assay_engine.settings import TorchServeSettings

UNIX_PATH_LIMIT = 100
"""Of 108 bytes that Linux allows, minus what TorchServe adds."""

LOG4J = """<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="error">
  <Appenders>
    <Console name="stderr" target="SYSTEM_ERR"><PatternLayout pattern="%d{ISO8601} %p %c{1} %m%n"/></Console>
  </Appenders>
  <Loggers>
    <Logger name="org.pytorch.serve" level="warn"/>
    <Logger name="ACCESS_LOG" level="off"/>
    <Logger name="TS_METRICS" level="off"/>
    <Logger name="MODEL_METRICS" level="off"/>
    <Logger name="MODEL_LOG" level="warn"/>
    <Root level="warn"><AppenderRef ref="stderr"/></Root>
  </Loggers>
</Configuration>
"""


def write_files(settings: TorchServeSettings, workers: int) -> list[str]:
    """Writes all files under `{data_dir}/torchserve` and gives Java's arguments.

    Raises SystemExit where the package torchserve is missing.

    Its sockets lie there too, private to this instance, or in a temporary folder where that path is too long.
    """
    package = find_torchserve()
    home = (settings.data_dir / "torchserve").absolute()
    shutil.rmtree(home, ignore_errors=True)
    sockets = home / "tmp"
    sockets.mkdir(parents=True)
    if len(f"{sockets}/.ts.sock.9000") > UNIX_PATH_LIMIT:
        sockets = Path(tempfile.mkdtemp(prefix="assay-"))
    _write_model(home / "store" / "engine", settings, workers)
    (home / "log4j2.xml").write_text(LOG4J)
    (home / "config.properties").write_text(_properties(settings, home, workers))
    return list_arguments(package, home, sockets)


def list_arguments(package: Path, home: Path, sockets: Path) -> list[str]:
    """Java's arguments for a TorchServe whose files lie under `home` (`log4j2.xml`, `config.properties` and
    the models in `store`), its sockets and other temporary files in `sockets`."""
    return [
        # Else Java takes a 64th of the machine's memory before it needs any.
        "-Xms64m",
        "-Xmx512m",
        "-XX:+UseSerialGC",
        f"-Dmodel_server_home={package.parent}",
        f"-Dlog4j.configurationFile=file://{home / 'log4j2.xml'}",
        f"-Djava.io.tmpdir={sockets}",
        "-cp",
        str(package / "frontend" / "*"),
        "org.pytorch.serve.ModelServer",
        "--python",
        sys.executable,
        "-f",
        str(home / "config.properties"),
        "-s",
        str(home / "store"),
        "-ncs",
    ]


def find_torchserve() -> Path:
    """The folder of the package `ts`, without importing it (and torch with it)."""
    found = importlib.util.find_spec("ts")
    if found is None or found.origin is None:
        raise SystemExit("The package torchserve is not installed: install assay-inference[engine]")
    return Path(found.origin).parent


def _write_model(folder: Path, settings: TorchServeSettings, workers: int) -> None:
    (folder / "MAR-INF").mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("handler.py"), folder / "assay_engine_handler.py")
    manifest = {
        "archiverVersion": "0.12.0",
        "runtime": "python",
        "model": {
            "modelName": "engine",
            "modelVersion": "1.0",
            "handler": "assay_engine_handler.py",
            "configFile": "model-config.yaml",
        },
    }
    (folder / "MAR-INF" / "MANIFEST.json").write_text(json.dumps(manifest))
    (folder / "model-config.yaml").write_text(
        f"minWorkers: {workers}\nmaxWorkers: {workers}\nbatchSize: 1\nmaxBatchDelay: 0\n"
        f"responseTimeout: {settings.engine_timeout_seconds}\nstartupTimeout: 120\n"
        "maxRetryTimeoutInSec: 300\n"
    )


def _properties(settings: TorchServeSettings, home: Path, workers: int) -> str:
    lines = {
        "inference_address": f"http://{settings.host}:{settings.torchserve_port}",
        # Nobody but the watchdog may manage, and it has no authentication of its own here.
        "management_address": f"http://127.0.0.1:{settings.torchserve_management_port}",
        "metrics_address": f"http://{settings.host}:{settings.torchserve_metrics_port}",
        "grpc_inference_address": "127.0.0.1",
        "grpc_management_address": "127.0.0.1",
        # Any free port: gRPC cannot be turned off, and its fixed ports would collide.
        "grpc_inference_port": 0,
        "grpc_management_port": 0,
        "enable_model_api": "true",
        "disable_token_authorization": "true",
        "enable_envvars_config": "false",
        "install_py_dep_per_model": "false",
        "disable_system_metrics": "true",
        "metrics_mode": "prometheus",
        "load_models": "engine",
        "default_workers_per_model": workers,
        "default_response_timeout": settings.engine_timeout_seconds,
        "job_queue_size": 256,
        "max_request_size": settings.engine_max_request_bytes,
        "max_response_size": settings.engine_max_request_bytes,
        "number_of_netty_threads": 4,
        "netty_client_threads": max(2, workers),
        "model_store": home / "store",
    }
    if settings.engine_device == "cpu":
        lines["number_of_gpu"] = 0
    return "".join(f"{name}={value}\n" for name, value in lines.items())
