"""What the box lets out, and what runs in it: one port, no root, no default secret, each brand apart."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from minio.error import S3Error

from deploy.local.brand_client import BrandClient, BrandFailed
from tests.support.box import PATH, REPOSITORY, Box, docker

pytestmark = pytest.mark.timeout(2400)
BENT: dict[str, Any] = {"Prefix": "wall/"}
"""MinIO asks its policy about a header or parameter of this name, and lists `prefix`."""
MAX_IMAGE_MB = 350
OPENCV_MB = 155
"""OpenCV's wheel and the libraries in it: the verify API needs it, and is over the limit by as much."""
OFFICIAL_BASE_MB = 75
"""Of debian:bookworm-slim on x86-64, uncompressed."""
OVERLAYS = sorted(path.name for path in (REPOSITORY / "deploy").glob("compose.*.yml"))


@pytest.fixture(scope="module")
def brands(box: Box) -> Iterator[tuple[BrandClient, BrandClient]]:
    """Two brands, the name of one beginning with the other's, each with an upload of its own."""
    with box.new_brand("wall") as one, box.new_brand("wall-paper") as other:
        yield one, other


def test_nothing_but_the_gateway_is_published(box: Box) -> None:
    published = {
        item["Config"]["Labels"]["com.docker.compose.service"]
        for item in box.inspect()
        if any(item["HostConfig"]["PortBindings"].values())
    }
    assert published == {"gateway"}
    for item in box.inspect():
        for bindings in item["HostConfig"]["PortBindings"].values():
            assert {binding["HostIp"] for binding in bindings} == {"127.0.0.1"}


def test_no_container_runs_as_root(box: Box) -> None:
    for item in box.inspect():
        name = item["Name"]
        assert item["Config"]["User"] not in {"", "0", "root"}, name
        if item["State"]["Running"]:
            users = docker("top", item["Id"], "-eo", "uid,pid,args").splitlines()[1:]
            # The engine's own init starts as the user of the container as well.
            assert not [line for line in users if line.split()[0] == "0"], f"{name}: {users}"


def test_containers_are_locked_down(box: Box) -> None:
    for item in box.inspect():
        host, name = item["HostConfig"], item["Name"]
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert not host["CapAdd"], name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        assert host["Memory"] > 0, name
        assert host["PidsLimit"] > 0, name
        assert not host["Privileged"], name
        assert host["LogConfig"]["Config"]["max-size"], name
        if item["State"]["Running"]:
            assert host["RestartPolicy"]["Name"] == "unless-stopped", name
            assert item["Config"]["Healthcheck"]["Test"], name
    with pytest.raises(Exception, match="Read-only file system"):
        box.compose("exec", "-T", "registry", "touch", "/app/x")


def test_the_two_large_images_share_their_large_layer(box: Box) -> None:
    layers = {
        name: json.loads(docker("image", "inspect", f"assay-{name}:{box.version}"))[0]["RootFS"]["Layers"]
        for name in ("engine", "trainer", "registry", "ingest", "inference")
    }
    sizes = docker("history", "--no-trunc", "--format", "{{.Size}}", f"assay-trainer:{box.version}")
    assert "GB" in sizes, "PyTorch is a layer of its own"
    shared = [one for one, other in zip(layers["engine"], layers["trainer"], strict=False) if one == other]
    own = [len(layers[name]) - len(shared) for name in ("engine", "trainer")]
    # Their own packages, scripts, code of two or three packages, its compiled form.
    assert max(own) <= 7, own
    assert layers["registry"][:3] == layers["ingest"][:3] == layers["inference"][:3]


@pytest.mark.parametrize("name", ["registry", "ingest", "store", "gateway", "minio", "inference"])
def test_images_without_torch_are_small(box: Box, figures: dict[str, float], name: str) -> None:
    image = json.loads(docker("image", "inspect", f"assay-{name}:{box.version}"))[0]
    base = json.loads(docker("image", "inspect", "debian:bookworm-slim"))[0]
    # Base images of one name differ in size from machine to machine; the official one is counted.
    size = (image["Size"] - base["Size"]) / 1e6 + OFFICIAL_BASE_MB
    figures[f"image {name}, MB"] = size
    assert image["Config"]["Labels"]["org.opencontainers.image.title"] == f"assay-{name}"
    assert size < (MAX_IMAGE_MB if name != "inference" else MAX_IMAGE_MB + OPENCV_MB)


def test_stores_cannot_reach_out_and_are_apart(box: Box) -> None:
    attached = {
        item["Config"]["Labels"]["com.docker.compose.service"]: {
            name.removeprefix(f"{box.project}_") for name in item["NetworkSettings"]["Networks"]
        }
        for item in box.inspect()
    }
    assert attached["postgres"] == attached["redis"] == {"control"}
    assert attached["minio"] == attached["torchserve"] == {"data"}
    assert "control" not in attached["gateway"]
    for network in ("control", "data"):
        assert json.loads(docker("network", "inspect", f"{box.project}_{network}"))[0]["Internal"]


def test_secrets_are_fresh_and_private(box: Box) -> None:
    env = box.folder / ".env"
    assert env.stat().st_mode & 0o777 == 0o600
    secrets = re.findall(r"^(?:\w*(?:PASSWORD|SECRET|SECRET_KEY|TOKEN))=(.*)$", env.read_text(), re.MULTILINE)
    assert len(secrets) == 11
    assert len(set(secrets)) == len(secrets)
    assert all(re.fullmatch("[0-9a-f]{64}", secret) for secret in secrets)
    assert box.admin_key not in env.read_text()
    before = env.read_text()
    assert "stays as it is" in box.make("init")
    assert env.read_text() == before


def test_without_secrets_nothing_starts(box: Box, tmp_path: Path) -> None:
    empty = tmp_path / "empty.env"
    empty.touch()
    said = box.run(["docker", "compose", "-f", "docker-compose.yml", "--env-file", str(empty), "config"], 15)
    assert "run make init" in said


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_overlay_merges(box: Box, overlay: str) -> None:
    given = ["ASSAY_HOSTNAME=a.example", "HUB_BIND_ADDRESS=10.0.0.1", "WORKER_BIND_ADDRESS=10.0.0.2"]
    given += ["S3_REGION=eu-west-1", "S3_BUCKET_PREFIX=acme-", "ASSAY_SAGEMAKER_REGION=eu-west-1"]
    given += ["ASSAY_SAGEMAKER_BUCKET=acme", "ASSAY_SAGEMAKER_ROLE_ARN=arn:aws:iam::123456789012:role/a"]
    command = ["env", f"PATH={PATH}", *given, "GRAFANA_ADMIN_PASSWORD=x", "docker", "compose"]
    box.run([*command, "-f", "docker-compose.yml", "-f", f"deploy/{overlay}", "config", "-q"])


def test_no_inside_route_through_the_gateway(box: Box) -> None:
    for path in ("/internal/sources/unknown", "/metrics", "/readyz", "/livez", "//metrics", "/events/minio"):
        assert httpx.get(box.api + path).status_code == 404, path


def test_another_brands_key_sees_nothing(brands: tuple[BrandClient, BrandClient]) -> None:
    one, other = brands
    upload = other.start_upload()
    for method, path in (
        ("GET", "/v1/brands/wall-paper"),
        ("GET", "/v1/brands/wall-paper/images"),
        ("GET", f"/v1/brands/wall-paper/uploads/{upload}"),
        ("PUT", f"/v1/brands/wall-paper/uploads/{upload}/files/x.jpg"),
        ("POST", "/v1/brands/wall-paper/training-runs"),
    ):
        with pytest.raises(BrandFailed, match="answered 404"):
            one.call_any(method, path)


def test_another_brands_s3_credentials_reach_nothing(brands: tuple[BrandClient, BrandClient]) -> None:
    one, other = brands
    other.store.put_object("uploads", "wall-paper/up/own.txt", io.BytesIO(b"own"), 3)
    assert [item.object_name for item in other.store.list_objects("uploads", "wall-paper/", recursive=True)]
    for attempt in (
        lambda: list(one.store.list_objects("uploads", "wall-paper/", recursive=True)),
        lambda: list(one.store.list_objects("uploads", "wall", recursive=True)),
        lambda: list(one.store.list_objects("uploads", recursive=True)),
        lambda: one.store.get_object("uploads", "wall-paper/up/own.txt"),
        lambda: one.store.stat_object("uploads", "wall-paper/up/own.txt"),
        lambda: one.store.put_object("uploads", "wall-paper/up/x.txt", io.BytesIO(b"x"), 1),
        lambda: one.store.put_object("uploads", "elsewhere/x.txt", io.BytesIO(b"x"), 1),
        lambda: one.store.remove_object("uploads", "wall-paper/up/own.txt"),
        lambda: list(one.store.list_objects("uploads", "wall-paper/", extra_headers=BENT)),
        lambda: list(one.store.list_objects("uploads", "wall-paper/", extra_query_params=BENT)),
        lambda: list(one.store.list_objects("images", recursive=True)),
        lambda: list(one.store.list_objects("live", recursive=True)),
        lambda: one.store.get_object("live", "wall-paper/brand.json"),
        lambda: one.store.list_buckets(),
        lambda: one.store.make_bucket("mine"),
    ):
        with pytest.raises(S3Error) as refused:
            attempt()
        assert refused.value.code == "AccessDenied"


def test_the_s3_door_refuses_what_the_store_mishandles(box: Box) -> None:
    door = f"http://127.0.0.1:{box.ports.get('s3')}"
    unsigned = {"X-Amz-Content-Sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}
    answer = httpx.put(f"{door}/uploads/wall/up/x", headers=unsigned, content=b"x")
    assert answer.status_code == 501
    assert "AWS_REQUEST_CHECKSUM_CALCULATION" in answer.text
    for headers in ({"X-Amz-Meta-Snowball-Auto-Extract": "true"}, {"X-Amz-Copy-Source": "/images/a/b"}):
        assert httpx.put(f"{door}/uploads/wall/up/x", headers=headers, content=b"x").status_code == 501
    for path in ("/minio/admin/v3/info", "/minio/health/live", "/minio/v2/metrics/cluster", "/images/", "/"):
        assert httpx.get(door + path).status_code == 403, path
        assert httpx.post(door + path).status_code == 403, path
    assert httpx.get(f"{door}/uploads/wall/up/x").status_code == 403, "no anonymous access"


def test_no_answer_names_an_address_inside(box: Box, brands: tuple[BrandClient, BrandClient]) -> None:
    for path in ("/", "/v1/openapi.json", "/docs", "/login"):
        text = httpx.get(box.api + path).text
        for inside in ("minio:9000", "registry:8001", "inference:8003", "torchserve:8080"):
            assert inside not in text, path
