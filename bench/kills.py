"""Verifications while the engine is killed every 15 seconds: `python -m bench.kills [verifications]`.

Real object store, TorchServe with a worker a core, and verify API, over HTTP; CALLERS ask without pause, each
for another brand each time. Brands have detectors whose confidence tells whose they are, so an answer of
another brand's is seen. Every 15 s a worker of the engine gets SIGKILL, every fourth time Java with all of
them. Wanted: no hang, no wrong brand's answer, Retry-After with every refusal. The full figure is of 20,000.
"""

from __future__ import annotations

import io
import itertools
import platform
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx
import numpy as np
import psutil
from PIL import Image

from bench.callers_stack import WORKERS, Stack, run_stack
from tests.support.serving import find_workers

VERIFICATIONS = 2000
CALLERS = 8
BRANDS = 12
SIDE = 160
KILL_SECONDS = 15.0
JAVA_EVERY = 4
HANG_SECONDS = 45.0
"""Beyond the deadline of 20 s, retries and a busy machine: whoever waits longer hangs."""
TOLERANCE = 0.003


@dataclass
class Tally:
    """What came back."""

    right: int = 0
    wrong: list[str] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    without_retry_after: int = 0
    hung: int = 0
    slowest: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def total(self) -> int:
        """All verifications."""
        return self.right + len(self.wrong) + sum(self.refused.values()) + self.hung


def main() -> int:
    """Runs and prints; 0 if everything is as wanted."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else VERIFICATIONS
    tally, done = Tally(), threading.Event()
    with run_stack(BRANDS, SIDE, api=True) as stack:
        started = time.monotonic()
        killer = threading.Thread(target=kill, args=(stack, done))
        killer.start()
        numbers = itertools.count()
        with ThreadPoolExecutor(CALLERS) as pool:
            for asking in [pool.submit(ask, stack, tally, numbers, wanted) for _ in range(CALLERS)]:
                asking.result()
        seconds = time.monotonic() - started
        done.set()
        killer.join()
    print(f"{platform.machine()}, {WORKERS} cores, {tally.total} verifications in {seconds:.0f} s")
    print(f"right {tally.right}, refused {sum(tally.refused.values())}: {tally.refused}")
    print(f"hung {tally.hung} (target 0), slowest {tally.slowest:.1f} s")
    print(f"wrong brand's answers {len(tally.wrong)} (target 0) {tally.wrong[:3]}")
    print(f"refused without Retry-After {tally.without_retry_after} (target 0)")
    return int(bool(tally.hung or tally.wrong or tally.without_retry_after))


def ask(stack: Stack, tally: Tally, numbers: itertools.count[int], wanted: int) -> None:
    """One caller; where it is refused it waits as it is told."""
    photo = draw_photo()
    brands = list(stack.brands)
    with httpx.Client(timeout=HANG_SECONDS, trust_env=False) as http:
        while (number := next(numbers)) < wanted:
            brand = brands[number % len(brands)]
            started = time.monotonic()
            try:
                answer = http.post(
                    f"{stack.api}/v1/verifications", files={"image": photo}, data={"brand": brand}
                )
            except httpx.HTTPError:
                with tally.lock:
                    tally.hung += 1
                continue
            with tally.lock:
                tally.slowest = max(tally.slowest, time.monotonic() - started)
                pause = judge(answer, brand, stack.brands[brand], tally)
            time.sleep(pause)


def judge(answer: httpx.Response, brand: str, confidence: float, tally: Tally) -> float:
    """Counts an answer; the seconds to wait after it."""
    if answer.status_code != httpx.codes.OK:
        kind = f"{answer.status_code} {answer.json()['type'].rpartition(':')[2]}"
        tally.refused[kind] = tally.refused.get(kind, 0) + 1
        tally.without_retry_after += "Retry-After" not in answer.headers
        return float(answer.headers.get("Retry-After", 1))
    body = answer.json()
    found = {detection["confidence"] for detection in body["detections"]}
    if body["brand"] == brand and found and all(abs(one - confidence) < TOLERANCE for one in found):
        tally.right += 1
    else:
        tally.wrong.append(f"{brand}: {body['brand']} {found}, not {confidence}")
    return 0.0


def kill(stack: Stack, done: threading.Event) -> None:
    """Kills until it is done."""
    for count in itertools.count(1):
        if done.wait(KILL_SECONDS):
            return
        supervisor = psutil.Process(stack.supervisor.pids()["torchserve"])
        java = [one for one in supervisor.children() if "java" in one.name()]
        workers = find_workers(stack.supervisor)
        victims = java if count % JAVA_EVERY == 0 else workers[count % max(1, len(workers)) :][:1]
        for victim in victims:
            print(f"kill -9 of {'Java' if victim in java else 'a worker'}", flush=True)
            victim.kill()


def draw_photo() -> bytes:
    """A small JPEG of soft shapes."""
    shapes = np.random.default_rng(1).integers(40, 200, (12, 16, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(shapes).resize((640, 480), Image.Resampling.BICUBIC).save(file, "JPEG")
    return file.getvalue()


if __name__ == "__main__":
    sys.exit(main())
