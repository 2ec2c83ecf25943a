"""The one client of the registry's internal routes, for the other services."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, TypeAdapter

from assay_shared import logs
from assay_shared.errors import AssayError, RegistryUnavailable, all_errors
from assay_shared.web import REQUEST_ID, TYPE_PREFIX
from assay_shared.wire import (
    AnnotationArrival,
    ArchiveArrival,
    Arrival,
    Backend,
    Heartbeat,
    HeartbeatAnswer,
    ImageArrival,
    Lease,
    LeaseRequest,
    ModelPlace,
    ModelVersion,
    QuarantineArrival,
    Release,
    RunList,
    Source,
    Verification,
)

T = TypeVar("T", bound=BaseModel)

_PROBLEM_MEMBERS = {"type", "title", "status", "detail", "request_id"}


class RegistryClient:
    """Typed, blocking, safe to share between threads.

    Every method raises RegistryUnavailable when the registry does not answer, and the registry's own error
    (the same class of `assay_shared.errors`) when it refuses.
    """

    def __init__(self, base_url: str, service_token: str, timeout_seconds: float = 10.0) -> None:
        self._http = httpx.Client(
            base_url=base_url,
            headers={"Authorization": f"Bearer {service_token}"},
            timeout=httpx.Timeout(timeout_seconds, connect=3.0),
        )

    def record_image(self, arrival: ImageArrival) -> Arrival:
        """Records a sanitised image; pairs it with its annotation if that is there."""
        return self._post("/internal/images", arrival, Arrival)

    def record_annotation(self, arrival: AnnotationArrival) -> Arrival:
        """Records an annotation file; pairs it with its image if that is there."""
        return self._post("/internal/annotations", arrival, Arrival)

    def record_quarantine(self, arrival: QuarantineArrival) -> Arrival:
        """Records that an original was refused."""
        return self._post("/internal/quarantines", arrival, Arrival)

    def record_archive(self, arrival: ArchiveArrival) -> Arrival:
        """Records that an archive was unpacked into the inbox, and what came out of it."""
        return self._post("/internal/archives", arrival, Arrival)

    def select_unknown(self, sources: list[Source]) -> list[Source]:
        """Those of these raw uploads that no record knows yet: the reconcile scan's question."""
        body = TypeAdapter(list[Source]).dump_python(sources, mode="json")
        answer = self._call("POST", "/internal/sources/unknown", body)
        return TypeAdapter(list[Source]).validate_python(answer)

    def list_awaited_models(self) -> list[ModelPlace]:
        """The model versions that were packaged but not judged yet."""
        return TypeAdapter(list[ModelPlace]).validate_python(
            self._call("GET", "/internal/awaited-models", None)
        )

    def judge_model(self, place: ModelPlace) -> ModelVersion:
        """A model version's `model.json` has arrived: the registry judges it against the gate. Idempotent."""
        return self._post("/internal/arrived-models", place, ModelVersion)

    def acquire_lease(self, run: str, worker: str, backends: Sequence[Backend] = ("celery",)) -> Lease:
        """Asks for a run. Raises Conflict when it is over, another worker holds it, or it was begun in a
        backend that is not among these."""
        request = LeaseRequest(worker=worker, backends=list(backends))
        return self._post(f"/internal/training-runs/{run}/lease", request, Lease)

    def select_over(self, runs: list[str]) -> list[str]:
        """Those of these runs that are over; one that is unknown is not among them."""
        return self._post("/internal/training-runs/over", RunList(runs=runs), RunList).runs

    def send_heartbeat(self, run: str, heartbeat: Heartbeat) -> HeartbeatAnswer:
        """Renews the lease and reports progress. Raises LeaseLost."""
        return self._post(f"/internal/training-runs/{run}/heartbeat", heartbeat, HeartbeatAnswer)

    def release_lease(self, run: str, release: Release) -> None:
        """Ends the lease. Raises LeaseLost."""
        self._call("POST", f"/internal/training-runs/{run}/release", release.model_dump(mode="json"))

    def record_verification(self, verification: Verification) -> None:
        """Keeps a verification in the log. Idempotent by its id."""
        self._call("POST", "/internal/verifications", verification.model_dump(mode="json"))

    def check(self) -> None:
        """Raises RegistryUnavailable unless the registry answers."""
        self._call("GET", "/livez", None)

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def _post(self, path: str, body: BaseModel, answer: type[T]) -> T:
        return answer.model_validate(self._call("POST", path, body.model_dump(mode="json")))

    def _call(self, method: str, path: str, body: object) -> Any:
        headers = {REQUEST_ID: logs.current_request_id()} if logs.current_request_id() else {}
        try:
            response = self._http.request(method, path, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise RegistryUnavailable(f"The registry does not answer: {type(error).__name__}") from error
        if response.is_success:
            return response.json() if response.content else None
        raise _read_problem(response)


def _read_problem(response: httpx.Response) -> AssayError:
    try:
        body = response.json()
        slug = str(body["type"]).removeprefix(TYPE_PREFIX)
        detail = str(body["detail"])
    except (ValueError, KeyError, TypeError):
        return RegistryUnavailable(f"The registry answers {response.status_code} without a reason")
    if slug == AssayError.type:
        return RegistryUnavailable(f"The registry failed: {detail}")
    extra = {name: value for name, value in body.items() if name not in _PROBLEM_MEMBERS}
    return all_errors().get(slug, AssayError)(detail, **extra)
