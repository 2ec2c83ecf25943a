"""The appearance of a run's products: from its genuine photos, cut out as the detector found them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from assay_shared.appearance.files import unpack_any, unpack_appearance
from assay_shared.appearance.fitting import LEAST_PHOTOS
from assay_shared.appearance.patches import Pixels, cut_patch
from assay_shared.appearance.whole import WholeModel
from assay_shared.wire import DatasetItem, DatasetManifest, Label, LabelRole, TrainingOptions
from assay_trainer.appearances import fit_appearances
from assay_trainer.job import Job
from assay_trainer.matching import Found
from tests.support.prints import draw_art, photograph
from tests.unit.trainer.support import box, item, make_manifest

ART = draw_art(3)
LABELS = [
    Label(name="logo", role=LabelRole.MARK),
    Label(name="carton", role=LabelRole.PRODUCT),
    Label(name="fake-logo", role=LabelRole.COUNTERFEIT),
    Label(name="bag", role=LabelRole.PRODUCT),
]


def take(images: Path, number: int, art: Pixels = ART) -> tuple[DatasetItem, Found]:
    """A photo in the folder, annotated, and its product found a little off."""
    photo = photograph(art, number)
    left, top, right, bottom = photo.box
    height, width = photo.pixels.shape[:2]
    annotation = box("carton", left, top, right - left, bottom - top)
    one = item(f"{number:064x}", "train", annotation, size=(width, height))
    Image.fromarray(photo.pixels).save(images / f"{one.sha256}.jpg", quality=95)
    found = np.array([[left + 6, top - 5, right + 4, bottom + 7]], np.float32)
    true = np.array([photo.box], np.float32)
    return one, Found(found, np.array([0.9], np.float32), np.array([1]), true, np.array([1]))


def make_job(folder: Path, manifest: DatasetManifest) -> Job:
    return Job(
        run="run_1",
        brand="acme",
        version="mdl_1",
        options=TrainingOptions(),
        dataset=manifest,
        images=folder / "images",
        folder=folder / "model",
    )


@pytest.mark.timeout(120)
def test_a_product_with_enough_genuine_photos_gets_an_appearance_that_knows_its_counterfeits(
    tmp_path: Path,
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    reddish = np.asarray(np.clip(ART * np.array([1.0, 0.8, 0.9]) + [0, 0, 30], 0, 255), np.uint8)
    taken = [take(images, number, reddish if number < 2 else ART) for number in range(LEAST_PHOTOS + 2)]
    items, found = [one for one, _ in taken], [seen for _, seen in taken]
    forged = items[0].model_copy(
        update={"annotations": [*items[0].annotations, box("fake-logo", 10, 10, 20, 20)]}
    )
    items[0] = forged
    items[1] = items[1].model_copy(update={"truth": "counterfeit"})
    manifest = make_manifest(*items).model_copy(update={"labels": LABELS})
    job = make_job(tmp_path, manifest)
    appearances = fit_appearances(job, items, found)
    assert appearances.keys() == {"carton", "bag"}
    assert appearances["carton"].photos == LEAST_PHOTOS
    assert appearances["carton"].file == "appearance/1.safetensors"
    assert appearances["bag"].file is None
    assert "0 genuine photos" in appearances["bag"].reason
    model = unpack_appearance((job.folder / "appearance/1.safetensors").read_bytes())
    photo = photograph(ART, 400)
    assert (model.judge(cut_patch(photo.pixels, photo.box)).p or 0) > 0.02
    assert model.significance.known is not None, "the two known counterfeits have their colours in common"


def test_a_product_without_print_is_learnt_as_a_whole_and_told_so(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    plain = np.full_like(ART, 170)
    taken = [take(images, number, plain) for number in range(LEAST_PHOTOS)]
    manifest = make_manifest(*(one for one, _ in taken)).model_copy(update={"labels": LABELS})
    job = make_job(tmp_path, manifest)
    carton = fit_appearances(job, manifest.items, [seen for _, seen in taken])["carton"]
    assert carton.file == "appearance/1.safetensors"
    assert "print" in carton.reason
    assert isinstance(unpack_any((job.folder / carton.file).read_bytes()), WholeModel)
