# ruff: noqa: PT028 (test_photos is no test)
"""The two sets of the demo: photos to learn from, and photos never seen to judge."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deploy.local.photos.catalog import DemoBrand, DemoProduct, brand_labels
from deploy.local.photos.files import FORMATS, annotation_json, encode_photo
from deploy.local.photos.render import KINDS, render_photo

SCENES_PER_SEED = 100_000
"""Scene numbers that belong to one seed, so that sets of different seeds share no scene."""

_KNOWN_FAKES_EVERY = 5
_PORTRAIT_SHARE = 0.35
_COVERED_EVERY = 8


@dataclass(frozen=True)
class DemoPhoto:
    """A photo as a file with its annotation; `product` is what it shows (None: another brand's thing)."""

    name: str
    data: bytes
    annotation: dict[str, Any]
    photo_kind: str
    product: DemoProduct | None


def training_photos(
    brand: DemoBrand, count: int = 62, seed: int = 1, *, width: int = 1280, height: int = 960
) -> Iterator[DemoPhoto]:
    """Yield `count` annotated photos to learn from, balanced over products, in mixed formats.

    All are genuine but one in five, which shows a known fake: its emblem is annotated as `fake-logo`.
    JPEG takes all eight orientations. About a third are upright pictures (width and height swapped).
    """
    yielded = 0
    for index in range(count):
        fake = index % _KNOWN_FAKES_EVERY == 2
        kind = "wrong-logo" if fake else "genuine"
        # The fakes are counted on their own, or an even step would give all of them to one product.
        product = (index // _KNOWN_FAKES_EVERY if fake else yielded) % len(brand.products)
        yielded += not fake
        yield _photo(brand, "train", index, seed, kind, product, None, (width, height))


def test_photos(
    brand: DemoBrand,
    count: int = 32,
    seed: int = 1_000_003,
    *,
    kinds: Sequence[str] = KINDS,
    width: int = 1280,
    height: int = 960,
) -> Iterator[DemoPhoto]:
    """Yield `count` photos to judge, genuine and counterfeit in turn; the fakes go through `kinds`.

    The barcode is near and sharp in most; one genuine photo in eight hides it under a price sticker.
    With a seed other than the training set's no scene is shared.
    """
    for index in range(count):
        turn = index // 2
        fake = index % 2 == 1
        kind = kinds[turn % len(kinds)] if fake else "genuine"
        # A full round of the kinds moves on to the next product.
        product = (turn + (turn // len(kinds) if fake else 0)) % len(brand.products)
        visible = fake or turn % _COVERED_EVERY != _COVERED_EVERY - 1
        yield _photo(brand, "test", index, seed, kind, product, visible, (width, height))


def _photo(
    brand: DemoBrand,
    stem: str,
    index: int,
    seed: int,
    kind: str,
    product: int,
    visible: bool | None,
    size: tuple[int, int],
) -> DemoPhoto:
    rng = np.random.default_rng([seed, index])
    width, height = size if rng.random() >= _PORTRAIT_SHARE else size[::-1]
    scene = seed * SCENES_PER_SEED + index
    photo = render_photo(
        brand, scene, kind=kind, product=product, width=width, height=height, barcode_visible=visible
    )
    # Positions, not chance, so that even a short set has every format.
    format = {3: "png", 8: "webp", 12: "avif"}.get(index % 16, "jpeg")
    orientation = 1 + (index * 5 + index // 8) % 8 if format == "jpeg" else 1
    data = encode_photo(photo, format, orientation=orientation, quality=int(rng.integers(84, 96)))
    name = f"{stem}_{seed}_{index:04d}.{FORMATS[format]}"
    return DemoPhoto(name, data, annotation_json(photo, name, list(brand_labels(brand))), kind, photo.product)


# pytest would take a function of this name for a test wherever it is imported.
test_photos.__dict__["__test__"] = False
