"""Figures over time, drift, and what `/metrics` has of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY

from assay_registry import brand_metrics
from assay_registry.brand_metrics import count_brands
from assay_shared.ids import utc_now
from tests.integration.registry.learning import judge, make_packaged, teach
from tests.integration.registry.reviewing import record, review
from tests.integration.registry.support import Registry, both_databases


def read(registry: Registry, **asked: int) -> dict[str, Any]:
    answer = registry.client.get(f"{registry.address}/figures", params=asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def go_live(registry: Registry) -> str:
    """A live model version; gives its name."""
    teach(registry, 30)
    run = make_packaged(registry)
    assert judge(registry, run).json()["state"] == "live"
    return str(run["model_version"])


def value(name: str, brand: str) -> float | None:
    return REGISTRY.get_sample_value(name, {"brand": brand})


@both_databases
def test_verifications_are_counted_by_day_and_of_late(registry: Registry) -> None:
    empty = read(registry)
    assert (empty["days"], empty["newest"]["verifications"], empty["to_review"]) == ([], 0, 0)
    now = utc_now()
    for days_ago in (2, 0):
        at = now - timedelta(days=days_ago)
        record(registry, "genuine", 0.9, at=at, p=0.05)
        record(registry, "genuine", 0.55, at=at, p=1.0)
        record(registry, "counterfeit", 0.1, at=at)
    doubted = record(registry, "inconclusive", 0.5, at=now)
    record(registry, "genuine", 0.9, at=now - timedelta(days=40))
    figures = read(registry)
    old, today = figures["days"]
    assert (old["day"], today["day"]) == (
        (now - timedelta(days=2)).date().isoformat(),
        now.date().isoformat(),
    )
    assert (old["verifications"], old["doubted"], old["counterfeit"], old["inconclusive"]) == (3, 1, 1, 0)
    assert (today["verifications"], today["doubted"], today["inconclusive"]) == (4, 2, 1)
    assert today["p_values"] == [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    assert figures["newest"] == {
        "verifications": 8,
        "doubted": 3,
        "counterfeit": 2,
        "inconclusive": 1,
        "p_values": [2, 0, 0, 0, 0, 0, 0, 0, 0, 2],
    }
    assert figures["to_review"] == 3
    review(registry, doubted, "genuine")
    assert read(registry)["to_review"] == 2
    assert len(read(registry, days=60)["days"]) == 3
    assert registry.client.get(f"{registry.address}/figures", params={"days": 0}).status_code == 422


def test_who_may_read_figures(registry: Registry) -> None:
    assert registry.make_key("manage").get(f"{registry.address}/figures").status_code == 200
    assert registry.make_key("verify").get(f"{registry.address}/figures").status_code == 403
    assert registry.client.get("/v1/brands/nobody/figures").status_code == 404


@both_databases
def test_drift_is_told_from_fifty_p_values_of_the_live_version_on(registry: Registry) -> None:
    version = go_live(registry)
    for _ in range(60):
        record(registry, p=0.001, version="v0")
    for number in range(49):
        record(registry, p=(number + 0.5) / 49 * 0.4, version=version)
    few = read(registry)["drift"]
    assert few == {"model_version": version, "p_values": 49, "distance": None, "p": None, "drifted": False}
    assert "no longer look like" not in registry.client.get(f"/brands/{registry.brand}").text
    record(registry, p=0.2, version=version)
    drift = read(registry)["drift"]
    assert (drift["p_values"], drift["drifted"]) == (50, True)
    assert drift["p"] < 0.01
    assert drift["distance"] == pytest.approx(0.6, abs=0.02)
    page = registry.client.get(f"/brands/{registry.brand}").text
    assert "Live pictures no longer look like those the model was calibrated on" in page


def test_even_p_values_are_no_drift_and_known_counterfeits_do_not_count(registry: Registry) -> None:
    version = go_live(registry)
    for number in range(50):
        record(registry, p=(number + 0.5) / 50, version=version)
    assert read(registry)["drift"]["p"] == 1.0
    fakes = [record(registry, "counterfeit", 0.0, p=0.0001, version=version) for _ in range(30)]
    assert read(registry)["drift"]["drifted"]
    for fake in fakes:
        review(registry, fake, "counterfeit")
    drift = read(registry)["drift"]
    assert (drift["p_values"], drift["drifted"]) == (50, False)


@both_databases
def test_metrics_of_the_busiest_brands(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brand_metrics, "MAX_BRANDS", 1)
    for _ in range(3):
        record(registry, "genuine", 0.9)
    record(registry, "inconclusive", 0.5)
    quiet = f"{registry.brand}-2"
    registry.client.post("/v1/brands", json={"slug": quiet, "name": "Quiet"})
    record(Registry(registry.app, registry.context, registry.client, registry.service, quiet))
    count_brands(registry.context)
    assert value("assay_brand_verifications", registry.brand) == 4
    assert value("assay_brand_doubted_share", registry.brand) == 0.25
    assert value("assay_brand_inconclusive_share", registry.brand) == 0.25
    assert value("assay_brand_drifted", registry.brand) == 0
    assert value("assay_brand_verifications", quiet) is None
