"""The endpoint in SageMaker as one more host: the same frames, by boto3's `sagemaker-runtime`, on threads.

Before a model version is asked for the first time it is seen to that the endpoint can have it
(`sagemaker_models.py`). What keeps one brand's models away is that brand's error alone.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from assay_engine import framing
from assay_engine.errors import BadFrame, ModelUnavailable
from assay_engine.framing import Found, Item
from assay_inference.errors import EngineUnreached
from assay_inference.sagemaker_models import Key, ModelDelivery, multi_model_name
from assay_inference.sagemaker_settings import EndpointSettings
from assay_shared import logs
from assay_shared.aws import AwsDenied, AwsRefused, make_client, naming
from assay_shared.errors import AssayError, EngineUnavailable, Unavailable

MAX_BODY = 6_291_456
"""Bytes that the runtime takes (SageMaker, InvokeEndpoint)."""
FRAME_BYTES = 1024
"""More than the names and numbers of one item take."""
ABSENT = ("ValidationError", "ValidationException")
"""What AWS says of an endpoint that is not there."""
USUAL_SIDE = 640
"""Pixels; larger pictures are split into more requests."""
PROBES = 1
"""Threads beside those of the slots."""

log = logs.get_logger(__name__)


class SageMakerTransport:
    """Asks one endpoint, with at most `slots` requests at once, each of `timeout_seconds` at most."""

    # A request that nobody needs is one that is throttled or paid for: it is probed only when it was lost.
    idle_seconds, lost_seconds = math.inf, 2.0

    def __init__(self, settings: EndpointSettings, delivery: ModelDelivery, timeout_seconds: float) -> None:
        self._settings = settings
        self._delivery = delivery
        self._single = settings.endpoint_mode == "multi-model"
        region = settings.region
        # Retries are the caller's, who knows how long somebody waits.
        self._runtime: Any = make_client(
            "sagemaker-runtime", region, read_seconds=timeout_seconds, attempts=1
        )
        self._control: Any = make_client("sagemaker", region, read_seconds=timeout_seconds, attempts=1)
        self._told = ""
        self._pool = ThreadPoolExecutor(settings.endpoint_slots + PROBES, thread_name_prefix="sagemaker")

    async def ask(self, host: str, items: Sequence[Item]) -> list[Found | AssayError]:
        """See `Transport`. Pictures that are too many for one body go one request after another."""
        loop = asyncio.get_running_loop()
        if not items:
            await loop.run_in_executor(self._pool, self._probe)
            return []
        results: list[Found | AssayError | None] = [None] * len(items)
        ready = await self._deliver({_key(item) for item in items})
        parts = split(items, single=self._single)
        failures: list[EngineUnavailable] = []
        for part in parts:
            key = _key(items[part[0]])
            refused = [place for place in part if isinstance(ready[_key(items[place])], AssayError)]
            for place in refused:
                results[place] = ready[_key(items[place])]
            asked = [place for place in part if place not in refused]
            if not asked:
                continue
            try:
                answers = await loop.run_in_executor(
                    self._pool, self._invoke, [items[place] for place in asked], key
                )
            except EngineUnavailable as error:
                failures.append(error)
                if self._single:
                    # Of an archive that is gone, AWS says no more than that the model cannot be had.
                    self._delivery.look_again(key)
                continue
            for place, answer in zip(asked, answers, strict=True):
                results[place] = answer
                if isinstance(answer, ModelUnavailable):
                    self._delivery.look_again(_key(items[place]))
        if failures and len(failures) == len(parts):
            raise failures[0]
        return [failures[0] if result is None else result for result in results]

    def check(self) -> None:
        """See `Transport`."""
        self._probe()

    async def close(self) -> None:
        """See `Transport`."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._delivery.close()

    async def _deliver(self, keys: set[Key]) -> dict[Key, AssayError | None]:
        futures = {key: asyncio.wrap_future(self._delivery.deliver(key)) for key in keys}
        await asyncio.wait(futures.values())
        return {key: _failure_of(future) for key, future in futures.items()}

    def _invoke(self, items: Sequence[Item], key: Key) -> list[Found | AssayError]:
        named = {"TargetModel": multi_model_name(key)} if self._single else {}
        endpoint = self._settings.endpoint
        try:
            with naming(f"asking the endpoint {endpoint}"):
                answer = self._runtime.invoke_endpoint(
                    EndpointName=endpoint,
                    Body=framing.write_request(items),
                    ContentType=framing.CONTENT_TYPE,
                    Accept=framing.CONTENT_TYPE,
                    **named,
                )
                body = answer["Body"].read()
        except AssayError as error:
            raise self._fail(error) from error
        self._told = ""
        try:
            results = framing.read_response(body)
        except BadFrame as error:
            raise EngineUnavailable(f"The endpoint's answer cannot be read: {error.detail}") from error
        if len(results) != len(items):
            raise EngineUnavailable(f"The endpoint gave {len(results)} answers to {len(items)} pictures")
        return results

    def _probe(self) -> None:
        """A prediction of no picture; where every request must name a model, SageMaker's word."""
        if not self._single:
            self._invoke([], ("", ""))
            return
        endpoint = self._settings.endpoint
        try:
            with naming(f"looking at the endpoint {endpoint}"):
                status = self._control.describe_endpoint(EndpointName=endpoint)["EndpointStatus"]
        except AssayError as error:
            raise self._fail(error) from error
        if status not in ("InService", "Updating"):
            raise EngineUnavailable(f"The endpoint {endpoint} is {status}")

    def _fail(self, error: AssayError) -> EngineUnavailable:
        """The engine's error for what AWS said. What it says again and again is logged once."""
        kind = str(error.extra.get("code") or type(error).__name__)
        if kind != self._told:
            self._told = kind
            tell = log.error if isinstance(error, AwsDenied | AwsRefused) else log.warning
            tell("the endpoint gives no answer", endpoint=self._settings.endpoint, reason=error.detail)
        return _name_failure(error, self._settings.endpoint)


def find_batch(settings: EndpointSettings) -> int:
    """Pictures of the usual side that fit in one request; one where each request is of one model version. So
    what fails is one request, and each of its pictures gets its second try."""
    single = settings.endpoint_mode == "multi-model"
    return 1 if single else MAX_BODY // (3 * USUAL_SIDE**2 + FRAME_BYTES)


def split(items: Sequence[Item], *, single: bool) -> list[list[int]]:
    """The items' places, in requests that fit into a body; `single`: of one model version each."""
    groups: dict[Key | None, list[list[int]]] = {}
    sizes: dict[Key | None, int] = {}
    for place, item in enumerate(items):
        group = _key(item) if single else None
        size = item.pixels.size + FRAME_BYTES
        if group not in groups or sizes[group] + size > MAX_BODY:
            groups.setdefault(group, []).append([])
            sizes[group] = 0
        groups[group][-1].append(place)
        sizes[group] += size
    return [part for parts in groups.values() for part in parts]


def _key(item: Item) -> Key:
    return item.brand, item.version


def _failure_of(future: asyncio.Future[None]) -> AssayError | None:
    error = future.exception()
    if error is None or isinstance(error, AssayError):
        return error
    log.error("model was not delivered", exc_info=error)
    return EngineUnavailable(f"The model could not be brought to the endpoint: {type(error).__name__}")


def _name_failure(error: AssayError, endpoint: str) -> EngineUnavailable:
    """The engine's error for what AWS said: a caller gets 503 with it, or the picture goes once more."""
    if isinstance(error, AwsDenied):
        return EngineUnavailable("The detector in AWS refuses our credentials").after(error.retry_after)
    if isinstance(error, AwsRefused) and error.extra.get("code") in ABSENT:
        return EngineUnreached(f"The endpoint {endpoint} is not there or not in service: {error.detail}")
    if isinstance(error, Unavailable) and "Connect" in error.detail:
        return EngineUnreached(error.detail)
    return EngineUnavailable(error.detail)
