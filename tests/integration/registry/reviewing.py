"""What tests of reviews do again and again: verifications as they are logged, and their kept pictures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from assay_shared.ids import new_id, utc_now
from assay_shared.keys import KEPT_PICTURES
from assay_shared.wire import Source
from tests.integration.registry.support import HEIGHT, WIDTH, Registry, TestClient

CARTON = {
    "label": "carton",
    "role": "product",
    "confidence": 0.9,
    "box": {"left": -2.0, "top": 20.0, "width": 100.0, "height": 60.0},
}


def record(
    registry: Registry,
    verdict: str = "inconclusive",
    score: float = 0.5,
    *,
    at: datetime | None = None,
    p: float | None = None,
    reason: str = "0 of 1 seals found",
    version: str = "v1",
    products: Sequence[dict[str, Any]] = (),
    left_out: int = 0,
) -> str:
    """Logs a verification, as the verify API does; gives its id. With `p`, the check `appearance` judged."""
    outcome = "pass" if verdict == "genuine" else "unclear"
    checks = [{"name": "marks", "outcome": outcome, "score": score, "reason": reason, "values": {}}]
    if p is not None:
        checks.append({"name": "appearance", "outcome": "pass", "score": p, "reason": "", "values": {"p": p}})
    entry = {
        "id": new_id("ver"),
        "brand": registry.brand,
        "verdict": verdict,
        "score": score,
        "checks": checks,
        "detections": [CARTON],
        "model_version": version,
        "gtin": None,
        "image": {"width": WIDTH, "height": HEIGHT},
        "guidance": [],
        "timings_ms": {"total": 12.5},
        "created_at": (at or utc_now()).isoformat(),
        "request_id": "r1",
        "products": products,
        "products_left_out": left_out,
    }
    answer = registry.service.post("/internal/verifications", json=entry)
    assert answer.status_code == 204, answer.text
    return str(entry["id"])


def keep(registry: Registry, verification: str, content: bytes | None = None) -> Source:
    """Tells that the picture of a verification was sanitised, its original still in the inbox."""
    content = content or verification.encode()
    source = registry.put_raw(f"{verification}.jpg", content, KEPT_PICTURES)
    arrival = registry.tell_image(source, content)
    assert arrival.state == "accepted"
    assert arrival.settled == [source]
    return source


def review(
    registry: Registry, verification: str, truth: str, note: str = "", *, client: TestClient | None = None
) -> Any:
    """Reviews; gives the response."""
    body = {"truth": truth, "note": note}
    return (client or registry.client).post(f"/v1/verifications/{verification}/review", json=body)
