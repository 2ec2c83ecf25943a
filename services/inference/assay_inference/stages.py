"""The stages of a verification, timed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from prometheus_client import Histogram

STAGES = Histogram(
    "assay_verification_seconds",
    "seconds of each stage of a verification",
    ["stage"],
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)


@dataclass
class Clock:
    """Milliseconds by stage."""

    started: float = field(default_factory=time.perf_counter)
    spent: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Counts the time in the block as that of a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - started
            STAGES.labels(name).observe(seconds)
            self.spent[name] = self.spent.get(name, 0.0) + seconds * 1000

    def read(self) -> dict[str, float]:
        """Milliseconds by stage so far, and in all."""
        total = (time.perf_counter() - self.started) * 1000
        STAGES.labels("total").observe(total / 1000)
        return {name: round(spent, 1) for name, spent in {**self.spent, "total": total}.items()}
