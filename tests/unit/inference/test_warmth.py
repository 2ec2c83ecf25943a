from __future__ import annotations

import pytest

from assay_inference import warmth
from assay_inference.warmth import Warmth


def test_what_is_remembered_is_known_until_forgotten() -> None:
    known = Warmth()
    known.remember(("acme", "v1"))
    assert known.knows(("acme", "v1"))
    known.forget(("acme", "v1"))
    known.forget(("acme", "v1"))
    assert not known.knows(("acme", "v1"))


def test_the_oldest_is_given_up_and_everything_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warmth, "REMEMBERED", 2)
    known = Warmth()
    for version in ("v1", "v2", "v1", "v3"):
        known.remember(("acme", version))
    assert [known.knows(("acme", version)) for version in ("v1", "v2", "v3")] == [True, False, True]
    monkeypatch.setattr(warmth, "SECONDS", 0.0)
    assert not known.knows(("acme", "v1"))
