"""The one tree of errors. Each has a stable `type`, a title for people and an HTTP status.

`assay_shared.web` turns any of them into a problem document (RFC 9457); the registry client turns
such a document back into the same class.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Self

MAX_RETRY_AFTER = 60
"""Seconds; what a measured rate says beyond that is no better than a guess."""


class AssayError(Exception):
    """Base of every error that Assay raises on purpose.

    `detail` tells a person what was wrong, with which object, and what to do. `extra` becomes further
    members of the problem document (for example `missing` of a refused training run).
    """

    type: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"
    status: ClassVar[int] = 500
    retry_after: int | None = None

    def __init__(self, detail: str = "", **extra: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.extra = extra

    def after(self, seconds: float | None) -> Self:
        """The same error, to be tried again after this many seconds, whole ones from 1 to MAX_RETRY_AFTER;
        None leaves what its class says."""
        if seconds is not None:
            self.retry_after = max(1, math.ceil(min(seconds, MAX_RETRY_AFTER)))
        return self


class InvalidRequest(AssayError):
    """The request cannot be understood or breaks a rule; the detail names the field."""

    type = "invalid-request"
    title = "Invalid request"
    status = 422


class NotAuthenticated(AssayError):
    """No key, or one that is unknown or revoked."""

    type = "not-authenticated"
    title = "A valid API key is needed"
    status = 401


class NotAllowed(AssayError):
    """The key is valid but lacks the scope."""

    type = "not-allowed"
    title = "The key does not allow this"
    status = 403


class NotFound(AssayError):
    """There is no such thing, or it is another brand's."""

    type = "not-found"
    title = "Not found"
    status = 404


class Conflict(AssayError):
    """The thing exists already, or its state does not allow this now."""

    type = "conflict"
    title = "Conflict"
    status = 409


class NoLiveModel(Conflict):
    """The brand is known but has no live model version yet."""

    type = "no-live-model"
    title = "The brand has no live model"


class LeaseLost(Conflict):
    """The training run belongs to another worker now; whoever sees this must stop."""

    type = "lease-lost"
    title = "The lease of this training run was lost"


class TooLarge(AssayError):
    """The body is larger than the service takes."""

    type = "too-large"
    title = "Too large"
    status = 413


class UnsupportedMedia(AssayError):
    """The body is not of a kind that is taken here."""

    type = "unsupported-media"
    title = "Unsupported media type"
    status = 415


class TooManyRequests(AssayError):
    """The caller must slow down."""

    type = "too-many-requests"
    title = "Too many requests"
    status = 429
    retry_after = 1


class Unavailable(AssayError):
    """A part that this request needs does not answer now; the same request may be sent again."""

    type = "unavailable"
    title = "Temporarily unavailable"
    status = 503
    retry_after = 2


class StoreUnavailable(Unavailable):
    """The object store does not answer."""

    type = "store-unavailable"
    title = "The object store does not answer"


class RegistryUnavailable(Unavailable):
    """The registry does not answer."""

    type = "registry-unavailable"
    title = "The registry does not answer"


class BrokerUnavailable(Unavailable):
    """The broker does not take the task."""

    type = "broker-unavailable"
    title = "The broker does not answer"


class EngineUnavailable(Unavailable):
    """The detector engine does not answer or is full."""

    type = "engine-unavailable"
    title = "The detector engine does not answer"


def all_errors() -> dict[str, type[AssayError]]:
    """Every error class of the tree by its `type`, for turning problem documents back into errors."""
    found: dict[str, type[AssayError]] = {}
    todo: list[type[AssayError]] = [AssayError]
    while todo:
        cls = todo.pop()
        found.setdefault(cls.type, cls)
        todo.extend(cls.__subclasses__())
    return found
