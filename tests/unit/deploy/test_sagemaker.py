"""What an operator of SageMaker touches: the stack, the overlay, the check, costs, and their page."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
import yaml
from botocore import xform_name
from pydantic_settings import BaseSettings

from assay_inference.sagemaker_settings import EndpointSettings
from assay_shared.aws_rights import read_principal
from assay_trainer.sagemaker_request import JOB_ROLE_PERMISSIONS, TRAINER_PERMISSIONS
from assay_trainer.sagemaker_settings import TrainingJobSettings
from deploy.sagemaker.cost import Price, PriceMissing, compute_cost, read_prices
from tests.support.sagemaker import Endpoints, Jobs, Platform, Refusal
from tests.support.sagemaker.aws import make_account
from tests.support.sagemaker.platform import ACCOUNT, REGION, ROLE

REPOSITORY = Path(__file__).parents[3]
FOLDER = REPOSITORY / "deploy/sagemaker"
STACK = FOLDER / "stack.yml"
OVERLAY = REPOSITORY / "deploy/compose.sagemaker.yml"
PAGE = REPOSITORY / "docs/sagemaker.md"
BUCKET = "acme-assay"
BACKENDS = ("ASSAY_TRAINING_BACKEND", "ASSAY_INFERENCE_BACKEND")
CALLERS = (
    *(REPOSITORY / "services").glob("*/assay_*/sagemaker_*.py"),
    *(REPOSITORY / "services").glob("*/assay_*/orphans.py"),
    REPOSITORY / "shared/assay_shared/aws_queue.py",
    REPOSITORY / "shared/assay_shared/aws_rights.py",
    *FOLDER.glob("*.py"),
)
"""The sources that call AWS from the box."""
CLIENTS = ("sagemaker", "sagemaker-runtime", "s3", "sqs", "logs", "ecr", "sts", "iam", "service-quotas")
ACTION_OF_CALL = {
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjectsV2": "s3:ListBucket",
    "sts:GetCallerIdentity": "",  # needs no permission
}
"""Where a call's permission has another name."""
OUR_METHODS = {"list_tags", "search"}
"""Methods of other things that are called as operations of AWS are."""
NOT_CALLED = {
    *("iam:PassRole", "sagemaker:AddTags"),  # with Create…
    *("kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey", "kms:CreateGrant"),  # by S3 and SageMaker
    *("ecr:BatchCheckLayerAvailability", "ecr:InitiateLayerUpload", "ecr:UploadLayerPart"),  # docker push
    *("ecr:CompleteLayerUpload", "ecr:BatchGetImage", "ecr:PutImage"),
    *("iam:CreateServiceLinkedRole", "sagemaker:DescribeEndpointConfig"),  # with RegisterScalableTarget
    *("sagemaker:UpdateEndpointWeightsAndCapacities", "cloudwatch:DescribeAlarms"),
    *("cloudwatch:PutMetricAlarm", "cloudwatch:DeleteAlarms"),
}
"""What AWS or Docker does on the box's behalf, with its permissions."""
WITHOUT_RESOURCE = re.compile(
    r"sagemaker:List.*|ecr:GetAuthorizationToken|servicequotas:List.*|cloudwatch:(PutMetricData|DescribeAlarms)"
    r"|ec2:.*"
)
"""Actions for which AWS knows no resource, or none that is there before."""


class _Loader(yaml.SafeLoader):
    """CloudFormation's short forms, kept as {name: value}."""


def _keep(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {suffix: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {suffix: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {suffix: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _keep)


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(STACK.read_text(), _Loader)["Resources"]
    return found


def statements(policy: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The statements of a policy document, those under a condition too."""
    for one in policy["Statement"]:
        yield one["If"][1] if "If" in one else one


def actions(policy: dict[str, Any]) -> set[str]:
    return {
        action
        for one in statements(policy)
        for action in ([one["Action"]] if isinstance(one["Action"], str) else one["Action"])
    }


def documents(resources: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The two policies that allow something."""
    return {
        "box": resources["BoxPolicy"]["Properties"]["PolicyDocument"],
        "jobs and endpoint": resources["ExecutionRole"]["Properties"]["Policies"][0]["PolicyDocument"],
    }


def test_the_stack_is_what_cloudformation_takes() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), STACK], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def find_calls() -> set[str]:
    """The permissions that the sources' calls of boto3 need: by methods, and by operations that are named."""
    names: dict[str, set[str]] = {}
    for client in (*CLIENTS, "application-autoscaling"):
        model = botocore.session.get_session().get_service_model(client)
        for operation in model.operation_names:
            action = f"{model.metadata.get('signingName', model.endpoint_prefix)}:{operation}"
            names.setdefault(xform_name(operation), set()).add(ACTION_OF_CALL.get(action, action))
    found = set()
    for path in CALLERS:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                found.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return {action for name in found - OUR_METHODS for action in names.get(name, ()) if action}


def test_the_box_may_do_what_the_code_calls_and_nothing_else(resources: dict[str, Any]) -> None:
    called, allowed = find_calls(), actions(documents(resources)["box"])
    assert len(called) > 25
    assert called - allowed == set()
    assert allowed - called - NOT_CALLED == set()


def test_policies_allow_what_the_trainer_says_it_needs(resources: dict[str, Any]) -> None:
    allowed = {name: actions(policy) for name, policy in documents(resources).items()}
    assert {action for given in TRAINER_PERMISSIONS.values() for action in given} <= allowed["box"]
    role = {action for given in JOB_ROLE_PERMISSIONS.values() for action in given}
    assert role <= allowed["jobs and endpoint"]


def test_policies_are_no_wider_than_they_must_be(resources: dict[str, Any]) -> None:
    for policy in documents(resources).values():
        for one in statements(policy):
            own = [one["Action"]] if isinstance(one["Action"], str) else one["Action"]
            assert not [action for action in own if action.endswith("*")]
            if one["Resource"] == "*":
                assert all(WITHOUT_RESOURCE.fullmatch(action) for action in own), own


def test_nobody_reads_the_bucket_without_tls_or_from_outside(resources: dict[str, Any]) -> None:
    bucket = resources["Bucket"]["Properties"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    (deny,) = resources["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (deny["Effect"], deny["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    prefixes = [rule.get("Prefix") for rule in bucket["LifecycleConfiguration"]["Rules"]]
    assert not [prefix for prefix in prefixes if prefix and "training" not in str(prefix)]


@pytest.mark.parametrize("kind", [TrainingJobSettings, EndpointSettings])
def test_the_overlay_passes_every_setting_on(kind: type[BaseSettings]) -> None:
    services = yaml.safe_load(OVERLAY.read_text())["services"]
    service = services["trainer" if kind is TrainingJobSettings else "inference"]
    given = set(service["environment"])
    wanted = {f"ASSAY_SAGEMAKER_{name.upper()}" for name in kind.model_fields}
    assert wanted - given == set()


def test_only_two_services_get_keys_of_aws() -> None:
    services = yaml.safe_load(OVERLAY.read_text())["services"]
    assert {
        name for name, one in services.items() if "AWS_SECRET_ACCESS_KEY" in one.get("environment", {})
    } == {
        "trainer",
        "inference",
    }


def test_the_page_names_settings_and_targets_that_there_are() -> None:
    page, makefile = PAGE.read_text(), (REPOSITORY / "Makefile").read_text()
    overlay = OVERLAY.read_text()
    for name in set(re.findall(r"\b(?:ASSAY|TORCHSERVE|AWS)_[A-Z_]+[A-Z]\b", page)):
        assert name in overlay, name
    for target in set(re.findall(r"make (sagemaker-[a-z]+)", page)):
        assert re.search(rf"^{target}\b|OVERLAYS := .*\bsagemaker\b", makefile, re.MULTILINE), target


def test_costs_come_from_the_operators_prices() -> None:
    prices = {
        ("instance_hour", "ml.a"): Price(1.0, 0.5),
        ("instance_hour", "ml.b"): Price(2.0, None),
        ("storage_gb_month", "s3"): Price(0.1, None),
        ("volume_gb_month", "training"): Price(0.0, None),
    }
    settings = {
        "ASSAY_SAGEMAKER_TRAINING_INSTANCE_TYPE": "ml.a",
        "ASSAY_SAGEMAKER_ENDPOINT_INSTANCE_TYPE": "ml.b",
        "ASSAY_SAGEMAKER_ENDPOINT_MAX_INSTANCES": "3",
    }
    cost = compute_cost(settings, prices)
    assert cost.run == pytest.approx(0.5 / 6)
    assert (cost.month_least, cost.month_most) == (1460.0, 4380.0)
    assert compute_cost({**settings, "ASSAY_SAGEMAKER_SPOT": "false"}, prices).run == pytest.approx(1 / 6)
    with pytest.raises(PriceMissing, match=r"ml\.g5\.xlarge"):
        compute_cost({}, prices)


def test_the_shipped_prices_can_be_read(tmp_path: Path) -> None:
    assert ("instance_hour", "ml.g5.xlarge") in read_prices(FOLDER / "prices.csv")
    bad = tmp_path / "prices.csv"
    bad.write_text("# a remark\ninstance_hour,ml.a,many,\n")
    with pytest.raises(ValueError, match="line 2"):
        read_prices(bad)


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """AWS with the bucket, the images, the queue and the role that the settings name."""
    started = Platform()
    started.start()
    Jobs(started, tmp_path / "jobs")
    Endpoints(started, tmp_path / "endpoints")
    for name, value in started.environment().items():
        monkeypatch.setenv(name, value)
    store = {"S3_ENDPOINT": started.moto_url, "S3_ACCESS_KEY": "test", "S3_SECRET_KEY": "test-secret"}
    given = {**make_account(boto3, BUCKET), **dict.fromkeys(BACKENDS, "sagemaker"), **store}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    try:
        yield started
    finally:
        started.stop()


def check(part: str) -> tuple[int, str]:
    """`make sagemaker-check` of one half."""
    done = subprocess.run(
        [sys.executable, str(FOLDER / "check.py"), part], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.usefixtures("platform")
@pytest.mark.parametrize("part", ["training", "endpoint"])
def test_nothing_is_missing_where_all_is_there(part: str) -> None:
    status, told = check(part)
    assert status == 0, told
    assert f"{part}: nothing is missing" in told


@pytest.mark.usefixtures("platform")
def test_everything_that_is_missing_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_SAGEMAKER_BUCKET", "somebody-elses")
    monkeypatch.setenv("ASSAY_SAGEMAKER_TRAINING_IMAGE", "assay-trainer:local")
    monkeypatch.setenv("ASSAY_SAGEMAKER_ROLE_ARN", f"arn:aws:iam::{ACCOUNT}:role/nobody")
    monkeypatch.setenv("ASSAY_SAGEMAKER_EVENTS_QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/1/none")
    status, told = check("training")
    assert status == 1
    missing = [line for line in told.splitlines() if line.startswith("training: missing")]
    for what in ("bucket somebody-elses", "image", "event queue"):
        assert any(what in line for line in missing), told
    assert "role nobody" in told


@pytest.mark.usefixtures("platform")
def test_the_bucket_that_jobs_read_photos_from_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_SAGEMAKER_READS_STORE", "true")
    monkeypatch.setenv("S3_BUCKET_PREFIX", "acme-")
    monkeypatch.setenv("S3_REGION", REGION)
    status, told = check("training")
    assert status == 1
    assert f"missing bucket acme-images: there is none of this name in {REGION}" in told.replace("  ", " ")
    where = {"LocationConstraint": REGION}
    boto3.client("s3").create_bucket(Bucket="acme-images", CreateBucketConfiguration=where)
    status, told = check("training")
    assert (status, "acme-images: listed" in told) == (0, True), told


@pytest.mark.usefixtures("platform")
def test_a_missing_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASSAY_SAGEMAKER_BUCKET")
    status, told = check("endpoint")
    assert status == 1
    assert "ASSAY_SAGEMAKER_BUCKET" in told


def test_a_missing_permission_is_named(platform: Platform) -> None:
    denied = Refusal("AccessDeniedException", "User is not authorized to perform: sagemaker:ListModels", 400)
    platform.fail_next("ListModels", denied)
    status, told = check("endpoint")
    assert status == 1
    assert "missing sagemaker:ListModels" in told.replace("  ", " ")


@pytest.mark.parametrize("part", ["training", "endpoint"])
def test_a_missing_right_that_cannot_be_tried_is_named(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, resources: dict[str, Any], part: str
) -> None:
    monkeypatch.setenv("ASSAY_SAGEMAKER_ENDPOINT_MAX_INSTANCES", "3")
    create = "sagemaker:CreateTrainingJob" if part == "training" else "sagemaker:UpdateEndpoint"
    platform.denied |= {create, "iam:PassRole"}
    status, told = check(part)
    assert status == 1
    told = re.sub(" +", " ", told)
    for action in (create, "iam:PassRole"):
        assert f"{part}: missing {action}: implicitDeny on arn:aws:" in told
    assert {action for action, _ in platform.simulated} <= actions(documents(resources)["box"])
    assert (("iam:PassRole", ROLE)) in platform.simulated
    platform.denied.clear()
    status, told = check(part)
    assert (status, "IAM allows all" in told) == (0, True), told


def test_whose_policies_count() -> None:
    session = "arn:aws-cn:sts::123456789012:assumed-role/box/i-0abc"
    assert read_principal(session) == "arn:aws-cn:iam::123456789012:role/box"
    user = "arn:aws:iam::123456789012:user/factory/box"
    assert read_principal(user) == user


@pytest.mark.parametrize("script", ["down.py", "ecr_login.py", "-m"])
def test_settings_that_are_missing_are_named_and_not_traced(
    script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("ASSAY_SAGEMAKER_")]:
        monkeypatch.delenv(name)
    asked = ["-m", "assay_inference.sagemaker_endpoint", "down"] if script == "-m" else [FOLDER / script]
    done = subprocess.run([sys.executable, *asked], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for name in ("REGION", "BUCKET", "ROLE_ARN"):
        assert f"ASSAY_SAGEMAKER_{name}" in done.stderr


@pytest.mark.parametrize(("fails", "status"), [("sagemaker_endpoint", 1), ("down.py", 1), ("nothing", 0)])
def test_down_does_both_halves_whatever_one_says(fails: str, status: int, tmp_path: Path) -> None:
    box = tmp_path / "box"
    shutil.copytree(FOLDER, box / "deploy/sagemaker")
    shutil.copy(REPOSITORY / "deploy/lib.sh", box / "deploy")
    (box / ".env").touch()
    docker = tmp_path / "bin/docker"
    docker.parent.mkdir()
    docker.write_text(f'#!/bin/sh\necho "$@"\ncase "$*" in *{fails}*) exit 3 ;; esac\n')
    docker.chmod(0o755)
    path = f"{docker.parent}:{os.environ['PATH']}"
    command = ["sh", "deploy/sagemaker/down.sh"]
    done = subprocess.run(command, cwd=box, env={"PATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    asked = done.stdout.splitlines()
    assert [line.split(" python ")[1] for line in asked] == [
        "-m assay_inference.sagemaker_endpoint down",
        "/sagemaker/down.py",
    ]
    assert ("may be left that costs" in done.stderr) == bool(status)


def test_what_stays_at_home_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_TRAINING_BACKEND", "celery")
    monkeypatch.delenv("ASSAY_SAGEMAKER_TRAINING_IMAGE", raising=False)
    status, told = check("training")
    assert (status, "nothing of it is looked at" in told) == (0, True)


@pytest.mark.usefixtures("platform")
def test_what_is_pushed_is_looked_at_before_it_is_switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_TRAINING_BACKEND", "celery")
    status, told = check("training")
    assert (status, "training: nothing is missing" in told) == (0, True), told


DOCKER = """#!/bin/sh
# Stands in for Docker, of which no registry is here to push to: notes what it is asked.
printf '%s\\n' "$*" >>"$ASKED"
case "$*" in
  *ecr_login.py*) echo a-password ;;
  login*) read -r password; printf 'password %s\\n' "$password" >>"$ASKED" ;;
esac
"""


def test_push_names_in_env_what_it_has_pushed(tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "deploy/sagemaker", tmp_path / "deploy/sagemaker")
    shutil.copy(REPOSITORY / "deploy/lib.sh", tmp_path / "deploy")
    env, asked, program = tmp_path / ".env", tmp_path / "asked", tmp_path / "bin/docker"
    env.write_text(
        f"ASSAY_SAGEMAKER_REGION=eu-west-1\nASSAY_SAGEMAKER_ROLE_ARN={ROLE}\nASSAY_VERSION=1.2\n"
        "#ASSAY_SAGEMAKER_TRAINING_IMAGE=\n"
    )
    program.parent.mkdir()
    program.write_text(DOCKER)
    program.chmod(0o755)
    path = f"{program.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", str(tmp_path / "deploy/sagemaker/push.sh")],
        env={"PATH": path, "ASKED": str(asked), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    registry = f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com"
    named = dict(line.split("=", 1) for line in env.read_text().splitlines())
    trainer, engine = named["ASSAY_SAGEMAKER_TRAINING_IMAGE"], named["ASSAY_SAGEMAKER_ENDPOINT_IMAGE"]
    assert re.fullmatch(rf"{registry}/assay-trainer:\w+", trainer)
    assert engine == trainer.replace("trainer", "engine")
    told = asked.read_text().splitlines()
    assert told[0] == "compose build trainer torchserve"
    assert "password a-password" in told
    assert f"login --username AWS --password-stdin {registry}" in told
    assert [line for line in told if line.startswith("push")] == [f"push {trainer}", f"push {engine}"]
    built = [line for line in told if line.startswith("build")]
    assert [line.split("IMAGE=")[1].split()[0] for line in built] == ["assay-trainer:1.2", "assay-engine:1.2"]
    assert told[-1] == f"logout {registry}"
    assert not [line for line in told if "a-password" in line and not line.startswith("password")]
