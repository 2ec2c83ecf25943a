"""The engine as a server has it: built from the environment, request frames in, response frames out.

TorchServe's handler (`handler.py`) and SageMaker's server (`sagemaker_server.py`) are thin shells around it.
"""

from __future__ import annotations

import dataclasses
import time

from assay_engine import framing
from assay_engine.budgets import Budgets, find_budgets
from assay_engine.cache import Store
from assay_engine.engine import Engine, Runtime
from assay_engine.errors import DeadlinePassed
from assay_engine.framing import Found, Item
from assay_engine.metrics import count_choice
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
        return framing.write_response(self._detect_in_time(items))

    def _detect_in_time(self, items: list[Item]) -> list[Found | AssayError]:
        """One result for each item; what nobody waits for any more is refused without being computed."""
        now = time.monotonic()
        late = [item.deadline is not None and item.deadline <= now for item in items]
        in_time = [item for item, is_late in zip(items, late, strict=True) if not is_late]
        left = [item.deadline - now for item in in_time if item.deadline is not None]
        found = iter(self.engine.detect(in_time, min([self._wait_seconds, *left])))
        return [
            DeadlinePassed("Nobody waited for this picture any more when the detector got it")
            if is_late
            else next(found)
            for is_late in late
        ]
