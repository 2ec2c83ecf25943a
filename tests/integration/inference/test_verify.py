"""The verify API over HTTP, with a real object store and a real TorchServe."""

from __future__ import annotations

import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from PIL import Image

from assay_engine import framing
from assay_engine.settings import TorchServeSettings
from assay_engine.watchdog import Watchdog
from assay_shared.keys import UPLOADS
from assay_shared.wire import KeptPictures, Verification
from tests.integration.inference.conftest import (
    ADMIN,
    KEY,
    OTHER_KEY,
    TEA,
    UNREGISTERED,
    Inference,
    photograph,
)
from tests.support.live_model import publish_brand, publish_model, random_weights
from tests.support.waiting import wait_until

PREFIX = "urn:assay:problem:"


def problem_of(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["detail"]
    return answer.status_code, body["type"].removeprefix(PREFIX)


@pytest.mark.parametrize(
    "fields",
    [
        {"brand": "acme"},
        {"gtin": "4006381333931"},
        {"gtin": "https://id.gs1.org/01/04006381333931"},
        {"brand": "acme", "gtin": "4006381333931"},
        {},
    ],
    ids=["brand", "gtin", "link", "both", "barcode"],
)
def test_a_picture_is_judged(inference: Inference, photo: bytes, fields: dict[str, str]) -> None:
    answer = inference.verify(photo, **fields)
    assert answer.status_code == 200, answer.text
    verification = Verification.model_validate(answer.json())
    assert verification.brand == "acme"
    assert verification.model_version == "mdl_1"
    assert verification.gtin == TEA
    assert verification.image == {"width": 1280, "height": 960}
    assert {check.name for check in verification.checks} == {
        "image_quality",
        "barcode",
        "product",
        "marks",
        "counterfeit_marks",
        "appearance",
    }
    assert {"decode", "barcode", "letterbox", "engine", "checks", "total"} <= verification.timings_ms.keys()
    assert answer.headers["X-Request-Id"] == verification.request_id


def test_who_may_verify(inference: Inference, photo: bytes) -> None:
    assert inference.verify(photo, ADMIN, brand="acme").status_code == 200
    assert problem_of(inference.verify(photo, OTHER_KEY, brand="acme")) == (404, "not-found")
    assert problem_of(inference.verify(photo, OTHER_KEY)) == (404, "not-found")
    assert problem_of(inference.verify(photo, "wrong", brand="acme")) == (401, "not-authenticated")
    assert problem_of(inference.verify(photo, None, brand="acme")) == (401, "not-authenticated")
    assert problem_of(inference.verify(photo, None, brand="nobody")) == (401, "not-authenticated")
    assert inference.verify(photo, None, brand="open").status_code == 200
    assert inference.verify(photo, OTHER_KEY, brand="open").status_code == 200
    cookie = {"cookie": f"assay_key={KEY}"}
    answer = httpx.post(
        f"{inference.api}/v1/verifications", files={"image": photo}, headers=cookie, timeout=30
    )
    assert answer.status_code == 200
    wrong = httpx.post(
        f"{inference.api}/v1/verifications",
        files={"image": photo},
        headers={"Authorization": "Basic abc"},
        timeout=30,
    )
    assert problem_of(wrong) == (401, "not-authenticated")


def test_another_brands_code_is_named_so_and_its_brand_is_not(inference: Inference) -> None:
    answer = inference.verify(photograph("0000096385074"), brand="acme")
    assert answer.status_code == 200, answer.text
    [check] = [one for one in answer.json()["checks"] if one["name"] == "barcode"]
    assert check["outcome"] in ("fail", "unclear")
    assert "belongs to another product" in check["reason"]
    assert [one["gtin"] for one in check["values"]["read"]] == ["00000096385074"]
    assert "open" not in json.dumps([answer.json()["brand"], check, answer.json()["guidance"]])


def test_unknown_things(inference: Inference, photo: bytes) -> None:
    assert problem_of(inference.verify(photo, brand="nobody")) == (404, "not-found")
    assert problem_of(inference.verify(photo, brand="../acme")) == (404, "not-found")
    assert problem_of(inference.verify(photo, gtin=UNREGISTERED)) == (404, "not-found")
    assert problem_of(inference.verify(photograph("0036000291452"))) == (404, "not-found")
    assert problem_of(inference.verify(photo, OTHER_KEY, brand="bolt")) == (409, "no-live-model")
    assert problem_of(inference.verify(photo, gtin="4006381333932")) == (422, "invalid-request")
    unnamed = inference.verify(photograph(None))
    assert problem_of(unnamed) == (422, "brand-unknown")
    assert "barcode" in " ".join(unnamed.json()["guidance"])


def test_bad_pictures(inference: Inference, photo: bytes) -> None:
    bomb = io.BytesIO()
    Image.new("1", (12_000, 12_000)).save(bomb, "PNG")
    cases = {
        b"": (422, "invalid-request"),
        photo[: len(photo) // 2]: (422, "invalid-request"),
        b"%PDF-1.7": (415, "unsupported-media"),
        bomb.getvalue(): (413, "too-large"),
        b"\0" * 26_000_000: (413, "too-large"),
        b"\0" * 100_000_000: (413, "too-large"),
    }
    for data, expected in cases.items():
        assert problem_of(inference.verify(data, brand="acme")) == expected


def test_bad_forms(inference: Inference, photo: bytes) -> None:
    url, headers = f"{inference.api}/v1/verifications", {"Authorization": f"Bearer {KEY}"}

    def post(**content: object) -> tuple[int, str]:
        return problem_of(httpx.post(url, **{"headers": headers, "timeout": 30, **content}))  # type: ignore[arg-type]

    assert post(json={"image": "x"}) == (415, "unsupported-media")
    assert post(data={"image": "x"}, files={"brand": b"acme"}) == (422, "invalid-request")
    assert post(files={"photo": photo}) == (422, "invalid-request")
    assert post(files={"image": photo}, data={"colour": "red"}) == (422, "invalid-request")
    assert post(files=[("image", photo), ("image", photo)]) == (422, "invalid-request")
    form = {**headers, "Content-Type": "multipart/form-data"}
    assert post(content=b"no boundary", headers=form) == (422, "invalid-request")

    def endless() -> object:
        yield b"--x\r\nContent-Disposition: form-data; name=image; filename=a\r\n\r\n"
        for _ in range(30):
            yield b"\0" * 1_000_000

    chunked = {**headers, "Content-Type": "multipart/form-data; boundary=x"}
    assert post(content=endless(), headers=chunked) == (413, "too-large")


def test_a_promoted_version_is_picked_up(inference: Inference, photo: bytes) -> None:
    publish_brand(inference.store, "fresh", verify_keys=["assay_fresh"])
    assert problem_of(inference.verify(photo, "assay_fresh", brand="fresh")) == (409, "no-live-model")
    for version, seed in (("mdl_1", 1), ("mdl_2", 2)):
        publish_model(inference.store, "fresh", version, random_weights(seed))

        def judged_by(wanted: str = version) -> bool:
            answer = inference.verify(photo, "assay_fresh", brand="fresh")
            return answer.status_code == 200 and answer.json()["model_version"] == wanted

        wait_until(judged_by, 15, f"version {version} judges")


def test_a_broken_version_is_its_brands_trouble_alone(inference: Inference, photo: bytes) -> None:
    publish_brand(inference.store, "broken", verify_keys=["assay_broken"])
    publish_model(inference.store, "broken", "mdl_1", inference.weights)
    inference.store.put("live", "broken/mdl_1/model.safetensors", b"rotten")

    def refused() -> httpx.Response | None:
        answer = inference.verify(photo, "assay_broken", brand="broken")
        return answer if answer.status_code == 503 else None

    answer = wait_until(refused, 15, "the corrupt model is refused")
    assert problem_of(answer) == (503, "model-unavailable")
    assert answer.headers["Retry-After"]
    assert inference.verify(photo, brand="acme").status_code == 200


def test_the_engine_answers_garbage_with_a_reason(inference: Inference) -> None:
    answer = httpx.post(
        f"{inference.engine}/predictions/engine",
        content=b"garbage",
        headers={"Content-Type": framing.CONTENT_TYPE},
        timeout=20,
    )
    assert answer.status_code == 400
    assert "must start with" in answer.text


def test_torchserve_says_how_many_workers_are_ready(inference: Inference) -> None:
    environment = inference.programs["torchserve"].environment
    watchdog = Watchdog(
        TorchServeSettings(
            data_dir=inference.folder / "torchserve",
            torchserve_port=int(environment["ASSAY_TORCHSERVE_PORT"]),
            torchserve_management_port=int(environment["ASSAY_TORCHSERVE_MANAGEMENT_PORT"]),
        ),
        1,
    )
    assert watchdog.count_ready() == 1
    [worker] = inference.workers()
    worker.kill()
    wait_until(lambda: watchdog.count_ready() == 0, 10, "the worker is missed")
    wait_until(lambda: watchdog.count_ready() == 1, 60, "a worker is back")
    watchdog.stop()


def test_metrics_and_the_api_document(inference: Inference, photo: bytes) -> None:
    inference.verify(photo, brand="acme")
    metrics = httpx.get(f"{inference.api}/metrics", timeout=10).text
    for name in (
        "assay_verdicts_total",
        "assay_verification_seconds",
        "assay_engine_queue_depth",
        "assay_engine_queue_seconds",
        "assay_engine_batch_brands",
        "assay_engine_host_up",
        'assay_engine_refused_total{cause="flood"}',
    ):
        assert name in metrics
    document = httpx.get(f"{inference.api}/openapi.json", timeout=10).json()
    operation = document["paths"]["/v1/verifications"]["post"]
    assert operation["requestBody"]["content"]["multipart/form-data"]["schema"]["required"] == ["image"]
    assert {"200", "401", "404", "409", "413", "415", "422", "429", "503"} <= operation["responses"].keys()
    assert "Problem" in document["components"]["schemas"]


def test_a_killed_worker_is_survived(inference: Inference, photo: bytes) -> None:
    """Callers get answers or 503 with Retry-After, never a hang; healthy again by itself."""
    stop = threading.Event()

    def keep_asking() -> list[httpx.Response]:
        answers = []
        while not stop.is_set():
            answers.append(inference.verify(photo, brand="acme"))
        return answers

    with ThreadPoolExecutor(3) as pool:
        asking = [pool.submit(keep_asking) for _ in range(3)]
        [victim] = inference.workers()
        wait_until(lambda: victim.cpu_times().user > 0, 5)
        victim.kill()
        psutil.wait_procs([victim], 5)
        wait_until(lambda: [worker for worker in inference.workers() if worker != victim], 30, "a new worker")
        wait_until(
            lambda: httpx.get(f"{inference.api}/readyz", timeout=15).status_code == 200, 30, "ready again"
        )
        stop.set()
        answers = [answer for one in asking for answer in one.result(60)]
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert all(answer.headers["Retry-After"] for answer in answers if answer.status_code == 503)
    assert inference.verify(photo, brand="acme").status_code == 200


def test_registry_down_then_up_and_the_log_arrives(inference: Inference, photo: bytes) -> None:
    answer = inference.verify(photo, brand="acme")
    sent = answer.json()["id"]
    spool = inference.folder / "inference" / "log"
    assert (spool / f"{sent}.json").exists()
    received: list[dict[str, object]] = []

    class Registry(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            received.append(body)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    address = urlsplit(inference.programs["inference"].environment["ASSAY_REGISTRY_URL"])
    server = ThreadingHTTPServer(("127.0.0.1", address.port or 0), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        wait_until(lambda: not list(spool.glob("*.json")), 30, "the spool is empty")
        assert sent in {entry["id"] for entry in received}
        assert len({entry["id"] for entry in received}) == len(received)
    finally:
        server.shutdown()
        server.server_close()


def test_pictures_are_kept_as_the_brand_says_and_wait_for_the_store(
    inference: Inference, photo: bytes
) -> None:
    settings: list[tuple[str, KeptPictures]] = [("keeps-all", "all"), ("keeps-none", "none")]
    for slug, kept in settings:
        publish_brand(inference.store, slug, verify_keys=[f"assay_{slug}"], kept_pictures=kept)
        publish_model(inference.store, slug, "mdl_1", inference.weights)

    def keeps(slug: str) -> str | None:
        answer = inference.verify(photo, f"assay_{slug}", brand=slug)
        return str(answer.json()["id"]) if answer.status_code == 200 else None

    def stored(slug: str) -> set[str]:
        return {found.key for found in inference.store.list(UPLOADS, f"{slug}/")}

    wait_until(lambda: keeps("keeps-none") is not None, 20, "the brands are known")
    wait_until(lambda: keeps("keeps-all") is not None, 20, "the brands are known")
    first = keeps("keeps-all")
    key = f"keeps-all/kept-pictures/{first}.jpg"
    wait_until(lambda: key in stored("keeps-all"), 20, "the store has it")
    assert inference.store.get(UPLOADS, key) == photo
    assert stored("keeps-none") == set()

    inference.supervisor.down("store")
    try:
        later = [keeps("keeps-all") for _ in range(3)]
        assert None not in later
        waiting = {path.stem for path in (inference.folder / "inference/pictures/keeps-all").iterdir()}
        assert waiting == set(later)
    finally:
        inference.supervisor.up(inference.programs["store"])
    wait_until(
        lambda: {f"keeps-all/kept-pictures/{name}.jpg" for name in later} <= stored("keeps-all"),
        30,
        "nothing is lost",
    )


def test_the_store_is_down_and_verifying_goes_on_even_after_a_restart(
    inference: Inference, photo: bytes
) -> None:
    assert inference.verify(photo, brand="acme").status_code == 200
    inference.supervisor.down("store")
    try:
        assert inference.verify(photo, brand="acme").status_code == 200
        inference.supervisor.down("inference")
        inference.supervisor.up(inference.programs["inference"])
        for fields in ({"brand": "acme"}, {}):
            assert inference.verify(photo, **fields).status_code == 200
    finally:
        inference.supervisor.up(inference.programs["store"])


def test_torchserve_leaves_no_process_behind(inference: Inference) -> None:
    launcher = psutil.Process(inference.supervisor.pids()["torchserve"])
    tree = launcher.children(recursive=True)
    assert len(tree) >= 2
    launcher.terminate()
    _, alive = psutil.wait_procs([launcher, *tree], 15)
    assert alive == []
