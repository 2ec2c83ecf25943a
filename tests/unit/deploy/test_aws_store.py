"""AWS S3 as the store: its stack, its overlay and its page, each against what the code does."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from assay_ingest.settings import IngestSettings
from assay_shared.keys import BUCKETS, LIVE, MODELS, UPLOADS
from assay_shared.settings import StoreSettings
from deploy.store.__main__ import main
from deploy.store.policies import service_policies
from tests.support.moto import run_moto
from tests.unit.deploy.test_sagemaker import WITHOUT_RESOURCE, _Loader, actions, statements

REPOSITORY = Path(__file__).parents[3]
STACK = REPOSITORY / "deploy/aws/store.yml"
OVERLAY = REPOSITORY / "deploy/compose.aws-store.yml"
PAGE = REPOSITORY / "docs/aws-store.md"
REGION = "eu-west-1"
AMAZON = {
    "S3_ENDPOINT": f"https://s3.{REGION}.amazonaws.com",
    "S3_REGION": REGION,
    "S3_BUCKET_PREFIX": "acme-",
    "S3_ACCESS_KEY": "",
    "S3_SECRET_KEY": "",
}


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(STACK.read_text(), _Loader)["Resources"]
    return found


def buckets(resources: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By Assay's own name, each bucket's properties."""
    found = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::S3::Bucket"]
    return {one["BucketName"]["Sub"].removeprefix("${BucketPrefix}"): one for one in found}


def test_the_stack_is_what_cloudformation_takes() -> None:
    lint = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run([lint, STACK], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_all_five_buckets_are_private_encrypted_and_kept(resources: dict[str, Any]) -> None:
    made = buckets(resources)
    assert set(made) == set(BUCKETS)
    for one in made.values():
        assert set(one["PublicAccessBlockConfiguration"].values()) == {True}
        assert "BucketEncryption" in one
    for one in resources.values():
        if one["Type"] == "AWS::S3::Bucket":
            assert one["DeletionPolicy"] == one["UpdateReplacePolicy"] == "Retain"
    denied = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::S3::BucketPolicy"]
    assert {one["Bucket"]["Ref"] for one in denied} == {name.capitalize() for name in BUCKETS}
    for one in denied:
        (deny,) = one["PolicyDocument"]["Statement"]
        assert (deny["Effect"], deny["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_only_the_pointers_keep_versions_and_only_uploads_and_models_tell(resources: dict[str, Any]) -> None:
    made = buckets(resources)
    assert [name for name, one in made.items() if "VersioningConfiguration" in one] == [LIVE]
    assert {name for name, one in made.items() if "NotificationConfiguration" in one} == {UPLOADS, MODELS}
    for name, one in made.items():
        rules = {rule["Id"] for rule in one["LifecycleConfiguration"]["Rules"]}
        assert rules == ({"parts", "old-versions"} if name == LIVE else {"parts"})


def test_the_box_may_do_what_the_services_do_at_home_and_nothing_wider(resources: dict[str, Any]) -> None:
    policy = resources["BoxPolicy"]["Properties"]["PolicyDocument"]
    at_home = {
        action
        for one in service_policies("").values()
        for statement in one["Statement"]
        if statement["Effect"] == "Allow"
        for action in statement["Action"]
    }
    queue = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
    assert actions(policy) == at_home | queue | {"s3:GetBucketVersioning"}
    for document in ("BoxPolicy", "RestorePolicy", "JobsPolicy"):
        for one in statements(resources[document]["Properties"]["PolicyDocument"]):
            own = [one["Action"]] if isinstance(one["Action"], str) else one["Action"]
            assert not [action for action in own if "*" in action]
            if one["Resource"] == "*":
                assert own == ["s3:ListAllMyBuckets"] or all(WITHOUT_RESOURCE.fullmatch(a) for a in own)


def test_every_service_that_uses_the_store_is_led_to_amazon() -> None:
    main_file = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())["services"]
    using = {name for name, one in main_file.items() if "S3_ENDPOINT" in one.get("environment", {})}
    overlay = yaml.load(OVERLAY.read_text(), _Loader)["services"]
    names = ("ENDPOINT", "REGION", "BUCKET_PREFIX", "ACCESS_KEY", "SECRET_KEY", "SESSION_TOKEN")
    wanted = {f"S3_{name}" for name in names}
    assert wanted <= {f"S3_{name.upper()}" for name in StoreSettings.model_fields}
    for name in using:
        assert wanted <= set(overlay[name]["environment"]), name
        ways = {*overlay[name].get("networks", []), *main_file[name]["networks"]}
        assert "edge" in ways, f"{name} has no way out"
    assert overlay["store-init"]["command"] == ["check-buckets"]
    assert overlay["minio"] == {"profiles": ["minio"]}
    assert "store_events_queue_url" in IngestSettings.model_fields
    assert "ASSAY_STORE_EVENTS_QUEUE_URL" in overlay["ingest"]["environment"]


def test_the_page_names_settings_and_targets_that_there_are() -> None:
    page, overlays = PAGE.read_text(), OVERLAY.read_text() + (REPOSITORY / "docker-compose.yml").read_text()
    for name in set(re.findall(r"\b(?:ASSAY|S3|AWS)_[A-Z_]+[A-Z]\b", page)):
        assert name in overlays or name.startswith("ASSAY_SAGEMAKER_"), name
    makefile = (REPOSITORY / "Makefile").read_text()
    for target in set(re.findall(r"make ([a-z0-9-]+)", page)):
        known = rf"^{target}:|OVERLAYS := .*\b{target.rpartition('-')[0]}\b"
        assert re.search(known, makefile, re.MULTILINE), target
    outputs = yaml.load(STACK.read_text(), _Loader)["Outputs"]
    for output in outputs:
        assert output in page, output


@pytest.mark.parametrize("command", [("setup",), ("brand-credentials", "list")])
def test_what_is_minios_is_refused_at_amazon_before_anything_is_asked(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in AMAZON.items():
        monkeypatch.setenv(name, value)
    for service in ("REGISTRY", "INGEST", "TRAINER", "INFERENCE", "ENGINE"):
        monkeypatch.setenv(f"S3_{service}_SECRET_KEY", "the-secret-of-a-service")
    assert main(list(command)) == 1
    assert (
        "is Amazon S3: buckets, events and rights come from deploy/aws/store.yml" in capsys.readouterr().err
    )


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of moto's S3, which the tool uses too."""
    keys = {"S3_ACCESS_KEY": "test", "S3_SECRET_KEY": "test-secret"}
    with run_moto() as url:
        for name, value in {**AMAZON, **keys, "S3_ENDPOINT": url}.items():
            monkeypatch.setenv(name, value)
        yield boto3.client(
            "s3",
            region_name=REGION,
            endpoint_url=url,
            aws_access_key_id="test",
            aws_secret_access_key="test-secret",
        )


def test_every_bucket_that_is_missing_is_named(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for bucket in BUCKETS[:3]:
        s3.create_bucket(Bucket=f"acme-{bucket}", CreateBucketConfiguration={"LocationConstraint": REGION})
    assert main(["check-buckets"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[0] for line in lines[:-1]] == ["bucket acme-models", "bucket acme-live"]
    assert all("NoSuchBucket" in line for line in lines[:-1])
    for bucket in BUCKETS[3:]:
        s3.create_bucket(Bucket=f"acme-{bucket}", CreateBucketConfiguration={"LocationConstraint": REGION})
    assert main(["check-buckets"]) == 1
    assert "bucket acme-live: versioning is not enabled" in capsys.readouterr().err
    s3.put_bucket_versioning(Bucket="acme-live", VersioningConfiguration={"Status": "Enabled"})
    assert main(["check-buckets"]) == 0
    assert not [bucket for bucket in BUCKETS if s3.list_objects_v2(Bucket=f"acme-{bucket}").get("Contents")]
