"""Of photos laid over each other, the print is where they are alike and there is something to see."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from assay_shared.appearance.alignment import Aligned
from assay_shared.appearance.frames import make_frame
from assay_shared.appearance.merging import find_surface, merge
from assay_shared.appearance.patches import Flags, Pixels

WIDTH, HEIGHT = 320, 480
DARK, WHITE = 45, 210
CORE = np.zeros((HEIGHT, WIDTH), bool)
CORE[HEIGHT // 3 : -HEIGHT // 3, WIDTH // 3 : -WIDTH // 3] = True


def show(product: Pixels, inside: Flags, seed: int) -> Aligned:
    """The product in a light of its own, on a ground of its own."""
    rng = np.random.default_rng(seed)
    light = cv2.resize(rng.uniform(0.75, 1.15, (3, 3)), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    ground = cv2.resize(rng.integers(0, 255, (24, 16, 3)).astype(np.uint8), (WIDTH, HEIGHT))
    pixels = np.where(inside[..., None], product * light[..., None], ground)
    nothing = np.zeros((HEIGHT // 16, WIDTH // 16, 2), np.float32)
    return Aligned(
        pixels=np.clip(pixels + rng.normal(0, 2, pixels.shape), 0, 255).astype(np.uint8),
        seen=np.ones((HEIGHT, WIDTH), bool),
        pose=np.eye(3, 4),
        bend=np.zeros(0, np.float32),
        residual=nothing,
        weights=nothing[..., 0],
        agreement=1.0,
        density=1.0,
    )


def find_mask(product: Pixels, inside: Flags) -> Flags:
    return merge([show(product, inside, seed) for seed in range(15)], CORE)[1]


def write(product: Pixels, top: int) -> None:
    for row in range(4):
        place = (70, top + 36 * row)
        cv2.putText(product, "GENUINE", place, cv2.FONT_HERSHEY_SIMPLEX, 1.2, (30, 30, 90), 3)


def test_a_white_label_is_print_though_it_scatters_more_than_the_dark_glass_around_it() -> None:
    product = np.full((HEIGHT, WIDTH, 3), DARK, np.uint8)
    label = (slice(180, 380), slice(50, 270))
    product[label] = WHITE
    write(product, 230)
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[30:450, 30:290] = True
    mask = find_mask(product, inside)
    assert mask[label].mean() > 0.95
    assert mask[~inside].mean() < 0.1


def test_a_bright_seal_is_print_though_the_dark_product_says_little_of_the_light() -> None:
    product = np.full((HEIGHT, WIDTH, 3), (70, 45, 8), np.uint8)
    for place in range(-HEIGHT, WIDTH, 40):
        cv2.line(product, (place, 0), (place + HEIGHT, HEIGHT), (120, 90, 20), 3)
    cv2.circle(product, (210, 240), 40, (60, 200, 250), -1)
    cv2.putText(product, "GOLD", (180, 246), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (20, 30, 60), 2)
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[50:430, 50:270] = True
    photos = []
    for seed in range(15):
        rng = np.random.default_rng(seed)
        ground = cv2.resize(rng.integers(0, 255, (24, 16, 3)).astype(np.uint8), (WIDTH, HEIGHT))
        cast = rng.uniform(0.4, 1.0, 3)
        haze = rng.uniform(0, 8)
        pixels = np.where(inside[..., None], product, ground) * cast + haze + rng.normal(0, 2, product.shape)
        photo = np.clip(pixels, 0, 255).astype(np.uint8)
        photos.append(replace(show(product, inside, seed), pixels=photo))
    _, mask = merge(photos, CORE)
    assert mask[205:275, 175:245].mean() > 0.95
    assert mask[~inside].mean() < 0.1


def test_bare_ground_is_no_print_however_much_of_it_is_alike() -> None:
    product = np.full((HEIGHT, WIDTH, 3), WHITE, np.uint8)
    write(product, 350)
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[10:210, 10:310] = True
    inside[310:470, 50:270] = True
    mask = find_mask(product, inside)
    assert mask[330:450, 70:250].mean() > 0.95
    assert mask[20:200].mean() < 0.05


def test_a_cap_that_moves_against_the_label_is_not_on_its_surface() -> None:
    frame = make_frame(np.full((HEIGHT, WIDTH, 3), WHITE, np.uint8), np.ones((HEIGHT, WIDTH), bool))
    rows, columns = frame.texture.shape
    rng = np.random.default_rng(0)
    photos = []
    for seed in range(15):
        residual = rng.normal(0, 0.1, (rows, columns, 2)).astype(np.float32)
        residual[: rows // 4] += rng.normal(0, 5, 2)
        one = show(np.full((HEIGHT, WIDTH, 3), WHITE, np.uint8), np.ones((HEIGHT, WIDTH), bool), seed)
        photos.append(replace(one, residual=residual, weights=np.ones((rows, columns), np.float32)))
    surface = find_surface(frame, photos)
    assert surface[HEIGHT // 4 + 16 :].mean() > 0.98
    assert surface[: HEIGHT // 4 - 16].mean() < 0.02
