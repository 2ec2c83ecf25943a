"""The whole embedded stack, once a file of tests, and a brand in it whose model is live."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
from PIL import Image

from deploy.local.brand_client import BrandClient
from deploy.local.photos.catalog import DemoBrand, make_brand
from deploy.local.photos.dataset import DemoPhoto, test_photos, training_photos
from deploy.local.stack import Stack

QUICK = {
    "registry": {"ASSAY_LEASE_SECONDS": "6", "ASSAY_SWEEP_SECONDS": "1", "ASSAY_FINISH_WAIT_SECONDS": "2"},
    "ingest": {"ASSAY_RESEND_SECONDS": "3"},
    "torchserve": {"ASSAY_ENGINE_WORKERS": "1", "ASSAY_PROBE_SECONDS": "1"},
    "inference": {"ASSAY_ENGINE_SLOTS": "1", "ASSAY_LIVE_SECONDS": "0.5"},
}
"""Settings that make recovery from faults fast enough to watch."""
TINY_OPTIONS = {"image_size": 96, "epochs": 2, "batch": 8}
"""A run that only shows the way: its model knows nothing."""
LENIENT = {"gate": {"min_map50": 0, "min_image_accuracy": 0}, "min_images_per_label": 2}
"""Settings of a brand whose gate lets such a model pass."""
PHOTOS = 18
"""Enough for two of each label, the known fake's included."""
PHOTO_SIZE = {"width": 480, "height": 360}


@dataclass(frozen=True)
class TaughtBrand:
    """A brand whose model version is live: who acts for it, and what it uploaded."""

    client: BrandClient
    photos: list[DemoPhoto]
    uploads: list[str]
    version: str


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Every service as a process, on ports that nobody uses."""
    folder = tmp_path_factory.mktemp("stack")
    with Stack(folder, reconcile_seconds=0.5, usual_ports=False, overrides=QUICK) as running:
        yield running


@pytest.fixture(scope="module")
def taught_brand(stack: Stack) -> Iterator[TaughtBrand]:
    """A brand that uploaded by HTTP and S3, said "finished", and has a live model."""
    with new_brand(stack, "taught") as client:
        photos = list(training_photos(client.brand, PHOTOS, **PHOTO_SIZE))
        uploads = [client.start_upload(), client.start_upload()]
        for photo in photos[:9]:
            client.upload_by_http(uploads[0], photo)
        for photo in photos[9:]:
            client.upload_by_s3(uploads[1], photo)
        run = client.watch_run(client.finish(TINY_OPTIONS), 180)
        client.wait_until_live(run["model_version"], 30)
        client.wait_until_judging(photos[0].data, 30)
        yield TaughtBrand(client, photos, uploads, run["model_version"])


def new_brand(stack: Stack, name: str) -> BrandClient:
    """A registered brand of this name, with two products and a gate that lets anything pass."""
    client = BrandClient(stack.access(), replace(make_brand(sum(name.encode())), slug=name, name=name))
    client.register(LENIENT)
    return client


def photo_to_judge(brand: DemoBrand) -> DemoPhoto:
    """A genuine photo of a brand's product that no training set holds, its barcode in view."""
    return next(iter(test_photos(brand, 1, width=PHOTO_SIZE["width"], height=PHOTO_SIZE["height"])))


def small_photo(client: BrandClient, number: int) -> DemoPhoto:
    """A picture of noise, unlike all others, with one box."""
    pixels = np.random.default_rng(number).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((64, 48), Image.Resampling.NEAREST).save(buffer, "JPEG")
    name = f"{number:04d}.jpg"
    annotation = {
        "file": name,
        "image_size": [{"width": 64, "height": 48, "depth": 3}],
        "annotations": [{"class_id": 0, "left": 8, "top": 8, "width": 40, "height": 30}],
        "categories": [{"class_id": 0, "name": client.brand.products[0].label}],
    }
    return DemoPhoto(name, buffer.getvalue(), annotation, "genuine", client.brand.products[0])
