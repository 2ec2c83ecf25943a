"""What the verify API counts."""

from __future__ import annotations

import re

import httpx

from tests.integration.inference.conftest import Inference


def problems(inference: Inference) -> dict[str, float]:
    """Verifications that ended in a problem document, by its type."""
    text = httpx.get(f"{inference.api}/metrics", trust_env=False).text
    found = re.findall(r'^assay_verification_problems_total\{type="([^"]+)"\} (\S+)$', text, re.MULTILINE)
    return {type_: float(number) for type_, number in found}


def test_problems_are_counted_by_type(inference: Inference, photo: bytes) -> None:
    before = problems(inference)
    # There before the first of them: else the first would be no increase.
    assert {"busy", "engine-unavailable", "internal"} <= before.keys()
    assert inference.verify(b"no picture", brand="acme").status_code == 415
    assert inference.verify(photo, brand="acme").status_code == 200
    after = problems(inference)
    assert {type_ for type_ in after if after[type_] > before[type_]} == {"unsupported-media"}
    assert after["unsupported-media"] == before["unsupported-media"] + 1


def test_the_engines_figures_are_served(inference: Inference, photo: bytes) -> None:
    assert inference.verify(photo, brand="acme").status_code == 200
    text = httpx.get(inference.engine_metrics, trust_env=False).text
    # The pinned brand alone is sure to be there, and no more than the tests have published.
    [held] = re.findall(r'^assay_engine_tier_bytes\{[^}]*tier="resident"\} (\S+)$', text, re.MULTILINE)
    assert float(held) >= 0.9 * len(inference.weights)
    [loads] = re.findall(r'^assay_engine_tier_loads_total\{tier="resident"\} (\S+)$', text, re.MULTILINE)
    assert float(loads) >= 1
    assert re.search(r'^assay_engine_strategy\{device="cpu",[^}]*\} 1\.0$', text, re.MULTILINE)
    assert "assay_engine_compute_seconds_count" in text
    assert "assay_engine_trial_seconds{" in text
