"""`python -m assay_inference.smoke_test`: sees that real predictions work, in the service's own environment.

Reads bucket `live` as the service does, but into a temporary folder, and asks every engine to find something
in a grey picture with the live model of a few brands; where no brand has one, for a prediction of no picture.
The exit status is 0, or 1 after a line on standard error for everything that failed.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from assay_engine.errors import ModelLoading
from assay_engine.framing import Found, Item
from assay_inference.backends import Backend, choose_backend
from assay_inference.live import LiveFollower
from assay_inference.settings import Settings
from assay_inference.snapshot import LiveModel
from assay_shared import logs
from assay_shared.errors import AssayError, EngineUnavailable, StoreUnavailable
from assay_shared.keys import LIVE
from assay_shared.settings import StoreSettings
from assay_shared.storage import ObjectStore

MAX_BRANDS = 5
"""Brands asked for, the first by name: enough to see that models load, few enough to be quick."""
ANSWER_SECONDS = 30.0
"""For one prediction; an engine that is full, whose worker has just died, or that is still loading the model,
is asked again meanwhile."""
PAUSE_SECONDS = 2.0
POINTER = "current.json"
GREY = 128


def main() -> int:
    """Tests every engine with every chosen brand; gives the exit status."""
    settings = Settings()  # from the environment
    logs.configure_logs("inference-smoke-test", "WARNING", settings.log_format)
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    store = ObjectStore(StoreSettings())  # from the environment
    backend = choose_backend(settings, store)
    urls = list(backend.hosts)
    failures: list[str] = []
    try:
        models = _read_live_models(store, failures)
    except StoreUnavailable as error:
        return _conclude([f"bucket `live` cannot be read: {error.detail}"], "")
    if not models and not failures:
        return _conclude(_check_engines(backend), f"no brand has a live model yet; {_count(urls)} asked")
    tested = _count(urls)
    for brand, model in models.items():
        _test_brand(backend, urls, brand, model, failures)
    return _conclude(failures, f"{len(models)} live models on {tested}")


def _read_live_models(store: ObjectStore, failures: list[str]) -> dict[str, LiveModel]:
    """The live model of the first brands that have one. Raises StoreUnavailable."""
    slugs = sorted(
        slug for slug, _, name in (found.key.partition("/") for found in store.list(LIVE)) if name == POINTER
    )
    models: dict[str, LiveModel] = {}
    with tempfile.TemporaryDirectory(prefix="assay-smoke-test-") as folder:
        follower = LiveFollower(store, Path(folder), seconds=1)
        for slug in slugs[:MAX_BRANDS]:
            follower.refresh(slug)
            brand = follower.snapshot.brands.get(slug)
            if brand is None or brand.model is None:
                failures.append(f"brand {slug}: what its pointer in bucket `live` names cannot be read")
            else:
                models[slug] = brand.model
        follower.stop()
    return models


def _test_brand(backend: Backend, urls: list[str], brand: str, model: LiveModel, failures: list[str]) -> None:
    """Asks every engine for a detection; prints a line when all answer. Who does not answer is taken off the
    list."""
    size = model.description.image_size
    item = Item(brand, model.version, np.full((size, size, 3), GREY, np.uint8))
    slowest, failed = 0.0, False
    for url in list(urls):
        started = time.monotonic()
        try:
            [result] = _ask_patiently(backend, url, [item])
        except EngineUnavailable as error:
            urls.remove(url)
            result = error
        if isinstance(result, AssayError):
            failures.append(f"brand {brand}, model version {model.version}, {url}: {result.detail}")
            failed = True
        slowest = max(slowest, time.monotonic() - started)
    if urls and not failed:
        print(f"brand {brand}: model version {model.version} answers in {slowest * 1000:.0f} ms")


def _ask_patiently(backend: Backend, host: str, items: list[Item]) -> list[Found | AssayError]:
    """One real answer of a host, or its error of this model version. Raises EngineUnavailable."""
    give_up = time.monotonic() + ANSWER_SECONDS
    while True:
        last = time.monotonic() + PAUSE_SECONDS > give_up
        try:
            results = asyncio.run(_ask(backend, host, items))
            if last or not any(isinstance(result, ModelLoading) for result in results):
                return results
        except EngineUnavailable:
            if last:
                raise
        time.sleep(PAUSE_SECONDS)


async def _ask(backend: Backend, host: str, items: list[Item]) -> list[Found | AssayError]:
    transport = backend.connect()
    try:
        return await transport.ask(host, items)
    finally:
        await transport.close()


def _check_engines(backend: Backend) -> list[str]:
    failures = []
    for host in backend.hosts:
        try:
            _ask_patiently(backend, host, [])
        except EngineUnavailable as error:
            failures.append(f"{host}: {error.detail}")
    return failures


def _count(urls: list[str]) -> str:
    return f"{len(urls)} detector{'s' if len(urls) > 1 else ''}"


def _conclude(failures: list[str], done: str) -> int:
    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)
    print("smoke test failed" if failures else f"smoke test passed: {done}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
