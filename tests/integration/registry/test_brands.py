from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from assay_registry.background import BackgroundWork
from assay_registry.context import Context
from assay_registry.publishing import publish, publish_pending
from assay_shared.gtin import check_digit
from assay_shared.keys import LIVE, brand_key
from assay_shared.wire import PublishedBrand
from tests.integration.registry.support import Registry, TestClient, both_databases

GTIN = "4006381333931"


def published(registry: Registry) -> PublishedBrand:
    return PublishedBrand.model_validate(registry.context.store.get_json(LIVE, brand_key(registry.brand)))


def unused_gtin(registry: Registry, number: int = 0) -> str:
    """A GTIN-13 of the brand's own, so that tests on one database do not meet."""
    body = f"{int(registry.brand[1:], 16) % 10**10:010d}{number:02d}"
    return f"{body}{check_digit(body)}"


@both_databases
def test_brand_is_made_changed_and_published(registry: Registry) -> None:
    taken = registry.client.post("/v1/brands", json={"slug": registry.brand, "name": "Again"})
    assert (taken.status_code, taken.json()["type"]) == (409, "urn:assay:problem:conflict")
    shares = {"doubted_share": 0.01, "inconclusive_share": 0.1}
    settings = {"public_verification": True, "thresholds": {"logo": 0.4}, **shares}
    changed = registry.client.patch(registry.address, json={"settings": settings})
    assert changed.status_code == 200
    assert changed.json()["settings"]["thresholds"] == {"logo": 0.4}
    assert changed.json()["name"] == "A brand"
    key = registry.make_key("verify", "upload")
    registry.make_key("upload")
    gtin = unused_gtin(registry)
    put = registry.client.put(f"{registry.address}/products/{gtin}", json={"name": "Box", "label": "box"})
    assert put.json() == {"gtin": gtin.zfill(14), "name": "Box", "label": "box"}
    brand = published(registry)
    assert (brand.slug, brand.public_verification, brand.thresholds) == (registry.brand, True, {"logo": 0.4})
    assert {name: getattr(brand, name) for name in shares} == shares
    assert [product.gtin for product in brand.products] == [gtin.zfill(14)]
    assert len(brand.verify_keys) == 1
    assert registry.client.delete(f"{registry.address}/keys/{brand.verify_keys[0].id}").status_code == 204
    assert published(registry).verify_keys == []
    assert key.get(registry.address).status_code == 401


def test_label_of_a_product_is_made_and_roles_change(registry: Registry) -> None:
    gtin = unused_gtin(registry)
    registry.client.put(f"{registry.address}/products/{gtin}", json={"name": "Box", "label": "box"})
    assert registry.client.put(f"{registry.address}/labels/seal", json={"role": "mark"}).status_code == 200
    registry.client.put(f"{registry.address}/labels/seal", json={"role": "counterfeit"})
    registry.client.put(f"{registry.address}/products/{gtin}", json={"name": "Box 2", "label": "box"})
    labels = registry.client.get(f"{registry.address}/labels").json()["items"]
    assert labels == [{"name": "box", "role": "product"}, {"name": "seal", "role": "counterfeit"}]
    products = registry.client.get(f"{registry.address}/products").json()["items"]
    assert [product["name"] for product in products] == ["Box 2"]


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("PUT", "/products/4006381333932", {"name": "x", "label": "y"}, "check digit"),
        ("PUT", "/products/123", {"name": "x", "label": "y"}, "8, 12, 13 or 14 digits"),
        ("PUT", f"/products/{GTIN}", {"name": "", "label": "y"}, "name"),
        ("PUT", f"/products/{GTIN}", {"name": "x", "label": "a/b"}, "label"),
        ("PUT", "/labels/%07", {"role": "mark"}, "label"),
        ("PUT", "/labels/seal", {"role": "king"}, "role"),
        ("PATCH", "", {"naem": "x"}, "naem"),
        ("PATCH", "", {"settings": {"gate": {"min_map50": 2}}}, "min_map50"),
        ("POST", "/keys", {"name": "k", "scopes": ["root"]}, "scopes"),
        ("GET", "/labels?cursor=nonsense", None, "cursor"),
        ("GET", "/labels?limit=201", None, "limit"),
    ],
)
def test_bad_requests_name_what_is_wrong(
    registry: Registry, method: str, path: str, body: dict[str, Any] | None, said: str
) -> None:
    answer = registry.client.request(method, registry.address + path, json=body)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


@both_databases
def test_text_that_no_database_keeps_is_refused_or_kept(registry: Registry) -> None:
    answer = registry.client.patch(registry.address, json={"name": "a\x00b"})
    assert answer.status_code in {200, 422}
    assert registry.client.get("/v1/brands/%00").status_code in {404, 422}


@both_databases
def test_a_gtin_belongs_to_one_brand(registry: Registry) -> None:
    other = f"{registry.brand}-2"
    registry.client.post("/v1/brands", json={"slug": other, "name": "Other"})
    gtin, body = unused_gtin(registry), {"name": "Box", "label": "box"}
    assert registry.client.put(f"{registry.address}/products/{gtin}", json=body).status_code == 200
    refused = registry.client.put(f"/v1/brands/{other}/products/0{gtin}", json=body)
    assert refused.status_code == 409
    assert registry.brand not in refused.text
    assert registry.client.get(f"/v1/brands/{other}/labels").json()["items"] == []


MATRIX = [
    ("POST", "/v1/brands", {"slug": "x", "name": "x"}, None),
    ("PATCH", "{brand}", {"name": "x"}, "admin"),
    ("POST", "{brand}/keys", {"name": "k", "scopes": ["upload"]}, "manage"),
    ("DELETE", "{brand}/keys/none", None, "manage"),
    ("PUT", "{brand}/products/" + GTIN, {"name": "x", "label": "y"}, "manage"),
    ("PUT", "{brand}/labels/seal", {"role": "mark"}, "manage"),
    ("POST", "{brand}/uploads", None, "upload"),
    ("PUT", "{brand}/uploads/none/files/a.jpg", None, "upload"),
    ("PUT", "{brand}/images/none/annotation", {"annotations": []}, "upload"),
    ("DELETE", "{brand}/images/none", None, "manage"),
    ("GET", "{brand}", None, "read"),
    ("GET", "{brand}/keys", None, "read"),
    ("GET", "{brand}/products", None, "read"),
    ("GET", "{brand}/labels", None, "read"),
    ("GET", "{brand}/images", None, "read"),
    ("GET", "{brand}/uploads", None, "read"),
]


def test_scopes(registry: Registry) -> None:
    keys = {scope: registry.make_key(scope) for scope in ("upload", "train", "manage", "verify")}
    other = f"{registry.brand}-2"
    registry.client.post("/v1/brands", json={"slug": other, "name": "Other"})
    stranger = registry.make_key("upload", "train", "manage", "verify", brand=other)
    nobody = TestClient(registry.app)
    for method, path, body, needed in MATRIX:
        address = path.replace("{brand}", registry.address)
        assert nobody.request(method, address, json=body).status_code == 401, path
        seen = stranger.request(method, address, json=body).status_code
        assert seen == (403 if needed is None else 404), path
        for scope, client in keys.items():
            status = client.request(method, address, json=body).status_code
            allowed = scope == needed or (needed == "read" and scope != "verify")
            assert (status == 403) == (not allowed), (path, scope, status)
            assert status != 401
    assert [brand["slug"] for brand in stranger.get("/v1/brands").json()["items"]] == [other]


def test_internal_routes_are_for_services_alone(registry: Registry) -> None:
    assert registry.client.post("/internal/sources/unknown", json=[]).status_code == 401
    assert TestClient(registry.app).post("/internal/sources/unknown", json=[]).status_code == 401
    assert registry.service.post("/internal/sources/unknown", json=[]).json() == []
    assert registry.service.get("/v1/brands").status_code == 401


def test_lists_come_by_page(registry: Registry) -> None:
    names = [f"label-{number:02}" for number in range(7)]
    for name in names:
        registry.client.put(f"{registry.address}/labels/{name}", json={"role": "mark"})
    found, cursor = [], ""
    while True:
        params = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = registry.client.get(f"{registry.address}/labels", params=params).json()
        assert len(page["items"]) <= 3
        found += [label["name"] for label in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == names


def test_a_store_that_is_down_delays_publishing_only(
    registry: Registry, without_store: Callable[[], Context]
) -> None:
    broken = without_store()
    changed = registry.client.patch(registry.address, json={"name": "New name"})
    assert changed.status_code == 200
    assert published(registry).name == "A brand"
    publish_pending(broken)
    assert published(registry).name == "A brand"
    publish_pending(registry.context)
    assert published(registry).name == "New name"


@both_databases
def test_publishers_at_once_leave_the_newest(registry: Registry) -> None:
    def change(number: int) -> None:
        gtin = unused_gtin(registry, number)
        body = {"name": f"Box {number}", "label": f"box-{number % 3}"}
        answer = registry.client.put(f"{registry.address}/products/{gtin}", json=body)
        assert answer.status_code == 200, answer.text

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(change, range(12)))
        list(pool.map(lambda _: publish(registry.context, registry.brand), range(6)))
    assert len(published(registry).products) == 12
    assert published(registry).revision == 13


def test_background_work_goes_on_after_a_job_that_fails(context: Context) -> None:
    done = []

    def crash(_context: Context) -> None:
        raise RuntimeError("broken")

    BackgroundWork(context, (crash, lambda _: done.append("after"))).run_once()
    assert done == ["after"]


def test_a_product_keeps_a_label_of_role_product(registry: Registry) -> None:
    registry.client.put(f"{registry.address}/labels/seal", json={"role": "mark"})
    address = f"{registry.address}/products/{unused_gtin(registry)}"
    refused = registry.client.put(address, json={"name": "Box", "label": "seal"})
    assert refused.status_code == 409
    assert "'mark'" in refused.json()["detail"]
    assert registry.client.put(address, json={"name": "Box", "label": "box"}).status_code == 200
    assert registry.client.put(f"{registry.address}/labels/box", json={"role": "mark"}).status_code == 409
    assert registry.client.get(f"{registry.address}/products").json()["items"][0]["label"] == "box"
