"""Models that SageMaker loads and unloads itself: its multi-model contract, by names that it makes up."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from assay_engine.deadlines import detect_in_time
from assay_engine.errors import EngineFull, ModelUnavailable
from assay_engine.framing import NOTHING, Found, Item
from assay_engine.protocols import BrandDetector, Runtime
from assay_shared import logs
from assay_shared.errors import AssayError, Conflict, InvalidRequest, NotFound
from assay_shared.model_description import DESCRIPTION_FILE, WEIGHTS_FILE, ModelDescription

log = logs.get_logger(__name__)


class NoRoom(AssayError):
    """Another model does not fit beside those that are loaded; SageMaker unloads one and asks again."""

    type = "no-room"
    title = "No memory is left for another model"
    status = 507


@dataclass(frozen=True)
class LoadedModel:
    """A model by SageMaker's name and folder, whose it is, and its detector."""

    name: str
    url: str
    brand: str
    version: str
    detector: BrandDetector


class LoadedModels:
    """The models in memory, at most `limit_bytes` of weights. Safe to share between threads."""

    def __init__(self, runtime: Runtime, limit_bytes: int) -> None:
        self._runtime = runtime
        self._limit = limit_bytes
        self._models: dict[str, LoadedModel] = {}
        self._loading: set[str] = set()
        self._lock = threading.Lock()

    def load(self, name: str, url: str) -> LoadedModel:
        """Loads the model version that lies unpacked in folder `url`, its hash verified.

        Raises Conflict when it is loaded or being loaded, NoRoom, NotFound without such a folder, and
        ModelUnavailable for files that are corrupt or do not fit together.
        """
        with self._lock:
            if name in self._models or name in self._loading:
                raise Conflict(f"Model {name[:80]} is loaded already")
            self._loading.add(name)
        try:
            model = self._read(name, url)
            with self._lock:
                held = sum(one.detector.size_bytes for one in self._models.values())
                if held + model.detector.size_bytes > self._limit:
                    raise NoRoom(
                        f"{len(self._models)} models take {held} of {self._limit} bytes; "
                        f"{model.detector.size_bytes} more do not fit"
                    )
                self._models[name] = model
            return model
        except MemoryError as error:
            raise NoRoom(f"The device has no room for another model: {error}") from error
        finally:
            with self._lock:
                self._loading.discard(name)

    def find(self, name: str) -> LoadedModel:
        """The model of a name. Raises NotFound."""
        with self._lock:
            model = self._models.get(name)
        if model is None:
            raise NotFound(f"Model {name[:80]} is not loaded")
        return model

    def list_all(self) -> Sequence[LoadedModel]:
        """All models, in the order of their loading."""
        with self._lock:
            return list(self._models.values())

    def unload(self, name: str) -> None:
        """Gives a model up; pictures that are in work end first, for they hold it. Raises NotFound."""
        with self._lock:
            if self._models.pop(name, None) is None:
                raise NotFound(f"Model {name[:80]} is not loaded")

    def detect(self, name: str, items: Sequence[Item]) -> list[Found | AssayError]:
        """One result for each item, which must be of the brand and version that the model is of, and in time.
        Raises NotFound."""
        model = self.find(name)
        return detect_in_time(items, lambda in_time, _seconds: _detect(model, in_time))

    def _read(self, name: str, url: str) -> LoadedModel:
        folder = Path(url)
        try:
            described = (folder / DESCRIPTION_FILE).read_bytes()
            weights = (folder / WEIGHTS_FILE).read_bytes()
            description = ModelDescription.model_validate_json(described)
        except OSError as error:
            raise NotFound(f"{error.filename} cannot be read: {error.strerror}") from error
        except ValidationError as error:
            raise ModelUnavailable(f"{url}: model.json has {error.error_count()} errors") from error
        if hashlib.sha256(weights).hexdigest() != description.files.get(WEIGHTS_FILE):
            raise ModelUnavailable(f"{url}: {WEIGHTS_FILE} is not the one that model.json names")
        try:
            detector = self._runtime.load(weights, description)
        except (AssayError, MemoryError):
            raise
        except Exception as error:
            raise ModelUnavailable(f"{url} cannot be loaded: {type(error).__name__}: {error}") from error
        return LoadedModel(name, url, description.brand, description.version, detector)


def _detect(model: LoadedModel, items: Sequence[Item]) -> list[Found | AssayError]:
    results: list[Found | AssayError] = [NOTHING] * len(items)
    fit = []
    for place, item in enumerate(items):
        if (item.brand, item.version) != (model.brand, model.version):
            results[place] = InvalidRequest(
                f"Model {model.name[:80]} is version {model.version!r} of brand {model.brand!r}, not "
                f"{item.version!r} of {item.brand!r}"
            )
        elif item.pixels.shape[0] == model.detector.image_size:
            fit.append(place)
        elif item.pixels.size:
            results[place] = InvalidRequest(
                f"Version {model.version!r} of brand {model.brand!r} takes pictures of side "
                f"{model.detector.image_size}, not {item.pixels.shape[0]}"
            )
    for place, one in zip(fit, _compute(model, [items[place] for place in fit]), strict=True):
        results[place] = one
    return results


def _compute(model: LoadedModel, items: Sequence[Item]) -> Sequence[Found | AssayError]:
    if not items:
        return []
    try:
        return model.detector.detect(np.stack([item.pixels for item in items]))
    except MemoryError:
        log.warning("no room to compute", model=model.name, pictures=len(items))
        error = EngineFull(f"The device has no room to compute {len(items)} pictures; send fewer at once")
        return [error] * len(items)
