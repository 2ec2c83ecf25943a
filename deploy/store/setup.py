"""Makes MinIO what Assay needs: buckets, versions of the pointer, events, accounts."""

from __future__ import annotations

from collections.abc import Iterator

from minio import Minio
from minio.commonconfig import ENABLED, Filter
from minio.lifecycleconfig import Expiration, LifecycleConfig, NoncurrentVersionExpiration, Rule
from minio.notificationconfig import NotificationConfig, QueueConfig, SuffixFilterRule
from minio.versioningconfig import VersioningConfig

from assay_shared.keys import BUCKETS, LIVE, MODELS, UPLOADS
from assay_shared.settings import StoreSettings
from assay_shared.storage import ObjectStore, connect
from deploy.store.accounts import Accounts
from deploy.store.brand_accounts import update_policies
from deploy.store.clients import explained, refuse_amazon, wait_until_ready
from deploy.store.policies import service_policies
from deploy.store.settings import ServiceSecrets

KEPT_VERSIONS_DAYS = 30
"""How long the pointers and published brands that were overwritten are kept."""


def set_up(
    settings: StoreSettings, service_secrets: ServiceSecrets, *, notify: bool, listing: bool
) -> Iterator[str]:
    """Does all of it, as it is iterated; a line for each thing that it changed.

    Raises InvalidRequest where it is no MinIO, StoreUnavailable, and NotAuthenticated when the settings'
    keys are not MinIO's root.
    """
    refuse_amazon(settings)
    client = connect(settings)
    wait_until_ready(client, settings.endpoint)
    yield from _make_buckets(settings, client)
    live, uploads, models = (settings.name_bucket(bucket) for bucket in (LIVE, UPLOADS, MODELS))
    with explained(f"Setting up bucket {live}"):
        yield from _keep_versions(client, live)
        yield from _expire_versions(client, live)
    for bucket, suffix in ((uploads, ""), (models, "model.json")):
        with explained(f"Setting up the events of bucket {bucket}"):
            yield from _notify(client, settings.region, bucket, suffix if notify else None)
    accounts = Accounts(settings)
    policies = service_policies(settings.bucket_prefix)
    for service, secret in service_secrets.by_service().items():
        name = f"assay-{service}"
        yield from accounts.ensure(name, secret, name, policies[service])
    yield from update_policies(accounts, listing=listing)


def _make_buckets(settings: StoreSettings, client: Minio) -> Iterator[str]:
    with explained("Listing the buckets"):
        known = {bucket.name for bucket in client.list_buckets()}
    missing = tuple(bucket for bucket in BUCKETS if settings.name_bucket(bucket) not in known)
    ObjectStore(settings).make_buckets(missing)
    yield from (f"bucket {settings.name_bucket(bucket)}: made" for bucket in missing)


def _keep_versions(client: Minio, live: str) -> Iterator[str]:
    if client.get_bucket_versioning(live).status != ENABLED:
        client.set_bucket_versioning(live, VersioningConfig(ENABLED))
        yield f"bucket {live}: versioning enabled"


def _expire_versions(client: Minio, live: str) -> Iterator[str]:
    # There is no rule for uploads in parts that were never completed: MinIO refuses
    # AbortIncompleteMultipartUpload, alone, and drops it beside others. It removes them by itself after a
    # day (`api stale_uploads_expiry=24h`, looked for every 6 hours).
    wanted = LifecycleConfig(
        [
            Rule(
                ENABLED,
                rule_filter=Filter(prefix=""),
                rule_id="old-versions",
                expiration=Expiration(expired_object_delete_marker=True),
                noncurrent_version_expiration=NoncurrentVersionExpiration(noncurrent_days=KEPT_VERSIONS_DAYS),
            )
        ]
    )
    if _lifecycle_terms(client.get_bucket_lifecycle(live)) != _lifecycle_terms(wanted):
        client.set_bucket_lifecycle(live, wanted)
        yield f"bucket {live}: versions are kept for {KEPT_VERSIONS_DAYS} days"


def _lifecycle_terms(config: LifecycleConfig | None) -> list[tuple[object, ...]]:
    rules = config.rules if config else []
    return [
        (rule.rule_id, rule.status, rule.expiration, rule.noncurrent_version_expiration) for rule in rules
    ]


def _notify(client: Minio, region: str, bucket: str, suffix: str | None) -> Iterator[str]:
    wanted = []
    if suffix is not None:
        rule = SuffixFilterRule(suffix) if suffix else None
        arn = f"arn:minio:sqs:{region}:assay:webhook"
        wanted = [QueueConfig(queue=arn, events=["s3:ObjectCreated:*"], suffix_filter_rule=rule)]
    known = client.get_bucket_notification(bucket)
    if (
        known.topic_config_list
        or known.cloud_func_config_list
        or _terms(known.queue_config_list) != _terms(wanted)
    ):
        client.set_bucket_notification(bucket, NotificationConfig(queue_config_list=wanted))
        yield f"bucket {bucket}: {'events go to ingest' if wanted else 'no events'}"


def _terms(rules: list[QueueConfig]) -> list[tuple[object, ...]]:
    return [
        (
            # MinIO gives the ARN back without its region when it has none set.
            (rule.queue or "").split(":")[-2:],
            rule.events,
            rule.prefix_filter_rule and rule.prefix_filter_rule.value,
            rule.suffix_filter_rule and rule.suffix_filter_rule.value,
        )
        for rule in rules
    ]
