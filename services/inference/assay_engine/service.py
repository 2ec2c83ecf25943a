"""The engine as a server has it: built from the environment, request frames in, response frames out.

TorchServe's handler (`handler.py`) and SageMaker's server (`sagemaker_server.py`) are thin shells around it.
"""

from __future__ import annotations

import dataclasses

from assay_engine import framing
from assay_engine.budgets import Budgets, find_budgets
from assay_engine.cache import Store
from assay_engine.deadlines import detect_in_time
from assay_engine.engine import Engine
from assay_engine.framing import Found, Item
from assay_engine.metrics import count_choice
from assay_engine.protocols import Runtime
from assay_engine.selfcheck import Choice, choose_runtime
from assay_engine.settings import EngineSettings
from assay_shared import logs
from assay_shared.errors import AssayError

log = logs.get_logger(__name__)


def start_runtime(settings: EngineSettings, gpu: int | None = None) -> tuple[Choice, Budgets]:
    """What computes on this machine, after its self-check, and the bytes that each tier may hold. Raises what
    a device raises that does not compute."""
    choice = choose_runtime(settings, gpu)
    choice.runtime.check()
    budgets = find_budgets(settings, settings.data_dir / "models", choice.free_device_bytes)
    log.info("budgets", **dataclasses.asdict(budgets))
    count_choice(choice)
    return choice, budgets


class EngineService:
    """Answers frames with an engine whose models come from a store. Safe to share between threads."""

    def __init__(self, settings: EngineSettings, store: Store, choice: Choice, budgets: Budgets) -> None:
        self.runtime: Runtime = choice.runtime
        self.engine = Engine(store, settings.data_dir / "models", self.runtime, budgets)
        self._wait_seconds = settings.engine_load_wait_seconds

    def answer(self, frame: bytes | bytearray) -> bytes:
        """The response frame of a request frame; bad items are answered inside it. A frame without items is
        the probe of readiness. Raises BadFrame, and what a device raises that does not compute."""
        items = framing.read_request(frame)
        if not items:
            self.runtime.check()
        return framing.write_response(detect_in_time(items, self._detect))

    def _detect(self, items: list[Item], seconds: float | None) -> list[Found | AssayError]:
        wait = self._wait_seconds if seconds is None else min(self._wait_seconds, seconds)
        return self.engine.detect(items, wait)
