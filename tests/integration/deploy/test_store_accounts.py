"""What each account can do in a real MinIO, and what it is refused."""

from __future__ import annotations

import http.client
import io
import json
import urllib.parse
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from minio import Minio, MinioAdmin
from minio.commonconfig import CopySource
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException, S3Error
from minio.lifecycleconfig import Expiration, NoncurrentVersionExpiration
from minio.signer import presign_v4
from minio.time import utcnow

from assay_shared.errors import NotFound, StoreUnavailable
from assay_shared.keys import BUCKETS, IMAGES, KEPT_PICTURES, LIVE, MODELS, QUARANTINE, UPLOADS
from assay_shared.storage import ObjectStore, connect
from deploy.store.clients import connect_admin, wait_until_ready
from tests.integration.deploy.store_support import SECRETS, SERVICES, Tool

BIG = bytes(6 << 20)
READS = {
    "registry": {UPLOADS, IMAGES, MODELS, LIVE},
    "ingest": {UPLOADS, IMAGES, MODELS},
    "trainer": {IMAGES, MODELS, LIVE},
    "inference": {LIVE},
    "engine": {LIVE},
}
WRITES = {
    "registry": {UPLOADS, IMAGES, QUARANTINE, LIVE},
    "ingest": {UPLOADS, IMAGES, QUARANTINE},
    "trainer": {MODELS},
    "inference": set[str](),
    "engine": set[str](),
}
DELETES = {
    "registry": {UPLOADS, IMAGES, QUARANTINE},
    "ingest": {UPLOADS, QUARANTINE},
    "trainer": set[str](),
    "inference": set[str](),
    "engine": set[str](),
}


def may(call: Callable[[], object]) -> bool:
    """Whether the store allows this."""
    try:
        call()
    except S3Error as error:
        if error.code != "AccessDenied":
            raise
        return False
    return True


def read(user: Minio, bucket: str, key: str) -> bytes:
    response = user.get_object(bucket, key)
    try:
        return response.data
    finally:
        response.close()
        response.release_conn()


def write(user: Minio, bucket: str, key: str, data: bytes) -> None:
    user.put_object(bucket, key, io.BytesIO(data), len(data))


def listed(user: Minio, bucket: str, **how: Any) -> list[str | None]:
    return [found.object_name for found in user.list_objects(bucket, **how)]


def test_setup_changes_only_what_differs(tool: Tool) -> None:
    assert tool.do("setup") == [f"The store at {tool.settings.endpoint} is ready"]
    assert tool.client.get_bucket_versioning(LIVE).status == "Enabled"
    lifecycle = tool.client.get_bucket_lifecycle(LIVE)
    assert lifecycle is not None
    (rule,) = lifecycle.rules
    assert rule.noncurrent_version_expiration == NoncurrentVersionExpiration(30)
    assert rule.expiration == Expiration(expired_object_delete_marker=True)
    for bucket, suffix in ((UPLOADS, None), (MODELS, "model.json")):
        (told,) = tool.client.get_bucket_notification(bucket).queue_config_list
        assert str(told.queue).endswith(":assay:webhook")
        assert (told.suffix_filter_rule and told.suffix_filter_rule.value) == suffix


def test_setup_can_leave_events_out(tool: Tool) -> None:
    tool.monkeypatch.setenv("ASSAY_NOTIFY", "false")
    assert tool.do("setup")[:-1] == ["bucket uploads: no events", "bucket models: no events"]
    assert tool.client.get_bucket_notification(UPLOADS).queue_config_list == []
    tool.monkeypatch.setenv("ASSAY_NOTIFY", "true")
    assert len(tool.do("setup")) == 3


def test_a_changed_secret_takes_effect(tool: Tool) -> None:
    tool.monkeypatch.setenv("S3_ENGINE_SECRET_KEY", "another-secret-of-the-engine")
    assert tool.do("setup")[:-1] == ["account assay-engine: secret changed"]
    tool.as_user("assay-engine", "another-secret-of-the-engine").list_buckets()
    with pytest.raises(S3Error, match="SignatureDoesNotMatch"):
        tool.as_user("assay-engine", SECRETS["assay-engine"]).list_buckets()
    tool.monkeypatch.setenv("S3_ENGINE_SECRET_KEY", SECRETS["assay-engine"])
    assert len(tool.do("setup")) == 2


def test_setup_repairs_an_account_and_leaves_strange_ones(tool: Tool) -> None:
    admin = connect_admin(tool.settings)
    admin.user_add("assay-strange", "x" * 20)
    admin.user_disable("assay-trainer")
    admin.policy_add("assay-engine", policy=json.loads(admin.policy_list())["readwrite"])
    admin.policy_set("readwrite", user="assay-ingest")
    assert tool.do("setup")[:-1] == [
        "account assay-ingest: policy assay-ingest attached",
        "account assay-trainer: secret changed",
        "policy assay-engine: changed",
    ]
    assert "assay-strange" in json.loads(admin.user_list())
    tool.as_user("assay-trainer", SECRETS["assay-trainer"]).list_buckets()
    admin.user_remove("assay-strange")


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_may_do_what_it_does_and_nothing_else(tool: Tool, service: str) -> None:
    user = tool.as_user(f"assay-{service}", SECRETS[f"assay-{service}"])
    for bucket in BUCKETS:
        tool.put(bucket, "b/there", b"there")
        assert may(partial(read, user, bucket, "b/there")) == (bucket in READS[service]), bucket
        assert may(partial(listed, user, bucket)) == (bucket in READS[service]), bucket
        assert may(partial(write, user, bucket, "b/new", b"new")) == (bucket in WRITES[service]), bucket
        assert may(partial(write, user, bucket, "b/big", BIG)) == (bucket in WRITES[service]), bucket
        assert may(partial(user.remove_object, bucket, "b/there")) == (bucket in DELETES[service]), bucket
        assert not may(partial(user.delete_bucket_lifecycle, bucket))
        assert not may(partial(user.set_bucket_policy, bucket, "{}"))
        assert not may(partial(user.get_bucket_notification, bucket))
        assert not may(partial(user.remove_bucket, bucket))
    assert not may(lambda: user.make_bucket("another"))


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_tells_missing_from_forbidden(tool: Tool, service: str) -> None:
    store = ObjectStore(tool.settings_of(f"assay-{service}", SECRETS[f"assay-{service}"]))
    for bucket in READS[service]:
        assert store.stat(bucket, "b/missing") is None
        with pytest.raises(NotFound):
            store.get(bucket, "b/missing")
    store.check()


def test_verifying_puts_pictures_into_the_reserved_upload_alone(tool: Tool) -> None:
    key = f"a/{KEPT_PICTURES}/ver_1.jpg"
    verify = tool.as_user("assay-inference", SECRETS["assay-inference"])
    write(verify, UPLOADS, key, b"picture")
    write(verify, UPLOADS, f"a/{KEPT_PICTURES}/ver_2.jpg", BIG)
    assert not may(lambda: read(verify, UPLOADS, key))
    assert not may(lambda: write(verify, UPLOADS, "a/u/x.jpg", b"x"))
    brand = tool.as_user(*tool.add_brand("a"))
    assert not may(lambda: read(brand, UPLOADS, key))
    assert not may(lambda: write(brand, UPLOADS, key, b"another"))
    ingest = tool.as_user("assay-ingest", SECRETS["assay-ingest"])
    assert read(ingest, UPLOADS, key) == b"picture"


def test_services_move_objects_between_buckets(tool: Tool) -> None:
    tool.put(UPLOADS, "b/u/x.jpg", b"x")
    tool.put(MODELS, "b/v/model.safetensors", BIG)
    tool.put(MODELS, "b/v/training/epoch-00001.tar", b"old")
    tool.put(MODELS, "b/v/report/curves.png", b"curves")
    registry, ingest, trainer = (
        tool.as_user(f"assay-{service}", SECRETS[f"assay-{service}"])
        for service in ("registry", "ingest", "trainer")
    )
    registry.copy_object(LIVE, "b/v/model.safetensors", CopySource(MODELS, "b/v/model.safetensors"))
    for user in (registry, ingest):
        user.copy_object(QUARANTINE, "b/u/etag/x.jpg", CopySource(UPLOADS, "b/u/x.jpg"))
        user.remove_object(QUARANTINE, "b/u/etag/missing.jpg")
    trainer.remove_object(MODELS, "b/v/training/epoch-00001.tar")
    assert not may(lambda: trainer.remove_object(MODELS, "b/v/report/curves.png"))
    assert not may(lambda: trainer.copy_object(MODELS, "b/v/stolen", CopySource(UPLOADS, "b/u/x.jpg")))


@pytest.mark.parametrize("who", [*SERVICES, "brand"])
def test_no_account_has_the_admin_api(tool: Tool, who: str) -> None:
    name, secret = (f"assay-{who}", SECRETS.get(f"assay-{who}", ""))
    if who == "brand":
        name, secret = tool.add_brand("admin-less")
    url = urllib.parse.urlsplit(tool.settings.endpoint)
    admin = MinioAdmin(endpoint=url.netloc, credentials=StaticProvider(name, secret), secure=False)
    calls: list[Callable[[], object]] = [
        admin.info,
        admin.user_list,
        admin.policy_list,
        lambda: admin.user_add("mine", "x" * 20),
        # These two MinIO allows every account for itself, unless they are denied.
        lambda: admin.user_add(name, "x" * 20),
        lambda: admin.add_service_account(access_key="further-key", secret_key="x" * 20),
        lambda: admin.policy_set("consoleAdmin", user=name),
        lambda: admin.config_set("api", {"requests_max": "1"}),
    ]
    for call in calls:
        with pytest.raises(MinioAdminException, match="AccessDenied"):
            call()


def test_a_brand_has_its_own_prefix_and_no_other(tool: Tool) -> None:
    keys = {brand: tool.add_brand(brand) for brand in ("a", "a-b", "ab")}
    for brand in keys:
        tool.put(UPLOADS, f"{brand}/u/secret-of-{brand}.jpg", b"secret")
    user = tool.as_user(*keys["a"])
    user.put_object(UPLOADS, "a/u/ö +%.jpg", io.BytesIO(b"mine"), 4)
    user.put_object(UPLOADS, "a/u/big.jpg", io.BytesIO(BIG), len(BIG))
    assert read(user, UPLOADS, "a/u/ö +%.jpg") == b"mine"
    assert listed(user, UPLOADS, prefix="a/", recursive=True) == [
        "a/u/big.jpg",
        "a/u/secret-of-a.jpg",
        "a/u/ö +%.jpg",
    ]
    with pytest.raises(S3Error, match="NoSuchKey"):
        user.stat_object(UPLOADS, "a/u/missing.jpg")
    assert {bucket.name for bucket in user.list_buckets()} <= {UPLOADS}

    refused: list[Callable[[], object]] = [
        partial(listed, user, UPLOADS),
        partial(listed, user, UPLOADS, prefix="a"),
        partial(listed, user, UPLOADS, prefix="a", recursive=True),
        partial(listed, user, UPLOADS, include_version=True),
        partial(user.remove_object, UPLOADS, "a/u/big.jpg"),
        partial(user.make_bucket, "another"),
        partial(user.set_bucket_policy, UPLOADS, "{}"),
    ]
    for other in ("a-b", "ab", "A", "*", "a*"):
        theirs = f"{other}/u/secret-of-{other}.jpg"
        refused += [
            partial(listed, user, UPLOADS, prefix=f"{other}/"),
            partial(listed, user, UPLOADS, prefix=f"{other}/", include_version=True),
            partial(read, user, UPLOADS, theirs),
            partial(write, user, UPLOADS, theirs, b"x"),
            partial(write, user, UPLOADS, theirs, BIG),
            partial(user.copy_object, UPLOADS, "a/u/got", CopySource(UPLOADS, theirs)),
            partial(user.copy_object, UPLOADS, theirs, CopySource(UPLOADS, "a/u/big.jpg")),
        ]
    for bucket in (IMAGES, QUARANTINE, MODELS, LIVE):
        refused += [
            partial(listed, user, bucket, prefix="a/"),
            partial(read, user, bucket, "a/x"),
            partial(write, user, bucket, "a/x", b"x"),
        ]
    for number, call in enumerate(refused):
        assert not may(call), number


def signed(
    tool: Tool, user: tuple[str, str], method: str, path: str, query: str = "", **headers: str
) -> tuple[int, bytes]:
    """The answer to a presigned request, whose path, query and headers go out as they stand here."""
    url = presign_v4(
        method=method,
        url=urllib.parse.urlsplit(f"{tool.settings.endpoint}{path}?{query}"),
        region="us-east-1",
        credentials=StaticProvider(*user).retrieve(),
        date=utcnow(),
        expires=60,
    )
    connection = http.client.HTTPConnection(url.netloc)
    try:
        connection.request(method, f"{url.path}?{url.query}", headers=headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_a_brand_gets_nowhere_with_bent_requests(tool: Tool) -> None:
    mine, _ = tool.add_brand("bent"), tool.add_brand("a-victim")
    tool.put(UPLOADS, "a-victim/u/secret.jpg", b"the contents")
    tool.put(UPLOADS, "bent/u/own.jpg", b"own")
    assert signed(tool, mine, "GET", "/uploads/bent/u/own.jpg") == (200, b"own")
    assert b"own.jpg" in signed(tool, mine, "GET", "/uploads", "prefix=bent%2F")[1]
    for path in (
        "/uploads/bent/../a-victim/u/secret.jpg",
        "/uploads/bent/%2e%2e/a-victim/u/secret.jpg",
        "/uploads/bent/..%2Fa-victim/u/secret.jpg",
        "/uploads/bent//../a-victim/u/secret.jpg",
        "/images/../uploads/a-victim/u/secret.jpg",
    ):
        for method in ("GET", "PUT"):
            status, answer = signed(tool, mine, method, path)
            assert status >= 300, path
            assert b"the contents" not in answer
    for query in (
        "prefix=a-victim%2F&prefix=bent%2F",
        "list-type=2&prefix=a-victim%2F&prefix=bent%2F",
        "delimiter=%2F&prefix=&prefix=bent%2F",
        "uploads=&prefix=a-victim%2F",
        "list-type=2",
    ):
        status, answer = signed(tool, mine, "GET", "/uploads", query)
        assert (status, b"AccessDenied" in answer) == (403, True), query
    assert tool.content()[UPLOADS, "a-victim/u/secret.jpg"][0] == b"the contents"


def test_why_brands_list_only_behind_a_gateway(tool: Tool) -> None:
    """MinIO judges a header or parameter `Prefix` instead of the prefix that it lists. When this fails, the
    store is mended, and `ASSAY_S3_BRAND_LISTING` can go."""
    mine, _ = tool.add_brand("sly"), tool.add_brand("victim")
    tool.put(UPLOADS, "victim/u/secret.jpg", b"secret")
    honest = ("GET", "/uploads", "list-type=2&prefix=victim%2F")
    bent = ("GET", "/uploads", "Prefix=sly%2F&list-type=2&prefix=victim%2F")
    assert signed(tool, mine, *honest)[0] == 403
    assert b"secret.jpg" in signed(tool, mine, *honest, Prefix="sly/")[1]
    assert b"secret.jpg" in signed(tool, mine, *bent)[1]
    tool.monkeypatch.setenv("ASSAY_S3_BRAND_LISTING", "false")
    assert "policy brand.sly: changed" in tool.do("setup")
    assert signed(tool, mine, *honest, Prefix="sly/")[0] == 403
    assert signed(tool, mine, *bent)[0] == 403
    tool.as_user(*mine).put_object(UPLOADS, "sly/u/x.jpg", io.BytesIO(b"x"), 1)


def test_credentials_are_listed_and_removed(tool: Tool) -> None:
    one, two, other = tool.add_brand("shoes"), tool.add_brand("shoes"), tool.add_brand("shoes-2")
    assert one != two
    found = [json.loads(line) for line in tool.do("brand-credentials", "list", "shoes")]
    keys = sorted([one[0], two[0]])
    assert found == [{"brand": "shoes", "access_key": key, "enabled": True} for key in keys]
    everyone = tool.do("brand-credentials", "list")
    assert all(key in "".join(everyone) for key in (*keys, other[0]))
    assert "assay-registry" not in "".join(everyone)
    assert tool.do("brand-credentials", "remove", one[0]) == [f"Removed {one[0]}"]
    with pytest.raises(S3Error, match="InvalidAccessKeyId"):
        tool.as_user(*one).list_buckets()
    tool.as_user(*two).put_object(UPLOADS, "shoes/u/x", io.BytesIO(b"x"), 1)
    tool.do("brand-credentials", "remove", two[0])
    assert tool.do("brand-credentials", "list", "shoes") == []
    assert "no credentials" in tool.refused("brand-credentials", "remove", two[0])
    tool.as_user(*other).put_object(UPLOADS, "shoes-2/u/x", io.BytesIO(b"x"), 1)


def test_the_longest_slug_works(tool: Tool) -> None:
    brand = "b" + "-" * 61 + "b"
    tool.as_user(*tool.add_brand(brand)).put_object(UPLOADS, f"{brand}/u/x", io.BytesIO(b"x"), 1)


@pytest.mark.parametrize("brand", ["A", "-a", "a/b", "../a", "a.b", "", "a" * 64, "a\n", "*"])
def test_a_bad_slug_is_refused(tool: Tool, brand: str) -> None:
    assert "slug" in tool.refused("brand-credentials", "add", "--", brand)


def test_an_unknown_brand_is_refused(tool: Tool) -> None:
    assert "There is no brand 'nobody'" in tool.refused("brand-credentials", "add", "nobody")


@pytest.mark.parametrize("key", ["assay-registry", "assay-tests", "a", "a.b.12345678", "a.1234567g"])
def test_only_a_brands_credentials_are_removed(tool: Tool, key: str) -> None:
    assert "no access key of a brand" in tool.refused("brand-credentials", "remove", key)


def test_wrong_settings_end_with_one_line(tool: Tool) -> None:
    tool.monkeypatch.setenv("S3_ENGINE_SECRET_KEY", "short")
    told = tool.refused("setup")
    assert "S3_ENGINE_SECRET_KEY" in told
    assert "short" not in told.replace("too short", "").replace("shorter", "")
    tool.monkeypatch.setenv("S3_ENGINE_SECRET_KEY", SECRETS["assay-engine"])
    tool.monkeypatch.setenv("S3_SECRET_KEY", "not-the-secret-of-root")
    assert "MINIO_ROOT_USER" in tool.refused("setup")
    tool.monkeypatch.setenv("S3_ACCESS_KEY", "assay-registry")
    tool.monkeypatch.setenv("S3_SECRET_KEY", SECRETS["assay-registry"])
    assert "AccessDenied" in tool.refused("brand-credentials", "list")
    tool.monkeypatch.delenv("S3_ENDPOINT")
    assert "S3_ENDPOINT" in tool.refused("is-empty")


def test_setup_says_when_minio_is_not_there(tool: Tool) -> None:
    away = tool.settings.model_copy(update={"endpoint": "http://127.0.0.1:9"})
    with pytest.raises(StoreUnavailable, match="is not ready after 0 s"):
        wait_until_ready(connect(away), away.endpoint, seconds=0)


def test_is_empty(tool: Tool) -> None:
    assert tool.do("is-empty") == ["No bucket holds an object"]
    tool.put(LIVE, "b/current.json", b"{}")
    assert tool.run("is-empty") == 1
    assert tool.out == "bucket live holds objects\n"
    tool.client.remove_object(LIVE, "b/current.json")
    assert tool.run("is-empty") == 0
