"""make sagemaker-check: what is missing in AWS, all of it at once, before anything is started that costs.

Runs in the containers that will use AWS (`check.py training` in the trainer's, `check.py endpoint` in the
verify API's), with their settings and their keys. Every call only reads, but for one small object under
`training/` that is put and deleted. What cannot be tried, for that would start something, is asked of IAM:
creating jobs and endpoints, and handing them the role.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import unquote

import botocore.exceptions
from pydantic import ValidationError

from assay_shared.aws import AwsDenied, AwsRefused, AwsSettings, make_client, name_problems, naming
from assay_shared.aws_rights import Right, find_denied
from assay_shared.errors import AssayError, NotFound, Unavailable
from assay_shared.keys import BUCKETS, IMAGES
from assay_shared.settings import StoreSettings
from assay_shared.storage import ObjectStore

ECR = re.compile(r"^(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/([^:@]+):([^:@]+)$")
NOBODY = "assay-check"
"""The name of a job that there is none of: AWS says so to whoever may ask."""
LOG_GROUP = "/aws/sagemaker/TrainingJobs"
WISHES = {
    "training": ("ASSAY_TRAINING_BACKEND", "ASSAY_SAGEMAKER_TRAINING_IMAGE"),
    "endpoint": ("ASSAY_INFERENCE_BACKEND", "ASSAY_SAGEMAKER_ENDPOINT_IMAGE"),
}
"""By half, the settings of which one says that it is wanted: looked at before it is switched on."""


@dataclass(frozen=True)
class Finding:
    """What was looked at, how it is, and what to do about it."""

    state: Literal["ok", "missing", "unknown"]
    what: str
    told: str


Check = Callable[[], Iterator[Finding]]


def main(part: str) -> int:
    """Prints every finding; 1 if something is missing."""
    backend, image = WISHES[part]
    if os.environ.get(backend) != "sagemaker" and not os.environ.get(image):
        print(f"{part}: neither {backend}=sagemaker nor {image} is in .env; nothing of it is looked at")
        return 0
    findings = list(look_at(part))
    for one in findings:
        print(f"{part}: {one.state:8}{one.what}: {one.told}")
    missing = sum(one.state == "missing" for one in findings)
    print(f"{part}: {missing} missing" if missing else f"{part}: nothing is missing")
    return 1 if missing else 0


def look_at(part: str) -> Iterator[Finding]:
    """Everything that this part needs."""
    try:
        settings, image, instance, checks = _read_training() if part == "training" else _read_endpoint()
    except ValidationError as error:
        for name, told in name_problems(error):
            yield Finding("missing", name, f"{told}: set it in .env")
        return
    yield Finding("ok", "settings", f"region {settings.region}, bucket {settings.bucket}/{settings.prefix}")
    common: list[Check] = [
        lambda: _check_credentials(settings),
        lambda: _check_bucket(settings),
        lambda: _check_image(settings, image),
        lambda: _check_role(settings),
        lambda: _check_quota(settings, instance),
    ]
    for check in (*common, *checks):
        yield from check()


def _read_training() -> tuple[AwsSettings, str, str, list[Check]]:
    from assay_trainer.sagemaker_settings import TrainingJobSettings

    jobs = TrainingJobSettings()  # from the environment
    kind = f"{jobs.training_instance_type} for {'spot ' if jobs.spot else ''}training job usage"
    checks: list[Check] = [
        lambda: _check_jobs(jobs),
        lambda: _check_queue(jobs),
        lambda: _check_store(jobs),
        lambda: _check_rights(jobs, list_job_rights(jobs)),
    ]
    return jobs, jobs.training_image, kind, checks


def _read_endpoint() -> tuple[AwsSettings, str, str, list[Check]]:
    from assay_inference.sagemaker_settings import EndpointSettings

    endpoint = EndpointSettings()  # from the environment
    kind = f"{endpoint.endpoint_instance_type} for endpoint usage"
    checks: list[Check] = [
        lambda: _check_endpoint(endpoint),
        lambda: _check_rights(endpoint, list_endpoint_rights(endpoint)),
    ]
    return endpoint, endpoint.endpoint_image, kind, checks


def _check_credentials(settings: AwsSettings) -> Iterator[Finding]:
    with _finding("credentials", "give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in .env") as found:
        who = make_client("sts", settings.region).get_caller_identity()
        found.append(Finding("ok", "credentials", str(who["Arn"])))
        account = settings.role_arn.split(":")[4]
        if who["Account"] != account:
            found.append(
                Finding("missing", "account", f"the keys are of {who['Account']}, the role of {account}")
            )
    yield from found


def _check_bucket(settings: AwsSettings) -> Iterator[Finding]:
    s3 = make_client("s3", settings.region)
    place = f"{settings.bucket}/{settings.prefix}"
    with _finding(f"bucket {place}", "make it with deploy/sagemaker/stack.yml, attach BoxPolicy") as found:
        s3.list_objects_v2(Bucket=settings.bucket, Prefix=f"{settings.prefix}/", MaxKeys=1)
        key = f"{settings.prefix}/training/.check"
        s3.put_object(Bucket=settings.bucket, Key=key, Body=b"")
        s3.get_object(Bucket=settings.bucket, Key=key)
        s3.delete_object(Bucket=settings.bucket, Key=key)
        found.append(Finding("ok", f"bucket {place}", "read, written, deleted"))
    yield from found


def _check_image(settings: AwsSettings, image: str) -> Iterator[Finding]:
    parts = ECR.match(image)
    if parts is None:
        told = (
            f"{image or 'empty'!r} is no image in ECR with a tag: run make sagemaker-push, it says the name"
        )
        yield Finding("missing", "image", told)
        return
    account, region, repository, tag = parts.groups()
    if region != settings.region:
        yield Finding("missing", "image", f"{image} is in {region}; SageMaker wants it in {settings.region}")
        return
    with _finding(f"image {repository}:{tag}", "run make sagemaker-push") as found:
        described = make_client("ecr", region).describe_images(
            registryId=account, repositoryName=repository, imageIds=[{"imageTag": tag}]
        )
        size = described["imageDetails"][0].get("imageSizeInBytes", 0)
        found.append(Finding("ok", f"image {repository}:{tag}", f"{size / 1e9:.1f} GB"))
    yield from found


def _check_role(settings: AwsSettings) -> Iterator[Finding]:
    name = settings.role_arn.rpartition("/")[2]
    with _finding(f"role {name}", "make it with deploy/sagemaker/stack.yml", denied="unknown") as found:
        role = make_client("iam", settings.region).get_role(RoleName=name)["Role"]
        trust = role["AssumeRolePolicyDocument"]
        if "sagemaker.amazonaws.com" in unquote(str(trust)):
            found.append(Finding("ok", f"role {name}", "SageMaker may take it"))
        else:
            told = "its trust policy must let sagemaker.amazonaws.com assume it"
            found.append(Finding("missing", f"role {name}", told))
    yield from found


def _check_quota(settings: AwsSettings, kind: str) -> Iterator[Finding]:
    what = f"quota {kind!r}"
    with _finding(what, "look it up under Service Quotas in AWS", denied="unknown") as found:
        client = make_client("service-quotas", settings.region)
        pages = client.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker")
        values = [one["Value"] for page in pages for one in page["Quotas"] if one["QuotaName"] == kind]
        if not values:
            found.append(Finding("unknown", what, "AWS does not list it; look it up under Service Quotas"))
        elif values[0] < 1:
            found.append(Finding("missing", what, "it is 0: ask AWS for more under Service Quotas"))
        else:
            found.append(Finding("ok", what, f"{values[0]:g} at once"))
    yield from found


def _check_jobs(jobs: AwsSettings) -> Iterator[Finding]:
    sagemaker, logs = make_client("sagemaker", jobs.region), make_client("logs", jobs.region)
    tries: tuple[tuple[str, Callable[[], Any]], ...] = (
        ("sagemaker:ListTrainingJobs", lambda: sagemaker.list_training_jobs(MaxResults=1)),
        ("sagemaker:DescribeTrainingJob", lambda: sagemaker.describe_training_job(TrainingJobName=NOBODY)),
        ("sagemaker:StopTrainingJob", lambda: sagemaker.stop_training_job(TrainingJobName=NOBODY)),
        (
            "logs:DescribeLogStreams",
            lambda: logs.describe_log_streams(logGroupName=LOG_GROUP, logStreamNamePrefix=NOBODY),
        ),
    )
    for action, call in tries:
        yield from _try(action, call)


def _check_queue(jobs: Any) -> Iterator[Finding]:
    url = jobs.events_queue_url
    if not url:
        yield Finding("ok", "event queue", f"none; jobs are looked at every {jobs.poll_seconds:g} seconds")
        return
    with _finding("event queue", "ASSAY_SAGEMAKER_EVENTS_QUEUE_URL is EventsQueueUrl of the stack") as found:
        client = make_client("sqs", jobs.region)
        count = client.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        waiting = count["Attributes"]["ApproximateNumberOfMessages"]
        found.append(Finding("ok", "event queue", f"{waiting} events wait"))
    yield from found


def _check_store(jobs: Any) -> Iterator[Finding]:
    """The buckets of Assay's own store, where that is what jobs read the photos from."""
    settings = StoreSettings()  # from the environment
    if not (settings.is_amazon if jobs.reads_store is None else jobs.reads_store):
        yield Finding("ok", "photos", "copied to the bucket for each run")
        return
    store = ObjectStore(settings)
    for bucket in BUCKETS if settings.is_amazon else (IMAGES,):
        what, advice = f"bucket {settings.name_bucket(bucket)}", "deploy/aws/store.yml makes it"
        try:
            next(store.list(bucket), None)
        except NotFound:
            yield Finding("missing", what, f"there is none of this name in {settings.region}: {advice}")
        except Unavailable as error:
            yield Finding("missing", what, f"{error.detail}. {advice}, and the box's policy")
        else:
            yield Finding("ok", what, "listed")


def _check_endpoint(endpoint: Any) -> Iterator[Finding]:
    sagemaker, s3 = make_client("sagemaker", endpoint.region), make_client("s3", endpoint.region)
    name = endpoint.endpoint
    key = f"{endpoint.prefix}/live/.check"
    tries: tuple[tuple[str, Callable[[], Any]], ...] = (
        ("sagemaker:DescribeEndpoint", lambda: sagemaker.describe_endpoint(EndpointName=name)),
        ("sagemaker:ListEndpointConfigs", lambda: sagemaker.list_endpoint_configs(MaxResults=1)),
        ("sagemaker:ListModels", lambda: sagemaker.list_models(MaxResults=1)),
        ("s3:GetObject under live/", lambda: s3.head_object(Bucket=endpoint.bucket, Key=key)),
    )
    for action, call in tries:
        yield from _try(action, call)


def list_job_rights(jobs: AwsSettings) -> list[Right]:
    """What the trainer's service does with jobs."""
    jobs_of, logs_of = _arn(jobs, "sagemaker"), _arn(jobs, "logs")
    return [
        Right(("sagemaker:CreateTrainingJob", "sagemaker:AddTags"), f"{jobs_of}:training-job/{NOBODY}"),
        Right(("logs:GetLogEvents",), f"{logs_of}:log-group:{LOG_GROUP}:log-stream:{NOBODY}"),
        _hand_over(jobs),
    ]


def list_endpoint_rights(endpoint: Any) -> list[Right]:
    """What the verify API and `sagemaker_endpoint.py` do with the endpoint and the bucket of its models."""
    own, name, folder = _arn(endpoint, "sagemaker"), endpoint.endpoint, f"{endpoint.bucket}/{endpoint.prefix}"
    models = "live" if endpoint.endpoint_mode == "engine" else "multi-model"
    rights = [
        Right(_sagemaker("InvokeEndpoint", "CreateEndpoint", "AddTags"), f"{own}:endpoint/{name}"),
        Right(_sagemaker("UpdateEndpoint", "DeleteEndpoint"), f"{own}:endpoint/{name}"),
        Right(
            _sagemaker("CreateEndpointConfig", "CreateEndpoint", "UpdateEndpoint", "DeleteEndpointConfig"),
            f"{own}:endpoint-config/{name}-check",
        ),
        Right(_sagemaker("CreateModel", "DeleteModel"), f"{own}:model/{name}-check"),
        Right(("s3:PutObject",), f"{_arn(endpoint, 's3', everywhere=True)}:{folder}/{models}/check"),
        _hand_over(endpoint),
    ]
    if endpoint.endpoint_max_instances > endpoint.endpoint_instances:
        scaling = ("RegisterScalableTarget", "DeregisterScalableTarget", "PutScalingPolicy")
        target = f"{_arn(endpoint, 'application-autoscaling')}:scalable-target/check"
        rights.append(Right(tuple(f"application-autoscaling:{one}" for one in scaling), target))
    return rights


def _hand_over(settings: AwsSettings) -> Right:
    return Right(("iam:PassRole",), settings.role_arn, {"iam:PassedToService": "sagemaker.amazonaws.com"})


def _sagemaker(*operations: str) -> tuple[str, ...]:
    return tuple(f"sagemaker:{one}" for one in operations)


def _arn(settings: AwsSettings, service: str, *, everywhere: bool = False) -> str:
    """The beginning of what a service has in this account and region; S3's names are the whole world's."""
    _, partition, _, _, account, _ = settings.role_arn.split(":", 5)
    return (
        f"arn:{partition}:{service}::"
        if everywhere
        else (f"arn:{partition}:{service}:{settings.region}:{account}")
    )


def _check_rights(settings: AwsSettings, rights: list[Right]) -> Iterator[Finding]:
    with _finding("rights", "BoxPolicy of deploy/sagemaker/stack.yml lets it", denied="unknown") as found:
        denied = list(find_denied(rights, settings.region))
        for one in denied:
            told = f"{one.decision} on {one.resource}. Attach BoxPolicy of deploy/sagemaker/stack.yml"
            found.append(Finding("missing", one.action, told))
        if not denied:
            count = sum(len(right.actions) for right in rights)
            found.append(Finding("ok", "rights", f"IAM allows all {count} actions that are not tried here"))
    yield from found


def _try(action: str, call: Callable[[], Any]) -> Iterator[Finding]:
    """Whether a call is allowed: AWS's "there is no such thing" is as good as an answer."""
    try:
        with naming(action):
            call()
    except AwsDenied as error:
        yield Finding("missing", action, f"{error.detail}. Attach BoxPolicy of deploy/sagemaker/stack.yml")
    except AwsRefused:
        yield Finding("ok", action, "allowed")
    except Unavailable as error:
        yield Finding("missing", action, f"{error.detail}. Is there a way out to AWS?")
    else:
        yield Finding("ok", action, "allowed")


class _finding(list[Finding]):
    """Collects findings; what AWS raises inside becomes one."""

    def __init__(self, what: str, advice: str, denied: Literal["missing", "unknown"] = "missing") -> None:
        super().__init__()
        self._what, self._advice, self._denied = what, advice, denied

    def __enter__(self) -> _finding:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if error is None:
            return False
        if not isinstance(error, (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError)):
            return False
        try:
            with naming(self._what):
                raise error
        except AwsDenied as named:
            self.append(Finding(self._denied, self._what, f"{named.detail}. {self._advice}"))
        except AssayError as named:
            self.append(Finding(self._denied, self._what, f"{named.detail}. {self._advice}"))
        return True


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in ("training", "endpoint"):
        raise SystemExit("usage: check.py training|endpoint")
    sys.exit(main(sys.argv[1]))
