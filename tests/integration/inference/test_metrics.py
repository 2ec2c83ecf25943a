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
