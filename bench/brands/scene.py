"""The surroundings of a product in linear light, and the lights themselves."""

from dataclasses import dataclass, replace
from math import radians

import cv2
import numpy as np

from bench.brands.bodies import Built, Patch
from bench.brands.lens import Lens
from bench.brands.shapes import Frustum
from deploy.local.photos.artwork import print_package
from deploy.local.photos.catalog import make_brand
from deploy.local.photos.geometry import Camera, Matrix, aim
from deploy.local.photos.ink import Bytes, Floats, smooth_noise
from deploy.local.photos.stage import cast_shadow, paint_package, paint_plane, place, to_linear
from deploy.local.photos.surfaces import blurred_room, lay_surface, scatter_things

_SHRINK = 2
"""Surroundings are painted at half size: they lie out of focus anyway."""
_GRID = 160
_NEIGHBOURS = 6
_LEAST_FILL = 0.45


@dataclass(frozen=True)
class Pose:
    """How a product is seen: angles in degrees, whether it stands, and the lens with its place."""

    pitch: float
    yaw: float
    roll: float
    standing: bool
    lens: Lens


def choose_pose(rng: np.random.Generator, built: Built, stands: float, size: tuple[int, int]) -> Pose:
    """Choose how a product is seen; it fills 45 to 90 % of the frame in the direction that fills first."""
    standing = bool(rng.random() < stands)
    fill, focal = float(rng.triangular(_LEAST_FILL, 0.72, 0.9)), float(rng.uniform(0.85, 1.35))
    shift = (float(rng.uniform(-0.8, 0.8)), float(rng.uniform(-0.8, 0.8)))
    round_body = isinstance(built.patches[built.face].surface, Frustum)
    if standing:
        pitch, roll = float(rng.uniform(2, 22)), float(np.clip(rng.normal(0, 4), -9, 9))
        # A round thing is turned about its own axis instead: bodies.TURN.
        yaw = 0.0 if round_body else float(np.clip(rng.normal(0, 14), -28, 28))
    else:
        pitch, yaw = (float(np.clip(rng.normal(0, 10), -24, 24)) for _ in range(2))
        roll = float(np.clip(rng.normal(0, 10), -24, 24))
    angles = (pitch, yaw, roll)
    tried = aim(built.solid, size, angles, focal, 0.5, (0, 0))
    spread = np.ptp(tried.project(built.solid.corners), axis=0)
    high = min(fill, fill * size[0] / spread[0] * spread[1] / size[1])
    # Never smaller than that share of the longer side, or small print is lost whatever is said of it.
    high = max(high, _LEAST_FILL * max(size) / max(spread) * spread[1] / size[1])
    camera = aim(built.solid, size, angles, focal, high, shift)
    return Pose(*angles, standing, Lens(camera, float(rng.uniform(-0.02, 0.02))))


def paint_surroundings(rng: np.random.Generator, pose: Pose, built: Built) -> tuple[Floats, Matrix]:
    """Paint what is around a product, its shadow included: HxWx3 light, and the direction to the lamp."""
    full = pose.lens.camera
    camera = replace(
        full, focal=full.focal / _SHRINK, width=full.width // _SHRINK, height=full.height // _SHRINK
    )
    sideways, upward = float(rng.uniform(-0.65, 0.65)), float(rng.uniform(0.1, 0.65))
    surface = lay_surface(rng)
    blur = float(rng.uniform(0.3, 1.2)) * camera.width / 1280
    right, down, away = np.eye(3)
    if pose.standing:
        light, ground, level = (sideways, -1.0, -upward - 0.6), -down, built.solid.height / 2
        canvas = _paint_room(rng, camera, built, surface, np.asarray(light) / np.linalg.norm(light))
        blur *= 1.6
    else:
        light, ground, level = (sideways, -upward, -1.0), -away, built.solid.depth
        strewn = scatter_things(rng, surface, int(rng.integers(0, 7)))
        canvas = paint_plane(camera, surface, away * level, right, down, strewn)
    lamp = np.asarray(light) / np.linalg.norm(light)
    canvas = np.asarray(cv2.GaussianBlur(canvas, (0, 0), max(blur, 0.3)), np.float32)
    _cast(canvas, camera, built, lamp, ground, -level, float(rng.uniform(0.015, 0.06)))
    size = (full.width, full.height)
    return np.asarray(cv2.resize(canvas, size, interpolation=cv2.INTER_LINEAR), np.float32), lamp


def _paint_room(
    rng: np.random.Generator, camera: Camera, built: Built, surface: Bytes, light: Matrix
) -> Floats:
    """Paint a table with a wall or a room behind it, and often other packages that stand about."""
    right, down, away = np.eye(3)
    level, deep = built.solid.height / 2, built.solid.depth
    canvas = paint_plane(camera, surface, down * level, right, -away)
    wall_at = deep + float(rng.uniform(0.2, 1.6))
    if rng.random() < 0.5:
        wall = paint_plane(camera, lay_surface(rng), away * wall_at, right, down)
    else:
        wall = to_linear(blurred_room(rng, camera.width, camera.height))
    edge = camera.project([(-0.6, level, wall_at), (0.6, level, wall_at)])
    along = edge[1] - edge[0]
    x = np.arange(camera.width, dtype=np.float32)[None, :] - np.float32(edge[0, 0])
    y = np.arange(camera.height, dtype=np.float32)[:, None] - np.float32(edge[0, 1])
    below = (np.float32(along[0]) * y - np.float32(along[1]) * x) / np.float32(np.hypot(*along))
    dim = 1 - 0.35 * np.exp(np.minimum(-below, 0) / 30)
    canvas = np.where((below > 0)[..., None], canvas * dim[..., None], wall)
    for _ in range(int(rng.choice([0, 1, 2], p=[0.5, 0.3, 0.2]))):
        brand = make_brand(910_000 + int(rng.integers(_NEIGHBOURS)))
        package = print_package(brand, 0, "genuine", "none")
        other = place(package)
        side = float(rng.choice([-1, 1]))
        beside = side * (built.solid.width / 2 + other.solid.width / 2 + float(rng.uniform(0.05, 0.5)))
        behind = float(rng.uniform(0, max(0.05, wall_at - other.solid.depth)))
        other = replace(other, origin=(beside, level - other.solid.height / 2, behind))
        cast_shadow(canvas, camera, [other], light, -down, -level, 0.05)
        paint_package(canvas, camera, other, light)
    return np.asarray(canvas, np.float32)


def _cast(
    canvas: Floats,
    camera: Camera,
    built: Built,
    light: Matrix,
    ground: Matrix,
    level: float,
    softness: float,
) -> None:
    """Darken `canvas` where the product keeps the light from the plane `ground` . p = `level`, in place."""
    shrink = 2
    size = (camera.width // shrink, camera.height // shrink)
    points = np.concatenate([hull_points(patch) for patch in built.patches])
    reach = (level - points @ ground) / (light @ ground)
    ends, feet = points + reach[:, None] * light, points + (level - points @ ground)[:, None] * ground
    scale = camera.focal / camera.offset[2] / shrink
    shade = np.ones(size[::-1], np.float32)
    for corners, wide, dark in ((np.concatenate([ends, feet]), softness, 0.55), (feet, 0.035, 0.5)):
        mask = np.zeros(size[::-1], np.uint8)
        hull = cv2.convexHull((camera.project(corners) / shrink).astype(np.float32))
        cv2.fillConvexPoly(mask, np.round(hull * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
        soft = cv2.GaussianBlur(mask, (0, 0), max(0.7, wide * scale))
        shade *= 1 - soft.astype(np.float32) * np.float32(dark / 255)
    canvas *= cv2.resize(shade, (camera.width, camera.height), interpolation=cv2.INTER_LINEAR)[..., None]


def hull_points(patch: Patch) -> Matrix:
    """Return points whose hull holds all of a patch."""
    surface = patch.surface
    if patch.alpha is None:
        return surface.rim()
    height, width = patch.alpha.shape
    rows, columns = np.nonzero(patch.alpha[::8, ::8] > 0.5)
    edge = cv2.convexHull(np.stack([columns, rows], axis=1).astype(np.float32) * 8).reshape(-1, 2)
    return surface.points(np.asarray(edge, np.float64) / (width, height))


def choose_gleam(rng: np.random.Generator, patch: Patch, light: Matrix) -> tuple[Floats | None, bool]:
    """Choose what the face mirrors: light added on a grid over its print, and whether that is glare.

    A third of the photos have glare. Round and glossy things always mirror a faint stripe of the lamp.
    """
    glare = bool(rng.random() < 1 / 3)
    strength = float(rng.uniform(0.15, 0.75))
    spot, turn = rng.uniform(0.08, 0.92, 2), float(rng.uniform(0, 180))
    long, short = float(rng.uniform(0.1, 0.3)), float(rng.uniform(0.03, 0.12))
    window, soft = bool(rng.random() < 0.35), float(rng.uniform(1.5, 6))
    added = np.zeros((_GRID, _GRID), np.float32)
    if isinstance(patch.surface, Frustum):
        angle = np.linspace(-0.5, 0.5, _GRID, dtype=np.float32) * np.float32(patch.surface.arc)
        angle += np.float32(patch.surface.turn)
        lamp = np.arctan2(light[0], -light[2]) / 2 + float(rng.uniform(-0.5, 0.5))
        wide = radians(float(rng.uniform(3, 9)))
        stripe = np.exp(-(((angle - np.float32(lamp)) / np.float32(wide)) ** 2))
        ends = np.clip(1.15 - 1.3 * np.abs(np.linspace(-1, 1, _GRID, dtype=np.float32)) ** 4, 0, 1)
        level = strength if glare else 0.12
        added += np.float32(level * patch.gloss) * ends[:, None] * stripe[None, :]
        return added, glare
    if not glare:
        return None, False
    centre = (float(spot[0] * _GRID), float(spot[1] * _GRID))
    if window:
        corners = cv2.boxPoints((centre, (long * _GRID, short * _GRID * 2), turn))
        cv2.fillConvexPoly(added, corners.astype(np.int32), strength * (0.4 + 0.6 * patch.gloss))
    else:
        axes = (long * _GRID / 2, short * _GRID)
        cv2.ellipse(added, (centre, (axes[0] * 2, axes[1]), turn), strength * (0.4 + 0.6 * patch.gloss), -1)
    soft_glare = cv2.GaussianBlur(added, (0, 0), soft)
    mottle = 1 + 0.06 * smooth_noise(rng, _GRID, _GRID, (20, 20))
    return np.asarray(soft_glare * mottle, np.float32), True
