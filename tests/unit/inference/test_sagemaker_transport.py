from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal

import boto3
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_engine import framing
from assay_engine.errors import ModelUnavailable
from assay_engine.framing import Found, Item
from assay_inference.engine_hosts import Host, Hosts
from assay_inference.engine_watch import watch
from assay_inference.sagemaker_models import ModelDelivery
from assay_inference.sagemaker_settings import EndpointSettings
from assay_inference.sagemaker_transport import MAX_BODY, SageMakerTransport, split
from assay_shared.errors import AssayError, EngineUnavailable, NotFound
from assay_shared.keys import model_folder
from tests.support.live_model import describe_model
from tests.support.sagemaker import Platform, Refusal
from tests.support.sagemaker.platform import REGION, ROLE
from tests.support.telling import telling_weights

BUCKET = "acme-assay"
SIDES = (0, 32, 640, 1024)
ITEMS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(("mdl_1", "mdl_2")), st.sampled_from(SIDES)),
    max_size=20,
)


@given(ITEMS, st.booleans())
def test_every_picture_goes_once_and_no_body_is_too_large(
    given_items: list[tuple[str, str, int]], single: bool
) -> None:
    items = [
        Item(brand, version, np.zeros((side, side, 3), np.uint8)) for brand, version, side in given_items
    ]
    parts = split(items, single=single)
    assert sorted(place for part in parts for place in part) == list(range(len(items)))
    for part in parts:
        own = [items[place] for place in part]
        assert len(framing.write_request(own)) <= MAX_BODY
        if single:
            assert len({(item.brand, item.version) for item in own}) == 1


class NoStore:
    """Holds nothing."""

    def get(self, bucket: str, key: str, limit: int | None = None) -> bytes:
        raise NotFound(key)


class Away:
    """A way on which nobody answers; counts probes."""

    idle_seconds, lost_seconds = SageMakerTransport.idle_seconds, SageMakerTransport.lost_seconds

    def __init__(self) -> None:
        self.probes = 0

    async def ask(self, host: str, items: Sequence[Item]) -> list[Found | AssayError]:
        self.probes += 1
        raise EngineUnavailable("away")

    def check(self) -> None:
        raise EngineUnavailable("away")

    async def close(self) -> None:
        return


@pytest.mark.parametrize(("lost", "probes"), [(False, 0), (True, 1)])
def test_an_endpoint_is_probed_only_when_it_was_lost_and_then_not_all_the_time(
    monkeypatch: pytest.MonkeyPatch, lost: bool, probes: int
) -> None:
    monkeypatch.setattr("assay_inference.engine_watch.TICK_SECONDS", 0.01)

    async def run() -> int:
        host, transport = Host("sagemaker:assay", 4, 1.5), Away()
        host.heard -= 3600
        if lost:
            host.lose("throttled")
        watching = asyncio.create_task(watch(host, Hosts([host]), transport, lambda: None))
        await asyncio.sleep(0.3)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        return transport.probes

    assert asyncio.run(run()) == probes


class Told:
    """A log that keeps what it is told, however the process's logs are set up."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, event: str, **fields: object) -> None:
        self.lines.append(f"{event} {fields}")

    info = warning = error = note


class AtHome:
    """Holds one version of one brand."""

    def __init__(self) -> None:
        weights = telling_weights("acme", "mdl_1")
        described = describe_model("acme", "mdl_1", weights, 32).model_dump_json().encode()
        folder = model_folder("acme", "mdl_1")
        self.objects = {folder + "model.json": described, folder + "model.safetensors": weights}

    def get(self, bucket: str, key: str, limit: int | None = None) -> bytes:
        return self.objects[key]


@pytest.mark.parametrize("mode", ["engine", "multi-model"])
def test_a_version_that_was_deleted_from_the_endpoints_bucket_is_brought_again(
    monkeypatch: pytest.MonkeyPatch, mode: Literal["engine", "multi-model"]
) -> None:
    platform = Platform()
    platform.start()
    try:
        for name, value in platform.environment().items():
            monkeypatch.setenv(name, value)
        s3 = boto3.client("s3", region_name=REGION)
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})

        def list_keys() -> list[str]:
            return [one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]

        def invoke(
            _transport: SageMakerTransport, items: Sequence[Item], _key: object
        ) -> list[Found | AssayError]:
            """An endpoint that knows what is in its bucket and says so as each mode does."""
            if list_keys():
                return [framing.NOTHING] * len(items)
            if mode == "multi-model":
                raise EngineUnavailable("the model cannot be had")
            return [ModelUnavailable("the model is not there")] * len(items)

        monkeypatch.setattr(SageMakerTransport, "_invoke", invoke)
        settings = EndpointSettings(region=REGION, bucket=BUCKET, role_arn=ROLE, endpoint_mode=mode)
        transport = SageMakerTransport(settings, ModelDelivery(settings, AtHome()), 5)
        item = Item("acme", "mdl_1", np.zeros((32, 32, 3), np.uint8))

        async def run() -> list[bool]:
            answered = []
            for number in range(4):
                if number == 1:
                    for key in list_keys():
                        s3.delete_object(Bucket=BUCKET, Key=key)
                try:
                    [answer] = await transport.ask("assay", [item])
                except EngineUnavailable:
                    answered.append(False)
                else:
                    answered.append(isinstance(answer, Found))
            await transport.close()
            return answered

        assert asyncio.run(run()) == [True, False, True, True]
    finally:
        platform.stop()


def test_what_aws_says_over_and_over_is_logged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Told()
    monkeypatch.setattr("assay_inference.sagemaker_transport.log", log)
    platform = Platform()
    platform.start()
    try:
        for name, value in platform.environment().items():
            monkeypatch.setenv(name, value)
        settings = EndpointSettings(region=REGION, bucket=BUCKET, role_arn=ROLE)
        transport = SageMakerTransport(settings, ModelDelivery(settings, NoStore()), 5)
        expired = Refusal("ExpiredTokenException", "The security token is expired", 403)
        platform.fail_next("InvokeEndpoint", expired, 3)
        for _ in range(3):
            with pytest.raises(EngineUnavailable, match="credentials"):
                transport.check()
        with pytest.raises(EngineUnavailable, match="not there"):
            transport.check()
        asyncio.run(transport.close())
    finally:
        platform.stop()
    assert [line for line in log.lines if "ExpiredTokenException" in line] == log.lines[:1]
    assert sum("not found" in line for line in log.lines) == 1
