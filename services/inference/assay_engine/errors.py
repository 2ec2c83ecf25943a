"""What the engine can say of one brand's request."""

from __future__ import annotations

from assay_shared.errors import EngineUnavailable, InvalidRequest


class ModelUnavailable(EngineUnavailable):
    """The files of one model version cannot be had or are corrupt; other brands are not affected."""

    type = "model-unavailable"
    title = "The model version cannot be loaded"


class DeadlinePassed(EngineUnavailable):
    """The picture reached the engine when nobody waited for it any more; it was not computed."""

    type = "deadline-passed"
    title = "The picture came too late to the detector"


class BadFrame(InvalidRequest):
    """A binary request or response that breaks the framing of `assay_engine.framing`."""

    type = "bad-frame"
    title = "The engine's message cannot be read"


class ModelLoading(EngineUnavailable):
    """The model version is on its way into memory; ask again."""

    type = "model-loading"
    title = "The model version is being loaded"
    retry_after = 1


class EngineFull(EngineUnavailable):
    """No memory or disk is left beside what is in use."""

    type = "engine-full"
    title = "The engine has no room left"
