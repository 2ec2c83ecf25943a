"""What the benches of callers run against: a store with brands whose answers tell whose they are, TorchServe
with the engine, and, where asked for, the verify API."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from assay_shared.auth import hash_key
from deploy.local.supervisor import Supervisor
from tests.support.live_model import publish_brand, publish_model, telling_weights
from tests.support.serving import predicts, run_store, serving_programs

VERSION = "mdl_1"
WORKERS = len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Stack:
    """Addresses, and each brand's own confidence."""

    engine: str
    api: str
    supervisor: Supervisor
    brands: dict[str, float]


@contextmanager
def run_stack(count: int, side: int, *, api: bool = False) -> Iterator[Stack]:
    """Starts it all with so many brands, whose detectors take pictures of this side."""
    brands = {f"brand-{place:02}": round(0.6 + 0.39 * place / count, 3) for place in range(count)}
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as name, run_store(Path(name)) as ground:
        for brand, confidence in brands.items():
            publish_brand(ground.store, brand, public=True)
            # Marks: of products the API would judge eight a picture, which is not what is asked here.
            publish_model(ground.store, brand, VERSION, telling_weights(confidence, label=1), side)
        engine = ground.address("torchserve")
        programs = serving_programs(
            ground,
            {
                "ASSAY_ENGINE_DEVICE": "cpu",
                "ASSAY_ENGINE_WORKERS": str(WORKERS),
                "ASSAY_ENGINE_SLOTS": str(WORKERS),
                "ASSAY_BARCODE_RETRY_MS": "0",
                "ASSAY_ADMIN_KEY_SHA256": hash_key(secrets.token_hex(16)),
            },
            engine_ready=predicts(engine),
            ready_seconds=180,
        )
        ground.supervisor.start(list(programs.values()) if api else [programs["torchserve"]])
        yield Stack(engine, ground.address("inference"), ground.supervisor, brands)
