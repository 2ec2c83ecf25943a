"""The pages: who sees what, and that what is there is shown."""

from __future__ import annotations

from typing import Any

import pytest

from assay_registry.charts import HEIGHT, WIDTH, draw_curves
from assay_shared.auth import COOKIE
from assay_shared.model_description import Disagreement
from assay_shared.serving import configure_server
from assay_shared.wire import Shortage
from tests.integration.registry.learning import judge, lease, make_packaged, teach
from tests.integration.registry.reviewing import keep, record, review
from tests.integration.registry.support import Registry, TestClient, sha256_of


def log_in(registry: Registry, *scopes: str) -> TestClient:
    """A browser that has logged in with a new key of the brand."""
    made = registry.client.post(f"{registry.address}/keys", json={"name": "k", "scopes": list(scopes)})
    browser = TestClient(registry.app, follow_redirects=False)
    answer = browser.post("/login", data={"key": f" {made.json()['key']} ", "next": "/brands"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/brands"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    return browser


@pytest.mark.parametrize(
    ("trusted", "caller", "scheme", "secure"),
    [
        ("10.0.0.0/8", "10.1.2.3", "https", True),
        ("10.0.0.0/8", "10.1.2.3", "http", False),
        ("10.0.0.0/8", "192.168.1.1", "https", False),
        (None, "127.0.0.1", "https", True),
        (None, "10.1.2.3", "https", False),
    ],
)
def test_the_cookie_is_secure_where_the_gateway_says_https(
    registry: Registry,
    monkeypatch: pytest.MonkeyPatch,
    trusted: str | None,
    caller: str,
    scheme: str,
    secure: bool,
) -> None:
    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    if trusted:
        monkeypatch.setenv("FORWARDED_ALLOW_IPS", trusted)
    # As `python -m assay_registry` serves it.
    config = configure_server(registry.app, "127.0.0.1", 0)
    config.load()
    made = registry.client.post(f"{registry.address}/keys", json={"name": "k", "scopes": ["manage"]})
    browser = TestClient(
        config.loaded_app,
        follow_redirects=False,
        client=(caller, 50000),
        headers={"X-Forwarded-Proto": scheme},
    )
    answer = browser.post("/login", data={"key": made.json()["key"]})
    assert answer.status_code == 303
    assert ("secure" in answer.headers["set-cookie"].lower().split("; ")) == secure


def test_a_wrong_key_does_not_log_in(registry: Registry) -> None:
    browser = TestClient(registry.app, follow_redirects=False)
    answer = browser.post("/login", data={"key": "assay_wrong"})
    assert answer.status_code == 401
    assert "unknown or revoked" in answer.text
    assert COOKIE not in answer.headers.get("set-cookie", "")


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "/\\evil.example"])
def test_logging_in_leads_nowhere_else(registry: Registry, elsewhere: str) -> None:
    browser = TestClient(registry.app, follow_redirects=False)
    assert "evil" not in browser.get("/login", params={"next": elsewhere}).text
    key = registry.client.post(f"{registry.address}/keys", json={"name": "k", "scopes": ["manage"]}).json()[
        "key"
    ]
    assert browser.post("/login", data={"key": key, "next": elsewhere}).headers["location"] == "/brands"


def test_pages_without_a_key(registry: Registry) -> None:
    browser = TestClient(registry.app, follow_redirects=False)
    page = browser.get("/")
    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "<script>" not in page.text  # the policy would not run it
    assert browser.get("/brands").headers["location"] == "/login?next=/brands"
    assert browser.get(f"/brands/{registry.brand}").status_code == 303
    for file in ("style.css", "verify.js", "upload.js", "brand.js", "brands.js", "api.js", "icon.svg"):
        assert browser.get(f"/static/{file}").status_code == 200


def test_a_brand_sees_its_own_page_alone(registry: Registry) -> None:
    browser = log_in(registry, "upload", "train", "manage")
    assert browser.get("/brands").headers["location"] == f"/brands/{registry.brand}"
    assert browser.get(f"/brands/{registry.brand}").status_code == 200
    other = f"{registry.brand}-2"
    registry.client.post("/v1/brands", json={"slug": other, "name": "Other"})
    assert browser.get(f"/brands/{other}").status_code == 404
    assert log_in(registry, "verify").get(f"/brands/{registry.brand}").status_code == 403


def test_another_site_cannot_use_the_cookie(registry: Registry) -> None:
    browser = log_in(registry, "upload")
    address = f"{registry.address}/uploads"
    assert browser.post(address).status_code == 201
    assert browser.post(address, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert browser.post(address, headers={"Origin": "https://evil.example"}).status_code == 403
    assert browser.post(address, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 201


def test_the_page_shows_images_runs_versions_and_refusals(registry: Registry) -> None:
    teach(registry, 12, "carton")
    run = make_packaged(registry)
    judge(registry, run)
    source = registry.source("<b>.jpg", b"x")
    registry.service.post(
        "/internal/quarantines",
        json={"source": source.model_dump(), "code": "truncated", "reason": "It ends too early"},
    )
    page = log_in(registry, "manage").get(f"/brands/{registry.brand}").text
    assert "succeeded" in page
    assert "report/curves.png" in page
    assert page.count("<figure") >= 12
    assert "It ends too early" in page
    assert "<b>.jpg" not in page
    assert "&lt;b&gt;.jpg" in page


def test_the_page_of_reviews(registry: Registry) -> None:
    browser = log_in(registry, "manage", "upload")
    address = f"/brands/{registry.brand}/review"
    assert f'href="{address}"' in browser.get(f"/brands/{registry.brand}").text
    assert "Nothing is left to review" in browser.get(address).text
    sure = record(registry, "genuine", 0.95)
    kept, boxed = record(registry, "inconclusive", 0.5, reason="<b>blurred</b>"), record(registry)
    keep(registry, kept)
    keep(registry, boxed)
    review(registry, boxed, "counterfeit")
    page = browser.get(address).text
    assert page.index(kept) < page.index(sure)
    assert f"images/{sha256_of(kept.encode())}/content" in page
    assert "&lt;b&gt;blurred&lt;/b&gt;" in page
    assert "The picture was not kept" in page
    assert f'data-image="{sha256_of(boxed.encode())}"' in page
    assert 'width="98.0"' in page
    assert f'data-verification="{boxed}"' not in page
    assert page.count("data-truth=") == 6
    assert browser.get("/static/review.js").status_code == 200


def test_the_page_of_reviews_lists_several_products(registry: Registry) -> None:
    def product(label: str, verdict: str) -> dict[str, Any]:
        box = {"left": 0, "top": 0, "width": 1, "height": 1}
        score = 0.9 if verdict == "genuine" else 0.1
        return {
            **{"label": label, "confidence": 0.9, "box": box, "verdict": verdict, "score": score},
            **{"checks": [], "guidance": [], "decides": verdict != "genuine"},
        }

    products = [product("<i>tea</i>", "counterfeit"), product("soap", "genuine")]
    record(registry, "counterfeit", 0.1, products=products, left_out=3)
    page = log_in(registry, "manage").get(f"/brands/{registry.brand}/review").text
    assert "2 products were judged, 3 more were not" in page
    assert '&lt;i&gt;tea&lt;/i&gt; <span class="counterfeit">counterfeit</span> (0.10)' in page
    assert 'soap <span class="genuine">genuine</span> (0.90)' in page


def test_who_sees_the_page_of_reviews(registry: Registry) -> None:
    address = f"/brands/{registry.brand}/review"
    nobody = TestClient(registry.app, follow_redirects=False)
    assert nobody.get(address).headers["location"] == f"/login?next={address}"
    assert log_in(registry, "verify").get(address).status_code == 403
    assert log_in(registry, "upload", "train").get(address).status_code == 403
    other = f"{registry.brand}-2"
    registry.client.post("/v1/brands", json={"slug": other, "name": "Other"})
    assert log_in(registry, "manage").get(f"/brands/{other}/review").status_code == 404


def test_the_panel_of_a_run(registry: Registry) -> None:
    teach(registry, 12, "carton")
    run = registry.client.post(f"{registry.address}/training-runs", json={}).json()["id"]
    token = lease(registry, run)["token"]
    for epoch in (1, 2):
        progress = {"epoch": epoch, "epochs": 4, "losses": {"box": 2.0 / epoch}, "map50": 0.3 * epoch}
        beat = {"token": token, "state": "training", "progress": progress}
        registry.service.post(f"/internal/training-runs/{run}/heartbeat", json=beat)
    browser = log_in(registry, "train")
    panel = browser.get(f"/brands/{registry.brand}/runs/{run}/panel").text
    assert "epoch 2 of 4" in panel
    assert panel.count("<polyline") == 2
    assert browser.get(f"/brands/{registry.brand}/runs/run_none/panel").status_code == 404


def test_the_page_shows_intervals_what_photos_lack_and_annotations_to_look_at(registry: Registry) -> None:
    (name, *_) = teach(registry, 12, "carton")
    looked_at = Disagreement(
        image=name,
        split="train",
        kind="wrong_label",
        label="<i>seal",
        found="logo",
        confidence=0.91,
        overlap=0.8,
        rank=0.7,
        picture="disagreements/01.png",
    )
    lack = Shortage(label="carton", kind="light", images=0, needed=5, advice="by <b>lamplight")
    run = make_packaged(registry, warnings=[lack], disagreements=[looked_at])
    assert judge(registry, run).json()["state"] == "live"
    assert registry.client.get(f"{registry.address}/training-runs/{run['id']}").json()["warnings"] == [
        lack.model_dump()
    ]
    page = log_in(registry, "train").get(f"/brands/{registry.brand}").text
    assert "image accuracy 0.950 (0.80 to 1.00)" in page
    assert "Figures by label" in page
    assert "of 20 held-out photos" in page
    assert "by &lt;b&gt;lamplight" in page
    assert "Wrong label?" in page
    assert "&lt;i&gt;seal annotated, logo seen" in page
    assert "confidence 0.91" in page
    assert page.count(f"/model-versions/{run['model_version']}/report/disagreements/01.png") == 1
    picture = f"{registry.address}/model-versions/{run['model_version']}/report/disagreements/01.png"
    assert registry.client.get(picture).headers["content-type"] == "image/png"


def test_curves() -> None:
    history = [
        {"epoch": 1, "losses": {"box": 3.0, "cls": 1.0}, "map50": None},
        {"epoch": 2, "losses": {"box": 1.5, "cls": 0.5}, "map50": 0.5},
    ]
    loss, map50 = draw_curves(history)
    assert (loss.name, loss.last) == ("loss", 2.0)
    assert loss.points == f"{WIDTH / 2:.1f},0.0 {WIDTH:.1f},{HEIGHT / 2:.1f}"
    assert map50.points == f"{WIDTH:.1f},{HEIGHT / 2:.1f}"
    assert draw_curves([]) == []
