"""The scene in linear light: surfaces, shadows, packages, as a lens of infinite sharpness sees them."""

from dataclasses import dataclass

import cv2
import numpy as np

from deploy.local.photos.artwork import Package
from deploy.local.photos.emblem import colour_seal
from deploy.local.photos.geometry import Camera, Matrix, Solid
from deploy.local.photos.ink import Bytes, Floats
from deploy.local.photos.surfaces import SIZE, SPAN

_LINEAR = ((np.arange(256, dtype=np.float32) / 255) ** 2.2).astype(np.float32)
_SUPERSAMPLE = 2
_AMBIENT = 0.55


@dataclass(frozen=True)
class Placed:
    """A package in the scene: its box, and where its front's centre is, in package units."""

    package: Package
    solid: Solid
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def corners(self) -> Matrix:
        """Return the box's 8 corners where it stands."""
        return np.asarray(self.solid.corners + np.asarray(self.origin), np.float64)

    def front_plane(self, camera: Camera) -> Matrix:
        """Return the homography from pixels of the flat front to pixels of the picture."""
        width = self.package.front.shape[1]
        x, y, z = self.origin
        unit = self.solid.width / width
        return camera.plane(
            (x - self.solid.width / 2, y - self.solid.height / 2, z), (unit, 0, 0), (0, unit, 0)
        )


def place(package: Package, origin: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Placed:
    """Put a package into the scene at its natural size: the longer edge of its front is 1."""
    height, width = package.front.shape[:2]
    longer = max(height, width)
    return Placed(package, Solid(width / longer, height / longer, package.depth), origin)


def to_linear(picture: Bytes) -> Floats:
    """Turn display bytes into linear light (0 to 1)."""
    return np.asarray(cv2.LUT(picture, _LINEAR), np.float32)


def paint_plane(
    camera: Camera, surface: Bytes, origin: Matrix, right: Matrix, down: Matrix, strewn: Bytes | None = None
) -> Floats:
    """Return a whole picture of an endless surface through `origin`, HxWx3 linear light.

    `strewn` is the same surface with things on it; it is shown once, where `surface` repeats itself.
    """
    unit = SPAN / SIZE
    start = origin - (right + down) * (SPAN / 2)
    homography = camera.plane(start, right * unit, down * unit)
    size = (camera.width, camera.height)
    warped = cv2.warpPerspective(
        surface, homography, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    if strewn is not None:
        cv2.warpPerspective(
            strewn, homography, size, dst=warped, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_TRANSPARENT
        )
    return to_linear(np.asarray(warped, np.uint8))


def raise_wall(
    camera: Camera, table: Floats, wall: Floats, level: float, wall_at: float, *, reach: float
) -> Floats:
    """Return the table (HxWx3) with a wall (HxWx3) behind it, `wall_at` away at the table's `level`.

    The table is darker towards the wall, over `reach` pixels.
    """
    edge = camera.project([(-0.6, level, wall_at), (0.6, level, wall_at)])
    along = edge[1] - edge[0]
    x = np.arange(camera.width, dtype=np.float32)[None, :] - np.float32(edge[0, 0])
    y = np.arange(camera.height, dtype=np.float32)[:, None] - np.float32(edge[0, 1])
    below = (np.float32(along[0]) * y - np.float32(along[1]) * x) / np.float32(np.hypot(*along))
    dim = 1 - 0.35 * np.exp(-np.maximum(below, 0) / reach)
    return np.asarray(np.where((below > 0)[..., None], table * dim[..., None], wall), np.float32)


def cast_shadow(
    canvas: Floats,
    camera: Camera,
    things: list[Placed],
    light: Matrix,
    ground: Matrix,
    level: float,
    softness: float,
) -> None:
    """Darken `canvas` where `things` keep the light from the plane `ground` . p = `level`, in place.

    `light` points to the light; `softness` is the penumbra in package units.
    """
    shrink = 4
    size = (camera.width // shrink, camera.height // shrink)
    cast, touch = np.zeros(size[::-1], np.uint8), np.zeros(size[::-1], np.uint8)
    for thing in things:
        corners = thing.corners()
        reach = (level - corners @ ground) / (light @ ground)
        ends = corners + reach[:, None] * light
        feet = corners + (level - corners @ ground)[:, None] * ground
        for mask, points in ((cast, np.concatenate([ends, feet])), (touch, feet)):
            hull = cv2.convexHull((camera.project(points) / shrink).astype(np.float32))
            cv2.fillConvexPoly(mask, (hull * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
    scale = camera.focal / camera.offset[2] / shrink
    cast = cv2.GaussianBlur(cast, (0, 0), max(0.6, softness * scale))
    touch = cv2.GaussianBlur(touch, (0, 0), max(0.8, 0.035 * scale))
    shade = 1 - cast.astype(np.float32) * (0.55 / 255)
    shade *= 1 - touch.astype(np.float32) * (0.5 / 255)
    canvas *= cv2.resize(shade, (camera.width, camera.height), interpolation=cv2.INTER_LINEAR)[..., None]


def paint_package(
    canvas: Floats, camera: Camera, thing: Placed, light: Matrix, shine: Floats | None = None
) -> None:
    """Paint a package's visible faces over `canvas`, lit from `light`; `shine` (HxW) is its glare."""
    solid, package = thing.solid, thing.package
    x, y, z = thing.origin
    half_w, half_h, deep = solid.width / 2, solid.height / 2, solid.depth
    side, top = package.sides
    if package.alpha is None:
        panels = (
            (side, (1, 0, 0), (half_w, -half_h, 0), (0, 0, deep), (0, 2 * half_h, 0)),
            (side, (-1, 0, 0), (-half_w, -half_h, deep), (0, 0, -deep), (0, 2 * half_h, 0)),
            (top, (0, -1, 0), (-half_w, -half_h, deep), (0, 0, -deep), (2 * half_w, 0, 0)),
            (top, (0, 1, 0), (-half_w, half_h, 0), (0, 0, deep), (2 * half_w, 0, 0)),
        )
        for panel, normal, corner, right, down in panels:
            start = np.add(corner, (x, y, z))
            if camera.faces(start, normal):
                height, width = panel.shape[:2]
                plane = camera.plane(start, np.array(right) / width, np.array(down) / height)
                _paint_face(canvas, plane, panel, None, _lambert(light, normal), None)
    front = _lit_front(camera, package)
    _paint_face(canvas, thing.front_plane(camera), front, package.alpha, _lambert(light, (0, 0, -1)), shine)


def _lit_front(camera: Camera, package: Package) -> Bytes:
    """Return the front with its seal in the rainbow colours of this point of view."""
    if package.seal is None:
        return package.front
    front = package.front.copy()
    left, top, width, height = package.seal_at
    view = float(camera.rotation[0, 2] * 1.7 + camera.rotation[1, 2] * 1.1)
    field = front[top : top + height, left : left + width]
    cover = package.seal.alpha[..., None]
    field[:] = (field * (1 - cover) + colour_seal(package.seal, view) * cover).astype(np.uint8)
    return front


def _lambert(light: Matrix, normal: tuple[float, float, float]) -> float:
    return _AMBIENT + (1 - _AMBIENT) * max(0.0, float(light @ np.asarray(normal))) * 1.25


def _paint_face(
    canvas: Floats, plane: Matrix, texture: Bytes, alpha: Floats | None, gain: float, shine: Floats | None
) -> None:
    """Warp a flat face onto the canvas, antialiased; `plane` maps texture pixels to canvas pixels."""
    height, width = texture.shape[:2]
    edge = np.array([[(0, 0), (width, 0), (width, height), (0, height)]], np.float64)
    quad = cv2.perspectiveTransform(edge, plane)[0]
    left, top = np.maximum(np.floor(quad.min(axis=0)).astype(int) - 1, 0)
    right, bottom = np.minimum(np.ceil(quad.max(axis=0)).astype(int) + 1, canvas.shape[1::-1])
    if right <= left or bottom <= top:
        return
    share = _SUPERSAMPLE * float(np.hypot(*(quad[1] - quad[3])) / np.hypot(width, height))
    if share < 0.8:
        small = max(2, round(width * share)), max(2, round(height * share))
        texture = np.asarray(cv2.resize(texture, small, interpolation=cv2.INTER_AREA), np.uint8)
        if alpha is not None:
            alpha = np.asarray(cv2.resize(alpha, small, interpolation=cv2.INTER_AREA), np.float32)
        plane = plane @ np.diag([width / small[0], height / small[1], 1.0])
    window = np.array(
        [[_SUPERSAMPLE, 0, -_SUPERSAMPLE * left], [0, _SUPERSAMPLE, -_SUPERSAMPLE * top], [0, 0, 1.0]]
    )
    size = (int(right - left), int(bottom - top))
    big = (size[0] * _SUPERSAMPLE, size[1] * _SUPERSAMPLE)
    colour = cv2.warpPerspective(
        texture, window @ plane, big, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    if alpha is None:
        mask = np.zeros(big[::-1], np.uint8)
        cv2.fillConvexPoly(
            mask, ((quad - (left, top)) * 16 * _SUPERSAMPLE).astype(np.int32), 255, cv2.LINE_AA, 4
        )
        share_of_pixel = cv2.resize(mask, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    else:
        fine = cv2.warpPerspective(alpha, window @ plane, big, flags=cv2.INTER_LINEAR)
        share_of_pixel = np.asarray(cv2.resize(fine, size, interpolation=cv2.INTER_AREA), np.float32)
    small_colour = np.asarray(cv2.resize(colour, size, interpolation=cv2.INTER_AREA), np.uint8)
    lit = to_linear(small_colour) * np.float32(gain)
    if shine is not None:
        lit += shine[top:bottom, left:right, None]
    target = canvas[top:bottom, left:right]
    target += (lit - target) * share_of_pixel[..., None]
