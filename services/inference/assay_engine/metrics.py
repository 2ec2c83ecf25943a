"""What the engine counts. Each worker process counts for itself; `metrics_server.py` adds them up."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

if TYPE_CHECKING:
    from assay_engine.selfcheck import Choice

BYTES = Gauge(
    "assay_engine_tier_bytes",
    "bytes of models in a tier: resident and host by worker, disk as its folder holds",
    ["tier"],
    multiprocess_mode="liveall",
)
LIMIT = Gauge(
    "assay_engine_tier_limit_bytes", "bytes that a tier may hold", ["tier"], multiprocess_mode="liveall"
)
ENTRIES = Gauge("assay_engine_tier_entries", "models in a tier", ["tier"], multiprocess_mode="liveall")
HITS = Counter("assay_engine_tier_hits", "models that were in the tier when they were wanted", ["tier"])
LOADS = Counter("assay_engine_tier_loads", "models brought into a tier from the one below", ["tier"])
FAILURES = Counter("assay_engine_tier_failures", "models that could not be brought into a tier", ["tier"])
EVICTIONS = Counter("assay_engine_tier_evictions", "models given up by a tier for others", ["tier"])
EXHAUSTIONS = Counter(
    "assay_engine_tier_exhaustions", "times that memory or disk ended before the tier's limit did", ["tier"]
)
LOAD_SECONDS = Histogram(
    "assay_engine_load_seconds",
    "seconds to bring a model into a tier, the tiers below included",
    ["tier"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
REQUEST_BRANDS = Histogram(
    "assay_engine_request_brands", "model versions in one request", buckets=(1, 2, 4, 8, 16, 32, 64)
)
RUN_PICTURES = Histogram(
    "assay_engine_run_pictures", "pictures computed in one run of one brand", buckets=(1, 2, 4, 8, 16, 32, 64)
)
COMPUTE_SECONDS = Histogram(
    "assay_engine_compute_seconds",
    "seconds of one run of one brand, or of several where they run at once; boxes included",
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
STRATEGY = Gauge(
    "assay_engine_strategy",
    "1 for what computes in a worker, as its self-check chose",
    ["strategy", "device"],
    multiprocess_mode="liveall",
)
TRIAL_SECONDS = Gauge(
    "assay_engine_trial_seconds",
    "seconds of a picture in the self-check; on a CPU of processor time",
    ["strategy"],
    multiprocess_mode="liveall",
)
TRIAL_TOGETHER_SECONDS = Gauge(
    "assay_engine_trial_together_seconds",
    "seconds of a picture among those of other brands in the self-check, on a GPU",
    ["strategy"],
    multiprocess_mode="liveall",
)
TRIAL_AGREEMENT = Gauge(
    "assay_engine_trial_agreement",
    "share of detections that the self-check found as the reference has them",
    ["strategy"],
    multiprocess_mode="liveall",
)


def count_choice(choice: Choice) -> None:
    """Shows what a worker computes with, and what the self-check measured."""
    STRATEGY.labels(choice.name, choice.device).set(1)
    for trial in choice.trials:
        if trial.milliseconds is not None:
            TRIAL_SECONDS.labels(trial.name).set(trial.milliseconds / 1000)
        if trial.together_milliseconds is not None:
            TRIAL_TOGETHER_SECONDS.labels(trial.name).set(trial.together_milliseconds / 1000)
        if trial.agreement is not None:
            TRIAL_AGREEMENT.labels(trial.name).set(trial.agreement)


class TierMetrics:
    """The metrics of one tier, by its name."""

    def __init__(self, tier: str, limit_bytes: int) -> None:
        self._bytes, self._entries = BYTES.labels(tier), ENTRIES.labels(tier)
        self.hit: Callable[[], None] = HITS.labels(tier).inc
        self.load: Callable[[], None] = LOADS.labels(tier).inc
        self.fail: Callable[[], None] = FAILURES.labels(tier).inc
        self.evict: Callable[[], None] = EVICTIONS.labels(tier).inc
        self.exhaust: Callable[[], None] = EXHAUSTIONS.labels(tier).inc
        self.time_load: Callable[[], AbstractContextManager[object]] = LOAD_SECONDS.labels(tier).time
        LIMIT.labels(tier).set(limit_bytes)
        self.hold(0, 0)

    def hold(self, size: int, entries: int) -> None:
        """What the tier holds now: bytes and models."""
        self._bytes.set(size)
        self._entries.set(entries)
