"""One phone-like photo of a package, with the boxes of what it shows."""

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import count, islice

import cv2
import numpy as np

from deploy.local.photos.artwork import Package, choose_style, print_package
from deploy.local.photos.catalog import DemoBrand, DemoProduct, art_seed, make_brand
from deploy.local.photos.emblem import MOTIFS
from deploy.local.photos.geometry import Camera, Matrix, aim, visible_box
from deploy.local.photos.ink import Bytes, Floats
from deploy.local.photos.optics import choose_handling, develop, uneven_light
from deploy.local.photos.stage import (
    Placed,
    cast_shadow,
    paint_package,
    paint_plane,
    place,
    raise_wall,
    to_linear,
)
from deploy.local.photos.surfaces import blurred_room, lay_surface, scatter_things

KINDS = ("missing-seal", "wrong-logo", "altered-text", "wrong-barcode", "colour-shift", "low-resolution")
"""The kinds of counterfeit."""

LEAST_VISIBLE = 0.6
"""A mark of which less than this share lies within the frame gets no box."""

_READABLE_MODULE = 2.3
"""Pixels per module from which a mildly blurred and noisy EAN-13 is read reliably (tried with zxing-cpp)."""
_FOREIGN_BRANDS = 5


@dataclass(frozen=True)
class Box:
    """A labelled rectangle in pixels of the upright picture."""

    label: str
    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class Photo:
    """A picture (`pixels`, uint8 HxWx3 RGB, upright) and what it shows.

    `kind` is "genuine", one of KINDS, or "other-product" (then `product` is None and there are no boxes).
    """

    pixels: Bytes
    boxes: tuple[Box, ...]
    product: DemoProduct | None
    kind: str


def render_photo(
    brand: DemoBrand,
    seed: int,
    *,
    kind: str = "genuine",
    product: int | None = None,
    width: int = 1280,
    height: int = 960,
    barcode_visible: bool | None = None,
) -> Photo:
    """Take a photo of product number `product` (None: any) of `brand`; the same arguments, the same photo.

    The scene depends on `brand` and `seed` only, so a fake and a genuine photo of one seed differ in what
    is printed. `barcode_visible` True brings the barcode close and keeps it sharp, False hides it under a
    price sticker, None leaves it to chance (mostly visible).
    Raises ValueError for an unknown kind, and for a wrong barcode that is to be hidden.
    """
    if kind not in (*KINDS, "genuine", "other-product"):
        raise ValueError(f"unknown kind {kind!r}: use genuine, other-product or one of {', '.join(KINDS)}")
    if kind == "wrong-barcode" and barcode_visible is False:
        raise ValueError("a wrong barcode that nobody sees is no fake: leave barcode_visible out")
    chance, pose, stage, handling, grain = np.random.default_rng([art_seed(brand), seed]).spawn(5)
    index = int(chance.integers(len(brand.products))) if product is None else product
    shown = chance.random() < 0.92 if barcode_visible is None else barcode_visible
    barcode = "printed" if shown or kind == "wrong-barcode" else "covered"
    if kind == "other-product":
        package = print_package(*_choose_foreign(chance, brand), "genuine", barcode)
    else:
        package = print_package(brand, index, kind, barcode)

    careful = bool(barcode_visible)
    lying = bool(pose.random() < (0.85 if package.alpha is not None else 0.5))
    camera = _choose_camera(pose, package, (width, height), lying, careful)
    light = _paint_scene(stage, brand, camera, place(package), lying, careful)
    light *= uneven_light(stage, height, width)[..., None]
    pixels = develop(grain, light, choose_handling(handling, careful))
    if kind == "other-product":
        return Photo(pixels, (), None, kind)
    item = brand.products[index]
    return Photo(pixels, _find_boxes(camera, place(package), item.label), item, kind)


@lru_cache(maxsize=8)
def _foreign_brands(brand: DemoBrand) -> tuple[DemoBrand, ...]:
    """Return the other brands that stand about: ones whose emblem is neither `brand`'s nor its fakes'."""
    own = choose_style(brand)[3]
    near = {own % MOTIFS, (own + 3) % MOTIFS}
    others = (make_brand(900_000 + seed) for seed in count())
    return tuple(islice((other for other in others if choose_style(other)[3] not in near), _FOREIGN_BRANDS))


def _choose_foreign(rng: np.random.Generator, brand: DemoBrand) -> tuple[DemoBrand, int]:
    return _foreign_brands(brand)[int(rng.integers(_FOREIGN_BRANDS))], int(rng.integers(2))


def _choose_camera(
    rng: np.random.Generator, package: Package, size: tuple[int, int], lying: bool, careful: bool
) -> Camera:
    """Choose the pose: how the package is turned and tilted, and how much of the frame it fills."""
    fill = float(rng.triangular(0.38, 0.74, 0.86))
    lens = float(rng.uniform(0.85, 1.35))
    shift = (float(rng.uniform(-0.9, 0.9)), float(rng.uniform(-0.9, 0.9)))
    if lying:
        pitch, yaw = (float(np.clip(rng.normal(0, 12), -30, 30)) for _ in range(2))
        steepest = 17 if careful else 25
        roll = float(np.clip(rng.normal(0, 11), -steepest, steepest))
        larger = rng.random()
        if larger < 0.1 and not careful:
            roll = float(rng.choice([-1, 1])) * float(rng.uniform(25, 70))
        elif larger < 0.16:
            roll += float(rng.choice([90, 180, -90]))
    else:
        pitch, yaw = float(rng.uniform(3, 24)), float(np.clip(rng.normal(0, 17), -36, 36))
        roll = float(np.clip(rng.normal(0, 4), -10, 10))
    if rng.random() < 0.06 and not careful:
        shift = (shift[0] * 1.5, shift[1] * 1.2)
    thing = place(package)
    camera = aim(thing.solid, size, (pitch, yaw, roll), lens, fill, shift)
    left, top, width, height = package.barcode
    field = np.array([[(left, top + height / 2), (left + width, top + height / 2)]], np.float64)
    for _ in range(3 if careful else 0):
        ends = cv2.perspectiveTransform(field, thing.front_plane(camera))[0]
        module = float(np.hypot(*(ends[1] - ends[0]))) / 115
        fill = float(np.clip(fill * _READABLE_MODULE / module, fill, 0.86))
        camera = aim(thing.solid, size, (pitch, yaw, roll), lens, fill, shift)
    return camera


def _paint_scene(
    rng: np.random.Generator, brand: DemoBrand, camera: Camera, thing: Placed, lying: bool, careful: bool
) -> Floats:
    """Paint surroundings, shadows and the package, in linear light."""
    sideways, upward = float(rng.uniform(-0.65, 0.65)), float(rng.uniform(0.1, 0.65))
    glare = _choose_glare(rng, camera, thing, careful)
    surface = lay_surface(rng)
    blur = float(rng.uniform(0.3, 1.4)) * camera.width / 1280
    right, down, away = np.eye(3)
    if lying:
        light = _unit((sideways, -upward, -1.0))
        strewn = scatter_things(rng, surface, int(rng.integers(0, 7)))
        level = thing.solid.depth
        canvas = paint_plane(camera, surface, away * level, right, down, strewn)
        canvas = np.asarray(cv2.GaussianBlur(canvas, (0, 0), blur), np.float32)
        ground = -away
    else:
        light = _unit((sideways, -1.0, -upward - 0.25))
        level = thing.solid.height / 2
        canvas = _paint_room(rng, brand, camera, thing, surface, light, blur * 1.6)
        ground = -down
    cast_shadow(canvas, camera, [thing], light, ground, -level, float(rng.uniform(0.015, 0.06)))
    paint_package(canvas, camera, thing, light, glare)
    return canvas


def _paint_room(
    rng: np.random.Generator,
    brand: DemoBrand,
    camera: Camera,
    thing: Placed,
    surface: Bytes,
    light: Matrix,
    blur: float,
) -> Floats:
    """Paint a table or shelf with a wall or a room behind it, and other packages standing about."""
    right, down, away = np.eye(3)
    level = thing.solid.height / 2
    canvas = paint_plane(camera, surface, down * level, right, -away)
    wall_at = thing.solid.depth + float(rng.uniform(0.15, 1.6))
    if rng.random() < 0.5:
        wall = paint_plane(camera, lay_surface(rng), away * wall_at, right, down)
    else:
        wall = to_linear(blurred_room(rng, camera.width, camera.height))
    canvas = raise_wall(camera, canvas, wall, level, wall_at, reach=40)
    others = []
    for _ in range(int(rng.choice([0, 1, 2, 3, 4], p=[0.25, 0.2, 0.2, 0.2, 0.15]))):
        package = print_package(*_choose_foreign(rng, brand), "genuine", "none")
        other = place(package)
        beside = float(rng.choice([-1, 1])) * (
            thing.solid.width / 2 + other.solid.width / 2 + float(rng.uniform(0.02, 0.5))
        )
        behind = float(rng.uniform(0.0, max(0.05, wall_at - other.solid.depth)))
        others.append(replace(other, origin=(beside, level - other.solid.height / 2, behind)))
    others.sort(key=lambda other: -other.origin[2])
    for other in others:
        cast_shadow(canvas, camera, [other], light, -down, -level, 0.05)
        paint_package(canvas, camera, other, light)
    return np.asarray(cv2.GaussianBlur(canvas, (0, 0), blur), np.float32)


def _choose_glare(rng: np.random.Generator, camera: Camera, thing: Placed, careful: bool) -> Floats | None:
    """Choose a lamp's or a window's reflection on the front, HxW of added light, or none."""
    strength = float(rng.choice([0.0, 0.08, 0.22, 0.3 if careful else 0.9], p=[0.35, 0.3, 0.25, 0.1]))
    height, width = thing.package.front.shape[:2]
    left, top, wide, high = thing.package.barcode
    spots = rng.uniform(0.05, 0.95, (12, 2)) * (width, height)
    turn, long, short = rng.uniform(0, 180), rng.uniform(0.25, 0.6), rng.uniform(0.08, 0.2)
    if strength == 0:
        return None
    apart = np.hypot(*(spots - (left + wide / 2, top + high / 2)).T)
    clear = spots[apart > 0.45 * height]
    spot = clear[0] if careful and len(clear) else spots[0]
    centre = cv2.perspectiveTransform(np.array([[spot]]), thing.front_plane(camera))[0, 0] / 8
    small = np.zeros((camera.height // 8, camera.width // 8), np.float32)
    reach = camera.focal / camera.offset[2] / 8
    cv2.ellipse(small, (tuple(map(float, centre)), (long * reach, short * reach), float(turn)), strength, -1)
    soft = cv2.GaussianBlur(small, (0, 0), max(1.0, 0.09 * reach))
    return np.asarray(
        cv2.resize(soft, (camera.width, camera.height), interpolation=cv2.INTER_CUBIC), np.float32
    )


def _find_boxes(camera: Camera, thing: Placed, label: str) -> tuple[Box, ...]:
    """Return the boxes of the package and of each mark that can be seen on it."""
    outlines = {
        label: camera.project(thing.corners() if thing.package.alpha is None else thing.corners()[:4])
    }
    plane = thing.front_plane(camera)
    for mark, printed in thing.package.marks.items():
        seen = cv2.perspectiveTransform(printed[None].astype(np.float64), plane)[0]
        outlines[mark] = np.asarray(seen, np.float64)
    boxes = []
    for name, outline in outlines.items():
        box, share = visible_box(outline.astype(np.float32), camera.width, camera.height)
        if box is not None and (name == label or share >= LEAST_VISIBLE):
            boxes.append(Box(name, *box))
    return tuple(boxes)


def _unit(vector: tuple[float, float, float]) -> Matrix:
    return np.asarray(vector, np.float64) / np.linalg.norm(vector)
