"""TorchServe's handler: a thin shell around the engine. TorchServe wants exactly one class in this module."""

from __future__ import annotations

import dataclasses
import logging
import os
import time
from typing import Any

from assay_engine import framing
from assay_engine.budgets import find_budgets
from assay_engine.engine import Engine
from assay_engine.errors import BadFrame, DeadlinePassed
from assay_engine.framing import Found, Item
from assay_engine.metrics import count_choice
from assay_engine.pins import Pins
from assay_engine.selfcheck import choose_runtime
from assay_engine.settings import EngineSettings
from assay_shared import logs
from assay_shared.errors import AssayError
from assay_shared.settings import StoreSettings
from assay_shared.storage import ObjectStore

log = logs.get_logger(__name__)


class EngineHandler:
    """One per worker process; TorchServe calls `initialize` once and `handle` for every request."""

    def initialize(self, context: Any) -> None:
        """Builds the engine from the environment; `context` names this worker's GPU, if any. `choice` says
        which runtime computes, and why."""
        logs.configure_logs("engine", os.environ.get("ASSAY_LOG_LEVEL", "INFO"))
        # TorchServe's own worker logs two lines for every request.
        logging.getLogger().setLevel(logging.WARNING)
        logging.getLogger("assay_engine").setLevel(os.environ.get("ASSAY_LOG_LEVEL", "INFO"))
        settings = EngineSettings()  # from the environment
        store = ObjectStore(StoreSettings())  # from the environment
        self.choice = choose_runtime(settings, context.system_properties.get("gpu_id"))
        self._runtime = self.choice.runtime
        self._runtime.check()
        self._wait_seconds = settings.engine_load_wait_seconds
        folder = settings.data_dir / "models"
        budgets = find_budgets(settings, folder, self.choice.free_device_bytes)
        log.info("budgets", **dataclasses.asdict(budgets))
        count_choice(self.choice)
        self._engine = Engine(store, folder, self._runtime, budgets)
        Pins(self._engine, store, settings.list_pinned_brands()).start()

    def handle(self, data: list[dict[str, Any]], context: Any) -> list[bytes]:
        """The response frame of each request frame; one that cannot be read gets status 400 and the reason.

        Bad items are answered inside the frame. Never raises for what was sent.
        """
        answers = []
        for place, request in enumerate(data):
            body = request.get("body", request.get("data", b""))
            try:
                if not isinstance(body, (bytes, bytearray)):
                    raise BadFrame(f"Send the frame as {framing.CONTENT_TYPE}")
                items = framing.read_request(body)
                if not items:
                    self._runtime.check()
                answers.append(framing.write_response(self._detect_in_time(items)))
            except AssayError as error:
                context.set_response_status(400, error.type, place)
                answers.append(error.detail.encode())
        return answers

    def _detect_in_time(self, items: list[Item]) -> list[Found | AssayError]:
        """One result for each item; what nobody waits for any more is refused without being computed."""
        now = time.monotonic()
        late = [item.deadline is not None and item.deadline <= now for item in items]
        in_time = [item for item, is_late in zip(items, late, strict=True) if not is_late]
        left = [item.deadline - now for item in in_time if item.deadline is not None]
        found = iter(self._engine.detect(in_time, min([self._wait_seconds, *left])))
        return [
            DeadlinePassed("Nobody waited for this picture any more when the detector got it")
            if is_late
            else next(found)
            for is_late in late
        ]
