"""What trainer and verify API share of AWS: settings, clients, and AWS's errors as errors of Assay's tree.

Credentials and addresses are boto3's own matter (`AWS_*`: keys, a role, AWS_ENDPOINT_URL_SAGEMAKER for a VPC
endpoint). boto3 is imported when the first client is made: a box that has nothing in AWS pays nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from assay_shared.errors import AssayError, InvalidRequest, Unavailable

CONNECT_SECONDS = 3
READ_SECONDS = 60
ATTEMPTS = 3
"""Of one call, by botocore's standard retries: throttling, 5xx and broken connections."""
DENIED = {
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedOperation",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "InvalidAccessKeyId",
}
"""Codes of AWS that a person must mend: keys that are wrong or over, permissions that are missing."""
PASSING = {
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "SlowDown",
    "InternalFailure",
    "InternalServerException",
    "InternalError",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "ModelNotReadyException",
    "RequestTimeout",
}
"""Codes that pass by themselves: the same call may be made again."""


ABSENT = {"404", "NoSuchKey", "NotFound"}
"""Codes of S3 for an object that is not there; a HEAD has no body, so only its status."""


class AwsUnavailable(Unavailable):
    """AWS does not answer, or asks for patience; the same call may be made again."""

    type = "aws-unavailable"
    title = "AWS does not answer"


class AwsDenied(Unavailable):
    """The credentials are wrong or over, or do not allow this call. It is not the caller's fault: a person
    at the box mends it, and the same request works then."""

    type = "aws-denied"
    title = "AWS does not allow this"
    retry_after = 30


class AwsRefused(AssayError):
    """AWS refuses a call for what it asks; `extra["code"]` is AWS's own word for why."""

    type = "aws-refused"
    title = "AWS refuses the request"
    status = 502


class AwsSettings(BaseSettings):
    """Where Assay's things lie in AWS; both backends use it. Keys come from boto3's own chain."""

    model_config = SettingsConfigDict(env_prefix="ASSAY_SAGEMAKER_", env_ignore_empty=True, extra="ignore")

    region: str = Field(description="such as eu-west-1")
    bucket: str = Field(
        description="S3 bucket for what jobs and endpoint read and write", pattern=r"^[a-z0-9.-]{3,63}$"
    )
    prefix: str = Field(
        default="assay", description="in that bucket; nothing outside it is read or written", min_length=1
    )
    role_arn: str = Field(
        description="execution role of jobs and endpoint", pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/.+$"
    )
    kms_key: str = Field(default="", description="key for volumes and objects; empty: AWS's own")
    subnets: str = Field(default="", description="of a VPC, separated by commas; empty: none")
    security_groups: str = Field(default="", description="in that VPC, separated by commas")
    tags: str = Field(default="", description="on all that is made, such as team=brand,cost=42")

    @field_validator("prefix")
    @classmethod
    def _strip_slashes(cls, value: str) -> str:
        return value.strip("/")

    def list_tags(self) -> list[dict[str, str]]:
        """The tags as AWS wants them; every one has Assay's own beside them."""
        pairs = [one.partition("=") for one in self.tags.split(",") if one.strip()]
        own = {"Key": "application", "Value": "assay"}
        return [own, *({"Key": key.strip(), "Value": value.strip()} for key, _, value in pairs)]

    def make_vpc(self) -> dict[str, list[str]] | None:
        """`VpcConfig`, or None without a VPC."""
        subnets, groups = (
            [one.strip() for one in text.split(",") if one.strip()]
            for text in (self.subnets, self.security_groups)
        )
        return {"Subnets": subnets, "SecurityGroupIds": groups} if subnets else None


Settings = TypeVar("Settings", bound=AwsSettings)


def read_settings(kind: type[Settings]) -> Settings:
    """These settings from the environment. Raises InvalidRequest, which names every variable that is missing
    or wrong."""
    try:
        return kind()
    except ValidationError as error:
        told = "; ".join(f"{name}: {problem}" for name, problem in name_problems(error))
        raise InvalidRequest(f"{told}. Set it in .env, docs/sagemaker.md") from error


def name_problems(error: ValidationError) -> list[tuple[str, str]]:
    """What is wrong with settings: the variable (`settings` where it is several) and why."""
    return [
        (f"ASSAY_SAGEMAKER_{'_'.join(map(str, one['loc'])).upper()}", one["msg"])
        if one["loc"]
        else ("settings", one["msg"].removeprefix("Value error, "))
        for one in error.errors()
    ]


def has_own_disk(instance_type: str) -> bool:
    """Whether the instance has NVMe disks, which its hardware encrypts: AWS takes no key for them
    (CreateTrainingJob, VolumeKmsKeyId; CreateEndpointConfig, KmsKeyId)."""
    family = instance_type.split(".")[1] if "." in instance_type else instance_type
    return family.startswith(("g4dn", "g5", "g6", "p3dn", "p4", "p5", "trn1")) or family.endswith(("d", "dn"))


def encrypt_with(kms_key: str) -> dict[str, str]:
    """The arguments of S3's PutObject that encrypt with a key; none where it is empty."""
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key} if kms_key else {}


def make_client(
    service: str, region: str, *, read_seconds: float = READ_SECONDS, attempts: int = ATTEMPTS
) -> Any:
    """A boto3 client, safe to share between threads. Its calls raise botocore's errors: see `naming`."""
    import boto3
    from botocore.config import Config

    config = Config(
        region_name=region,
        connect_timeout=CONNECT_SECONDS,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": attempts},
        # S3's newer checksums are what other stores of that protocol do not all know.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return boto3.session.Session().client(service, config=config)


@contextmanager
def naming(what: str) -> Iterator[None]:
    """Turns botocore's errors inside into AwsUnavailable, AwsDenied and AwsRefused; `what` says what was
    tried, such as "starting the training job assay-run-1"."""
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        NoCredentialsError,
        PartialCredentialsError,
    )

    try:
        yield
    except ClientError as error:
        raise name_refusal(error, what) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise AwsDenied(f"No AWS credentials for {what}: {error}", code="NoCredentials") from error
    except BotoCoreError as error:
        raise AwsUnavailable(f"AWS does not answer for {what}: {type(error).__name__}: {error}") from error


def name_refusal(error: Any, what: str) -> AssayError:
    """The error of the tree for a `ClientError` of botocore."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    message = str(error.response.get("Error", {}).get("Message", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    told = f"{code}: {message}" if message else code
    if code in DENIED or status in (401, 403):
        return AwsDenied(f"AWS does not allow {what}: {told}. Check credentials and roles", code=code)
    if code in PASSING or status == 429 or status >= 500:
        return AwsUnavailable(f"AWS has no room or no answer for {what}: {told}", code=code)
    return AwsRefused(f"AWS refuses {what}: {told}", code=code)
