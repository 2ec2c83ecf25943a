"""TorchServe's handler: a thin shell around the engine. TorchServe wants exactly one class in this module."""

from __future__ import annotations

import logging
import os
from typing import Any

from assay_engine import framing
from assay_engine.errors import BadFrame
from assay_engine.pins import Pins
from assay_engine.service import EngineService, start_runtime
from assay_engine.settings import EngineSettings
from assay_shared import logs
from assay_shared.errors import AssayError
from assay_shared.settings import StoreSettings
from assay_shared.storage import ObjectStore


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
        self.choice, budgets = start_runtime(settings, context.system_properties.get("gpu_id"))
        self._service = EngineService(settings, store, self.choice, budgets)
        Pins(self._service.engine.models, store, settings.list_pinned_brands()).start()

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
                answers.append(self._service.answer(body))
            except AssayError as error:
                context.set_response_status(400, error.type, place)
                answers.append(error.detail.encode())
        return answers
