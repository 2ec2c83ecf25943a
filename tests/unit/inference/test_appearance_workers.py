"""Worker processes that judge appearances: they answer, die, are replaced, and say what is wrong."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from assay_inference.appearance_workers import Appearance, AppearanceWorkers
from assay_shared.appearance.explanation import HEIGHT
from assay_shared.appearance.files import FORMAT, pack_appearance, pack_whole
from assay_shared.appearance.fitting import LEAST_PHOTOS, fit_appearance
from assay_shared.appearance.patches import Patch, cut_patch
from assay_shared.appearance.whole import fit_whole
from assay_shared.errors import Unavailable
from tests.support.prints import draw_art, photograph


def take(art: int, seed: int) -> Patch:
    photo = photograph(draw_art(art), seed)
    return cut_patch(photo.pixels, photo.box)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    fit = fit_appearance([take(2, seed) for seed in range(LEAST_PHOTOS)])
    assert fit.model is not None
    path = tmp_path_factory.mktemp("appearance") / "0.safetensors"
    path.write_bytes(pack_appearance(fit.model))
    return path


@pytest.fixture
def workers() -> Iterator[AppearanceWorkers]:
    pool = AppearanceWorkers(1, 100_000_000, 100, 60)
    yield pool
    pool.stop()


def judge(workers: AppearanceWorkers, file: Path, *patches: Patch) -> list[Appearance]:
    """All at once."""

    async def ask() -> list[Appearance]:
        return await asyncio.gather(*(workers.judge("acme", file, patch) for patch in patches))

    return asyncio.run(ask())


def test_a_genuine_photo_is_judged_and_another_print_is_not(workers: AppearanceWorkers, file: Path) -> None:
    genuine, other = judge(workers, file, take(2, 300), take(5, 301))
    assert genuine.p is not None
    assert genuine.p > 0.02
    assert genuine.covered > 0.9
    assert genuine.density > genuine.least_density > 0
    assert other.p is None


def test_a_product_without_print_is_judged_as_a_whole(workers: AppearanceWorkers, tmp_path: Path) -> None:
    patches = [take(2, seed) for seed in range(LEAST_PHOTOS)]
    path = tmp_path / "0.safetensors"
    path.write_bytes(pack_whole(fit_whole(patches, [str(seed) for seed in range(LEAST_PHOTOS)])))
    (found,) = judge(workers, path, take(2, 304))
    assert found.whole
    assert found.p is not None
    assert found.causes is not None
    assert found.causes.keys() == {"colour", "fineness"}
    assert found.density > found.least_density > 0
    assert asyncio.run(workers.draw("acme", path, found.sketch)).startswith(b"\xff\xd8")


def test_a_worker_that_dies_is_replaced(workers: AppearanceWorkers, file: Path) -> None:
    first = judge(workers, file, take(2, 302))
    for process in list(workers._pool._processes.values()):
        os.kill(process.pid or 0, signal.SIGKILL)
    assert judge(workers, file, take(2, 302)) == first


def test_a_flood_does_not_go_before_another_brand(workers: AppearanceWorkers, file: Path) -> None:
    patch, done = take(2, 306), list[str]()

    async def ask(brand: str) -> None:
        await workers.judge(brand, file, patch)
        done.append(brand)

    async def ask_all() -> None:
        await asyncio.gather(*[ask(brand) for brand in [*["flood"] * 12, "other"]])

    asyncio.run(ask_all())
    # It is begun second, beside the flood's first; which of those that are in work ends first is chance.
    assert done.index("other") < 6


def test_a_file_that_is_no_appearance_says_so(workers: AppearanceWorkers, tmp_path: Path) -> None:
    path = tmp_path / "0.safetensors"
    path.write_bytes(b"nothing")
    with pytest.raises(Unavailable, match="cannot be read"):
        judge(workers, path, take(2, 303))


def test_what_another_version_learnt_is_not_compared(
    workers: AppearanceWorkers, file: Path, tmp_path: Path
) -> None:
    arrays = load_file(file)
    path = tmp_path / "0.safetensors"
    save_file({**arrays, "format": arrays["format"] * 0 + FORMAT - 1}, path)
    assert judge(workers, path, take(2, 304)) == [Appearance(outdated=True)]


def test_what_was_judged_is_drawn_when_somebody_asks(workers: AppearanceWorkers, file: Path) -> None:
    for found in judge(workers, file, take(2, 304), take(5, 305)):
        picture = asyncio.run(workers.draw("acme", file, found.sketch))
        shown = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
        assert shown is not None
        assert shown.shape[0] == HEIGHT


def test_a_damaged_sketch_says_so(workers: AppearanceWorkers, file: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be read"):
        asyncio.run(workers.draw("acme", file, b"nothing"))
