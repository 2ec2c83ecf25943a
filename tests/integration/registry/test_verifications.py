"""The log of verifications: recorded once, read by those who may, forgotten in time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from assay_registry import verifications
from assay_shared.ids import new_id, utc_now
from tests.integration.registry.learning import change_settings
from tests.integration.registry.support import Registry, both_databases


def verification(brand: str, verdict: str = "genuine", at: datetime | None = None) -> dict[str, Any]:
    return {
        "id": new_id("ver"),
        "brand": brand,
        "verdict": verdict,
        "score": 0.9,
        "checks": [{"name": "marks", "outcome": "pass", "score": 0.9, "reason": "all found", "values": {}}],
        "detections": [],
        "model_version": "v1",
        "gtin": None,
        "image": {"width": 10, "height": 20},
        "guidance": [],
        "timings_ms": {"total": 12.5},
        "created_at": (at or utc_now()).isoformat().replace("+00:00", "Z"),
        "request_id": "r1",
        "products": [
            {
                "label": "tea",
                "gtin": None,
                "confidence": 0.9,
                "box": {"left": 1.0, "top": 2.0, "width": 3.0, "height": 4.0},
                "verdict": verdict,
                "score": 0.9,
                "checks": [],
                "guidance": [],
                "decides": True,
            }
        ],
        "products_left_out": 2,
    }


def record(registry: Registry, *entries: dict[str, Any]) -> None:
    for entry in entries:
        answer = registry.service.post("/internal/verifications", json=entry)
        assert answer.status_code == 204, answer.text


@both_databases
def test_a_verification_is_kept_once_as_it_was_first_told(registry: Registry) -> None:
    entry = verification(registry.brand)
    record(registry, entry, {**entry, "verdict": "counterfeit"})
    told = {**entry, "review": None, "picture": None}
    assert registry.client.get(f"/v1/verifications/{entry['id']}").json() == told
    assert len(registry.client.get(f"{registry.address}/verifications").json()["items"]) == 1


def test_an_entry_that_lists_no_products_is_read(registry: Registry) -> None:
    """Verify APIs of before this field deliver what waited on their disks."""
    entry = verification(registry.brand)
    record(registry, {name: entry[name] for name in entry if not name.startswith("products")})
    told = registry.client.get(f"/v1/verifications/{entry['id']}").json()
    assert (told["products"], told["products_left_out"]) == ([], 0)


def test_a_verification_of_an_unknown_brand_is_not_taken(registry: Registry) -> None:
    answer = registry.service.post("/internal/verifications", json=verification("nobody"))
    assert answer.status_code == 404
    assert registry.client.post("/internal/verifications", json=verification("b")).status_code == 401


@pytest.mark.parametrize(
    ("scope", "one", "all_of_them"),
    [("verify", 200, 200), ("manage", 200, 200), ("upload", 404, 403), ("train", 404, 403)],
)
def test_keys_that_verify_or_manage_may_read(
    registry: Registry, scope: str, one: int, all_of_them: int
) -> None:
    entry = verification(registry.brand)
    record(registry, entry)
    key = registry.make_key(scope)
    assert key.get(f"/v1/verifications/{entry['id']}").status_code == one
    assert key.get(f"{registry.address}/verifications").status_code == all_of_them


def test_another_brands_verifications_do_not_exist(registry: Registry) -> None:
    entry = verification(registry.brand)
    record(registry, entry)
    other = f"{registry.brand}-2"
    registry.client.post("/v1/brands", json={"slug": other, "name": "Other"})
    key = registry.make_key("verify", "manage", brand=other)
    assert key.get(f"/v1/verifications/{entry['id']}").status_code == 404
    assert key.get(f"{registry.address}/verifications").status_code == 404
    assert key.get("/v1/verifications/ver_x").status_code == 404


def test_the_list_is_paged_newest_first_and_filtered(registry: Registry) -> None:
    entries = [verification(registry.brand, verdict) for verdict in ("genuine", "counterfeit") * 3]
    record(registry, *entries)
    newest = [entry["id"] for entry in reversed(entries)]
    seen: list[str] = []
    cursor = None
    while len(seen) < 10:
        page = registry.client.get(
            f"{registry.address}/verifications", params={"limit": 4, **({"cursor": cursor} if cursor else {})}
        ).json()
        seen += [entry["id"] for entry in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == newest
    found = registry.client.get(f"{registry.address}/verifications", params={"verdict": "counterfeit"}).json()
    assert [entry["id"] for entry in found["items"]] == newest[::2]
    wrong = registry.client.get(f"{registry.address}/verifications", params={"verdict": "perhaps"})
    assert wrong.status_code == 422


def test_what_is_older_than_the_brand_wants_is_forgotten(registry: Registry) -> None:
    change_settings(registry, verification_retention_days=30)
    old = verification(registry.brand, at=utc_now() - timedelta(days=31))
    young = verification(registry.brand, at=utc_now() - timedelta(days=29))
    record(registry, old, young)
    verifications.sweep(registry.context)
    assert registry.client.get(f"/v1/verifications/{old['id']}").status_code == 404
    assert registry.client.get(f"/v1/verifications/{young['id']}").status_code == 200
