"""Judging appearances in worker processes: pixels are worked on beside the event loop, request by request."""

from __future__ import annotations

import asyncio
import math
import multiprocessing
import multiprocessing.connection
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from assay_inference.shared_pixels import PixelPlace, SharedPixels
from assay_inference.turns import SPARE, Turns
from assay_shared import logs
from assay_shared.appearance.explanation import (
    draw_explanation,
    draw_patch,
    encode_explanation,
    sketch_explanation,
)
from assay_shared.appearance.files import AppearanceFileOutdated, unpack_any
from assay_shared.appearance.model import AppearanceModel
from assay_shared.appearance.patches import Patch
from assay_shared.appearance.sketches import Sketch, pack_sketch, unpack_sketch
from assay_shared.appearance.whole import WholeModel
from assay_shared.errors import Unavailable

log = logs.get_logger(__name__)
_models: OrderedDict[str, tuple[int, AppearanceModel | WholeModel]] = OrderedDict()
_max_bytes = 0
_NOTHING = np.zeros((0, 0, 3), np.uint8)
Given = TypeVar("Given")
T = TypeVar("T")


@dataclass(frozen=True)
class Appearance:
    """What a worker found of a product: `p`, the chance of a genuine photo to depart as far, None where the
    photo could not be aligned; the same by cause; shares `covered` of the print judged and under `glare`;
    `density` photo pixels a frame pixel and `softness` of edges in frame pixels, each with what the genuine
    photos allow; `sketch`, what a picture that explains it is drawn from. `whole`: there is no print to
    compare, only the product as a whole; covered, glare and softness then say nothing. `outdated`: another
    version of Assay learnt the appearance, and nothing was found."""

    p: float | None = None
    causes: dict[str, float] | None = None
    covered: float = 0.0
    glare: float = 0.0
    density: float = 0.0
    least_density: float = 0.0
    softness: float = 0.0
    most_softness: float = 0.0
    whole: bool = False
    outdated: bool = False
    sketch: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class PatchPlace:
    """A patch on its way to a worker: its pixels lie elsewhere."""

    pixels: PixelPlace
    patch: Patch


class AppearanceWorkers:
    """As many processes as asked for, and SPARE; each keeps the models it used last, `max_bytes` over all of
    them. Brands take turns; at most `queue` products and drawings wait, none longer than
    `deadline_seconds`."""

    def __init__(self, count: int, max_bytes: int, queue: int, deadline_seconds: float) -> None:
        self._turns = Turns("appearance", count, queue, deadline_seconds)
        self._count = count + SPARE
        self._max_bytes = max_bytes
        self._pool = self._start()

    async def judge(self, brand: str, path: Path, patch: Patch) -> Appearance:
        """Judges a patch by the appearance in a brand's file. Raises Unavailable as `_run` does, and
        BrandFlood and Busy as `Turns.take` does."""
        async with self._turns.take(brand):
            with await asyncio.to_thread(SharedPixels, patch.pixels) as shared:
                place = PatchPlace(shared.place, replace(patch, pixels=_NOTHING))
                return await self._run(judge_there, str(path), place)

    async def draw(self, brand: str, path: Path, sketch: bytes) -> bytes:
        """The picture (JPEG) that explains a judgement by the appearance in a brand's file. Raises as `judge`
        does."""
        async with self._turns.take(brand):
            return await self._run(draw_sketch, str(path), sketch)

    async def _run(self, work: Callable[[str, Given], T], path: str, given: Given) -> T:
        """Has a worker do something. One that dies is replaced and the work tried once more. Raises
        Unavailable where that dies too or what it reads is damaged."""
        for _ in range(2):
            pool = self._pool
            try:
                return await asyncio.wrap_future(pool.submit(work, path, given))
            except BrokenProcessPool:
                log.warning("a worker that judges appearances died")
                if self._pool is pool:
                    self._pool = self._start()
            except (OSError, ValueError) as error:
                raise Unavailable(f"A product's appearance cannot be read: {error}") from error
        raise Unavailable("The processes that judge appearances die")

    def stop(self) -> None:
        """Ends the processes."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _start(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(self._count, context, _begin, (self._max_bytes // self._count,))
        # All start with the first task, and take a second: not while a picture waits.
        pool.submit(os.getpid)
        return pool


def judge_there(path: str, place: PatchPlace) -> Appearance:
    """The work of one worker. Raises OSError and AppearanceFileCorrupt."""
    return judge_patch(path, replace(place.patch, pixels=place.pixels.read()))


def judge_patch(path: str, patch: Patch) -> Appearance:
    """Judges a patch by the appearance in a file. Raises OSError and AppearanceFileCorrupt."""
    try:
        model = _load(path)
    except AppearanceFileOutdated:
        return Appearance(outdated=True)
    if isinstance(model, WholeModel):
        return _judge_whole(model, patch)
    found = model.judge(patch)
    sketch = pack_sketch(sketch_explanation(model, patch, found))
    if found.p is None or found.measures is None:
        return Appearance(
            least_density=model.limits.density, most_softness=model.limits.softness, sketch=sketch
        )
    return Appearance(
        p=found.p,
        causes=dict(found.causes or {}),
        covered=found.measures.covered,
        glare=found.measures.glare,
        density=found.measures.density,
        least_density=model.limits.density,
        softness=found.measures.softness[0],
        most_softness=model.limits.softness,
        sketch=sketch,
    )


def draw_sketch(path: str, sketch: bytes) -> bytes:
    """The picture of a sketch (JPEG). Raises OSError, AppearanceFileCorrupt and SketchCorrupt."""
    model, drawn = _load(path), unpack_sketch(sketch)
    if isinstance(model, WholeModel):
        return encode_explanation(draw_patch(drawn.patch))
    return encode_explanation(draw_explanation(model.reference, drawn))


def _judge_whole(model: WholeModel, patch: Patch) -> Appearance:
    found = model.judge(patch)
    return Appearance(
        p=found.p,
        causes=dict(found.causes),
        covered=1.0,
        density=found.density,
        least_density=model.density,
        most_softness=math.inf,
        whole=True,
        sketch=pack_sketch(Sketch(patch, None, np.zeros(0, np.float32), ())),
    )


def _load(path: str) -> AppearanceModel | WholeModel:
    if path in _models:
        _models.move_to_end(path)
        return _models[path][1]
    model = unpack_any(Path(path).read_bytes())
    pixels = 0 if isinstance(model, WholeModel) else model.reference.pixels.nbytes
    # What a reference is made of: pixels and three masks, the pixels at half size, and lightness with its
    # four bands, of four bytes.
    _models[path] = (2 * pixels + pixels // 4 + 20 * pixels // 3, model)
    while len(_models) > 1 and sum(size for size, _ in _models.values()) > _max_bytes:
        _models.popitem(last=False)
    return model


def _begin(max_bytes: int) -> None:
    global _max_bytes
    _max_bytes = max_bytes
    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose service was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
